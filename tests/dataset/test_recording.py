"""Recordings of a signer who rests between sentences: what is said of them is what is to be seen."""

import hashlib
import json

import numpy as np
import pytest

from dataset.synthetic.grammar import is_held_out
from dataset.synthetic.motion import FPS, HAND_SIZE, X, Y
from dataset.synthetic.recording import draw_recording, main, parse_args, plan_recording, render_recording
from dataset.synthetic.resting import RESTS
from dataset.video import open_video

SENTENCES = (("MORGEN", "REGEN"), ("NORD", "KALT", "WARM"))


def measure_steps(recording) -> np.ndarray:
    """How far a hand goes from frame to frame, (T - 1,) canonical pixels, the faster of the two."""
    steps = np.diff(recording.motion.hands[:, :, [X, Y]], axis=0)
    return np.hypot(steps[..., 0], steps[..., 1]).max(1)


def test_sentences_and_rests_take_turns_and_every_gloss_lies_in_its_sentence():
    recording = plan_recording(SENTENCES, (1.0, 2.0), signer=2, seed=4)
    spans = [(first, end, "sentence") for first, end in recording.sentences]
    spans += [(first, end, kind) for kind, first, end in recording.rests]
    spans.sort()
    assert [kind == "sentence" for *_, kind in spans] == [False, True, False, True, False]
    assert [first for first, *_ in spans] == [0, *(end for _, end, _ in spans[:-1])]
    assert spans[-1][1] == len(recording) == len(recording.motion.face)
    assert recording.motion.hands.shape == (len(recording), 2, HAND_SIZE)
    assert recording.glosses == ("MORGEN", "REGEN", "NORD", "KALT", "WARM")
    strokes = recording.motion.strokes
    (first, end), (later, last) = recording.sentences
    assert all(first <= a < b <= end for a, b in strokes[:2])
    assert all(later <= a < b <= last for a, b in strokes[2:])
    assert all(FPS <= b - a <= 2 * FPS for _, a, b in recording.rests)


@pytest.mark.parametrize("kind", sorted(RESTS))
def test_hands_never_jump_and_a_standing_signer_hardly_moves_them(kind):
    recording = plan_recording(SENTENCES, (4.0, 4.0), signer=0, seed=1, kinds=[kind])
    steps = measure_steps(recording)
    resting = np.concatenate([steps[a : b - 1] for _, a, b in recording.rests])
    signing = np.concatenate([steps[a:b] for a, b in recording.sentences])
    assert resting.max() < signing.max()
    assert (resting.max() < 1.5) == (kind in {"stand", "shift", "away"})  # of the others, the hands go somewhere
    assert 2 * np.median(resting) < np.median(signing)


def test_a_signer_who_goes_away_leaves_an_empty_studio():
    recording = plan_recording((), (5.0, 5.0), signer=0, seed=1, kinds=["away"])
    frames = np.stack(list(render_recording(recording))).astype(int)
    assert len(frames) == 5 * FPS
    there = np.abs(frames - frames[len(frames) // 2]).mean((1, 2, 3)) > 5
    assert there[0]
    assert there[-1]
    assert there.mean() < 0.8
    away = np.flatnonzero(~there)
    assert (np.diff(away) == 1).all()  # once, and all of that time


def test_the_mouth_rests_and_the_eyes_blink():
    face = plan_recording((), (20.0, 20.0), signer=0, seed=1, kinds=["stand"]).motion.face
    assert not face[:, 3].any()
    assert 3 <= np.sum(face[:, 4] == 0) <= 10  # a blink every 2 to 6 seconds


def test_a_gesture_that_does_not_fit_is_left_out():
    for kind in RESTS:
        recording = plan_recording(SENTENCES, (0.2, 0.2), signer=0, seed=1, kinds=[kind])
        assert [b - a for _, a, b in recording.rests] == [5, 5, 5]


def test_the_sentences_are_none_that_training_has_seen():
    recording = draw_recording(8, (0.1, 0.1), signer=0, seed=0)
    for first, end in recording.sentences:
        strokes = zip(recording.glosses, recording.motion.strokes, strict=True)
        assert is_held_out(tuple(gloss for gloss, (a, _) in strokes if first <= a < end), seed=0)


@pytest.mark.parametrize("rest", [(0, 1), (2, 1), (1, 601), (float("nan"), 1)])
def test_impossible_rests_are_refused(rest):
    with pytest.raises(ValueError, match="seconds"):
        plan_recording(SENTENCES, rest, signer=0, seed=0)
    with pytest.raises(SystemExit):
        parse_args(["--out", "a.mp4", "--rest", *map(str, rest)])


def test_the_command_writes_a_video_and_its_boundaries(tmp_path, capsys):
    out = tmp_path / "signer.mp4"
    main(parse_args(["--out", str(out), "--sentences", "1", "--rest", "0.2", "0.4", "--signer", "3", "--seed", "7"]))
    said = json.loads((tmp_path / "signer.json").read_text())
    video = open_video(out, FPS)
    assert (video.num_frames, video.rate) == (said["frames"], pytest.approx(said["frame_rate"]))
    assert said["signer"] == "Signer03"
    assert [kind for kind, *_ in said["rests"]] == [kind for kind, *_ in said["rests"] if kind in RESTS]
    assert said["glosses"][0][1] > said["rests"][0][2] == said["sentences"][0][0]
    assert f"{len(said['glosses'])} glosses in 1 sentence" in capsys.readouterr().out


def test_a_folder_holds_the_same_pictures_every_time(tmp_path):
    def write(name):
        main(parse_args(["--out", str(tmp_path / name), "--sentences", "0", "--rest", "0.1", "0.2"]))
        frames = sorted((tmp_path / name).iterdir())
        return [hashlib.sha256(frame.read_bytes()).hexdigest() for frame in frames]

    assert write("one") == write("two") != []
    with pytest.raises(Exception, match="not an empty folder"):
        write("one")
