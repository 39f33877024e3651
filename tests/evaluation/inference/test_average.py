"""One recogniser of several, and of mirrored clips."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

import test_one_video
from dataset.frames import read_frames
from dataset.manifest import Manifest
from dataset.video import open_video
from dataset.vocabulary import Vocabulary
from evaluation.calibration import Calibration
from evaluation.ensemble import View
from evaluation.inference.average import AveragedNetwork, average_recognisers
from evaluation.inference.reading import Reading
from evaluation.inference.recogniser import Recogniser
from evaluation.inference.torch_network import TorchNetwork
from evaluation.inference.transcribe import transcribe
from tests.helpers.network import enliven, tiny_network
from tests.helpers.videos import make_video
from utils.checkpoint import CheckpointError, load_checkpoint, save_checkpoint
from utils.errors import InputError


@pytest.fixture(scope="module")
def recogniser(random_checkpoint) -> Recogniser:
    return Recogniser.from_checkpoint(random_checkpoint, "cpu")


@pytest.fixture(scope="module")
def other(recogniser) -> Recogniser:
    """Of another system, which sees a larger crop."""
    torch.manual_seed(9)
    model = enliven(tiny_network(7, fusion="correlation", hidden_size=32)).eval()
    feeder = replace(recogniser.config.feeder_args, input_size=70)
    config = replace(recogniser.config, feeder_args=feeder, beam_width=3)
    return replace(recogniser, network=TorchNetwork(model), config=config, rendered=True)


@pytest.fixture(scope="module")
def frames(prepared) -> np.ndarray:
    """A test clip, (T, 72, 72, 3)."""
    manifest = Manifest.load(prepared / "test.json")
    return read_frames(manifest.clip_folder(manifest.clips[0]))


def posteriors(recogniser: Recogniser, frames: np.ndarray) -> np.ndarray:
    return torch.from_numpy(recogniser.network(recogniser.crop(frames))).softmax(-1).numpy()


def test_posteriors_are_the_mean_over_networks_and_mirrored_clips(recogniser, other, frames):
    """Each network is given the frames cropped as by its own recogniser, of the video and of the mirrored video."""
    both = average_recognisers({"a": recogniser, "b": other}, ["flip"])
    parts = [posteriors(one, video) for one in (recogniser, other) for video in (frames, frames[:, :, ::-1])]
    assert np.abs(posteriors(both, frames) - np.mean(parts, 0)).max() < 1e-5
    assert min(np.abs(part - posteriors(both, frames)).max() for part in parts) > 1e-3


def test_the_mirrored_view_reads_what_is_read_in_a_mirrored_video(recogniser, frames):
    view = View(0, 0, 64, mirrored=True)
    mirrored = replace(recogniser, network=AveragedNetwork((recogniser.network,), (view,)))
    found, expected = mirrored.recognise(frames), recogniser.recognise(frames[:, :, ::-1])
    assert found.glosses == expected.glosses
    assert [best.glosses for best in found.nbest] == [best.glosses for best in expected.nbest]
    assert [best.score for best in found.nbest] == pytest.approx([best.score for best in expected.nbest], abs=1e-3)


def test_confidences_and_the_best_guesses_are_those_of_the_average(recogniser, other, frames):
    """A network of the same weights twice is that network; with another one, scores are those of the mean."""
    twice = replace(
        recogniser, network=AveragedNetwork((recogniser.network,) * 2, (View(0, 0, 64), View(1, 0, 64)))
    )  # fmt: skip
    found, alone = twice.recognise(frames), recogniser.recognise(frames)
    assert len(alone.words) > 1
    assert [word[:3] for word in found.words] == [word[:3] for word in alone.words]
    assert [word.confidence for word in found.words] == pytest.approx([w.confidence for w in alone.words], abs=1e-4)
    assert [best.glosses for best in found.nbest] == [best.glosses for best in alone.nbest]
    assert [best.score for best in found.nbest] == pytest.approx([best.score for best in alone.nbest], abs=1e-4)
    both = average_recognisers({"a": recogniser, "b": other})
    mean = (posteriors(recogniser, frames) + posteriors(other, frames)) / 2
    expected = both.decoder(mean[None], np.array([len(mean)]))[0]
    got = both.recognise(frames).nbest
    assert [best.glosses for best in got] == [tuple(both.vocabulary.decode(best.tokens)) for best in expected]
    assert [best.score for best in got] == pytest.approx([best.score for best in expected], abs=1e-3)


def test_all_else_is_as_the_first_one_has_it(recogniser, other):
    curve = Calibration(1.0, 0.0, -5.0, 0.1, 3, 9)
    for first, second, width in ((recogniser, other, 10), (other, recogniser, 3)):
        both = average_recognisers({"a": replace(first, calibration=curve), "b": second}, [])
        assert (both.config.beam_width, both.calibration, both.rendered) == (width, curve, True)
        assert both.config.feeder_args.input_size == 70
        assert both.averaged == "a, b (posteriors averaged)"
    assert recogniser.averaged == ""


def test_a_clip_is_doubted_by_what_the_first_network_gives_of_it(recogniser, other, frames):
    energies = [one.network(one.crop(frames)) for one in (recogniser, other)]
    energies = [float(torch.from_numpy(logits).logsumexp(-1).mean()) for logits in energies]
    assert abs(energies[0] - energies[1]) > 0.01
    between = Calibration(1.0, 0.0, sum(energies) / 2, 0.0, 3, 9)
    doubts = []
    for first, second in ((recogniser, other), (other, recogniser)):
        both = average_recognisers({"a": replace(first, calibration=between), "b": second}, ["flip"])
        alone = replace(first, calibration=between)
        assert both.recognise(frames).doubts == alone.recognise(frames).doubts
        doubts.append(both.recognise(frames).doubts)
    assert sorted(map(len, doubts)) == [0, 1]


def test_a_long_video_in_windows_says_in_its_transcript_who_read_it(recogniser, other, frames, tmp_path):
    both = average_recognisers({"a": recogniser, "b": other}, ["flip"])
    long = np.concatenate([frames, frames[::-1], frames])
    video = open_video(make_video(tmp_path / "long.mp4", long), 25)
    transcript = transcribe(both, video, Reading(max_frames=48), "long")
    assert transcript.frames_read == len(long)
    assert any("overlapping windows of 48 frames" in note for note in transcript.notes)
    assert "read by a, b (posteriors averaged, of each clip as it is and mirrored)" in transcript.notes
    assert transcribe(recogniser, video, Reading(max_frames=48), "long").words != transcript.words
    assert not any("read by" in note for note in transcribe(recogniser, video, Reading(), "long").notes)


def test_networks_that_are_functions(recogniser, frames):
    """As of onnxruntime: each gets uint8 frames of its own crop, contiguous."""
    given = []

    def compute(video):
        given.append(video)
        return np.zeros((-(-len(video) // 4), 7), np.float32)

    average_recognisers({"a.onnx": replace(recogniser, network=compute), "b": recogniser}, ["flip"]).recognise(frames)
    assert np.array_equal(given[1], given[0][..., ::-1])
    assert all(video.dtype == np.uint8 and video.flags["C_CONTIGUOUS"] for video in given)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"frame_size": 80}, "the size of prepared frames is 72 in the one and 80 in the other"),
        ({"frame_rate": 30.0}, "the frame rate is 25.0 in the one and 30.0 in the other"),
        (
            {"vocabulary": Vocabulary(["A", "B"])},
            "the glosses are 6 in the one and 2 in the other; in the one",
        ),
    ],
)
def test_what_cannot_be_averaged(recogniser, other, changes, said):
    with pytest.raises(CheckpointError, match=f"^a.pt and b.pt cannot be averaged: {said}"):
        average_recognisers({"a.pt": recogniser, "b.pt": replace(other, **changes)})


def test_one_network_twice_and_none(recogniser, random_checkpoint):
    again = Recogniser.from_checkpoint(random_checkpoint, "cpu")
    with pytest.raises(CheckpointError, match="a and b hold the same weights: leave one of them out"):
        average_recognisers({"a": recogniser, "b": again})
    with pytest.raises(InputError, match="no recogniser to average"):
        average_recognisers({})


@pytest.mark.parametrize("tta", [["flip", "flip"], ["flop"], "flip"])
def test_augmentations_that_are_none(recogniser, tta):
    with pytest.raises(InputError, match="names flip once, or nothing"):
        average_recognisers({"a": recogniser}, tta)


def test_the_command_for_several_networks_and_mirrored_clips(random_checkpoint, prepared, tmp_path, capsys):
    clip = prepared / Manifest.load(prepared / "test.json").clips[0].folder
    content = load_checkpoint(random_checkpoint)
    save_checkpoint(tmp_path / "swapped.pt", content | {"glosses": content["glosses"][::-1]})
    content["model_state_dict"]["classifier.weight"] *= 1.5
    save_checkpoint(tmp_path / "other.pt", content)
    one, other, swapped = (str(path) for path in (random_checkpoint, tmp_path / "other.pt", tmp_path / "swapped.pt"))

    def read(*words: str) -> str:
        fixed = ["--video_path", str(clip), "--device", "cpu"]
        test_one_video.main(test_one_video.parse_args([*fixed, *words]))
        return capsys.readouterr().out

    printed = read("--model_path", one, other, "--tta", "flip", "--save", str(tmp_path / "out.json"))
    line = f"read by {one}, {other} (posteriors averaged, of each clip as it is and mirrored)"
    assert f"  {line}\n" in printed
    both = average_recognisers({file: Recogniser.from_checkpoint(file, "cpu") for file in (one, other)}, ["flip"])
    saved = json.loads((tmp_path / "out.json").read_text())
    assert [word["gloss"] for word in saved["words"]] == list(both.recognise(clip).glosses)
    assert line in saved["notes"]
    assert f"read by {other} (posteriors averaged" in read("--model-path", other, "--tta", "flip")
    assert "read by" not in read("--model_path", other)
    for words, message in (
        ([one, other, one], f"{one} is named twice: name each checkpoint once"),
        ([one, "--tta", "flip", "flip"], "names flip once, or nothing"),
        ([one, swapped], f"^error: {one} and {swapped} cannot be averaged: the glosses have another order"),
    ):
        with pytest.raises(SystemExit, match=message):
            read("--model_path", *words)
