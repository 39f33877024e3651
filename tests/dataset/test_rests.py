"""Sentences of train before or after which the signer rests: the sentence stays, and its glosses are found in it."""

import numpy as np
import pytest

from dataset.synthetic.generate import REST, find_gloss_boundaries, generate, parse_args, plan_clip, plan_corpus
from dataset.synthetic.layouts import LAYOUTS
from dataset.synthetic.motion import FPS, X, Y

COUNTS = (200, 20, 20)


@pytest.fixture(scope="module")
def clips():
    return plan_corpus(12, COUNTS, seed=0, rests=0.5)


def test_about_so_many_clips_of_train_and_none_of_the_others_have_a_rest(clips):
    rests = [clip.rest for clip in clips if clip.split == "train"]
    assert set(rests) == {"", "before", "after"}
    assert 75 <= sum(map(bool, rests)) <= 125  # 100 with a deviation of 7
    assert 30 <= rests.count("before") <= 70
    assert {clip.rest for clip in clips if clip.split != "train"} == {""}
    assert all(clip.rest for clip in plan_corpus(12, (30, 0, 0), seed=0, rests=1))


def test_who_signs_what_is_as_without_rests(clips):
    plain = plan_corpus(12, COUNTS, seed=0)
    assert {clip.rest for clip in plain} == {""}
    assert [(clip.signer, clip.sentence) for clip in clips] == [(clip.signer, clip.sentence) for clip in plain]
    for clip, same in zip(clips[:20], plain, strict=False):
        if not clip.rest:
            assert np.array_equal(plan_clip(clip, 0)[0].hands, plan_clip(same, 0)[0].hands)


@pytest.mark.parametrize("place", ["before", "after"])
def test_the_sentence_lies_after_or_before_the_rest_and_nothing_jumps(clips, place):
    rested = [clip for clip in clips if clip.rest == place][:15]
    for clip in rested:
        motion, _ = plan_clip(clip, seed=0)
        signed, _ = plan_clip(next(c for c in plan_corpus(12, COUNTS, seed=0) if c.number == clip.number), seed=0)
        frames = len(motion.hands) - len(signed.hands)
        assert REST[0] * FPS - 1 <= frames <= REST[1] * FPS + 1
        begin = frames if place == "before" else 0
        assert np.array_equal(motion.hands[begin : begin + len(signed.hands)], signed.hands)
        assert motion.strokes == tuple((first + begin, end + begin) for first, end in signed.strokes)
        assert len(motion.face) == len(motion.hands)
        steps = np.linalg.norm(np.diff(motion.hands[:, :, [X, Y]], axis=0), axis=2).max(1)
        rest = steps[:begin] if place == "before" else steps[len(signed.hands) - 1 :]
        assert rest.max() < steps.max()  # the hands are slower than when they sign
        assert np.abs(np.diff(motion.face[:, 0])).max() < 20  # of 190 pixels out of the picture, in 30 frames or more


def test_the_mouth_does_not_move_in_a_rest(clips):
    clip = next(clip for clip in clips if clip.rest == "before")
    motion, _ = plan_clip(clip, seed=0)
    first = motion.strokes[0][0]
    assert not motion.face[: first - 15, 3].any()
    assert motion.face[first:, 3].any()


def test_boundaries_count_the_frames_of_the_rest(clips):
    layout = LAYOUTS["phoenix2014"]
    found = find_gloss_boundaries(clips, layout, seed=0)["clips"]["train"]
    for clip, name in list(layout.map_ids(clips).items())[:20]:
        motion, _ = plan_clip(clip, seed=0)
        assert [tuple(span) for _, *span in found[name]] == list(motion.strokes)


@pytest.mark.parametrize("share", [-0.1, 1.5, float("nan")])
def test_a_share_that_is_none_is_refused(tmp_path, share, capsys):
    with pytest.raises(ValueError, match="must be from 0 to 1"):
        generate("phoenix2014", tmp_path / "new", train=1, dev=0, test=0, workers=1, rests=share)
    with pytest.raises(SystemExit):
        parse_args(["--out", "x", f"--rests={share}"])
    assert "--rests: must be a number from 0 to 1" in capsys.readouterr().err
