"""One recogniser of several, and of mirrored clips."""

from __future__ import annotations

import copy
import itertools
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
from evaluation.ctc.confidence import compute_confidences
from evaluation.ctc.words import build_words
from evaluation.decode import decode_members
from evaluation.ensemble import View
from evaluation.inference import combine
from evaluation.inference.combine import CombinedNetwork, combine_recognisers
from evaluation.inference.reading import Reading
from evaluation.inference.recogniser import Recogniser
from evaluation.inference.torch_network import TorchNetwork
from evaluation.inference.transcribe import transcribe
from evaluation.inference.window_reader import WindowReader
from tests.helpers.network import enliven, tiny_network
from tests.helpers.simulated_cuda import SimulatedCuda, move
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


def test_what_networks_give_of_clips_and_mirrored_clips_stands_side_by_side(recogniser, other, frames):
    """Each network is given the frames cropped as by its own recogniser, of the video and of the mirrored video."""
    both = combine_recognisers({"a": recogniser, "b": other}, ["flip"])
    parts = [posteriors(one, video) for one in (recogniser, other) for video in (frames, frames[:, :, ::-1])]
    assert np.abs(posteriors(both, frames) - np.stack(parts)).max() < 1e-5  # (M, T', V)
    assert min(np.abs(one - another).max() for one, another in itertools.combinations(parts, 2)) > 5e-4


def test_the_mirrored_view_reads_what_is_read_in_a_mirrored_video(recogniser, frames):
    view = View(0, 0, 64, mirrored=True)
    mirrored = replace(recogniser, network=CombinedNetwork((recogniser.network,), (view,)))
    found, expected = mirrored.recognise(frames), recogniser.recognise(frames[:, :, ::-1])
    assert found.glosses == expected.glosses
    assert [best.glosses for best in found.nbest] == [best.glosses for best in expected.nbest]
    assert [best.score for best in found.nbest] == pytest.approx([best.score for best in expected.nbest], abs=1e-3)


def test_confidences_and_the_best_guesses_are_those_of_all_networks_together(recogniser, other, frames):
    both = combine_recognisers({"a": recogniser, "b": other})
    parts = np.stack([posteriors(recogniser, frames), posteriors(other, frames)])
    expected = decode_members(both.decoder, parts[:, None], np.array([parts.shape[1]]))[0]
    found = both.recognise(frames)
    assert [best.glosses for best in found.nbest] == [tuple(both.vocabulary.decode(best.tokens)) for best in expected]
    assert [best.score for best in found.nbest] == pytest.approx([best.score for best in expected], abs=1e-3)
    assert found.glosses == found.nbest[0].glosses
    assert len(found.words) > 1
    assert [word.confidence for word in found.words] == pytest.approx(expected[0].confidences, abs=1e-4)
    assert {best.glosses for best in found.nbest} > {best.glosses for best in recogniser.recognise(frames).nbest}
    times = build_words(expected[0], parts.mean(0), both.vocabulary, 4, len(frames), 1 / 25)
    assert [word.gloss for word in found.words] == [word.gloss for word in times]
    for word, own in zip(found.words, times, strict=True):
        assert word[1:3] == pytest.approx(own[1:3])


def test_a_network_of_the_same_weights_twice_orders_its_own_guesses_by_all_their_paths(recogniser, frames):
    """Alone it orders them by the paths that its beam has kept."""
    views = (View(0, 0, 64), View(1, 0, 64))
    twice = replace(recogniser, network=CombinedNetwork((recogniser.network,) * 2, views))
    found, alone = twice.recognise(frames), recogniser.recognise(frames)
    logs = torch.from_numpy(posteriors(recogniser, frames)).double().log()[:, None]  # (T', 1, V)
    scores = {}
    for guess in alone.nbest:
        tokens = recogniser.vocabulary.encode(guess.glosses)
        loss = torch.nn.functional.ctc_loss(logs, torch.tensor([tokens]), [len(logs)], [len(tokens)], reduction="sum")
        scores[guess.glosses] = loss.item()
    order = sorted(scores, key=scores.__getitem__)
    assert [best.glosses for best in found.nbest] == order
    assert [best.score for best in found.nbest] == pytest.approx(sorted(scores.values()), abs=1e-4)
    assert len(found.words) > 1
    shares = compute_confidences([recogniser.vocabulary.encode(glosses) for glosses in order], sorted(scores.values()))
    assert [word.confidence for word in found.words] == pytest.approx(shares[0], abs=1e-4)


def test_live_reading_reads_the_windows_that_several_networks_read(recogniser, other, frames):
    """Of several networks the memory keeps the frames, and each window is what both read of these frames."""
    both = combine_recognisers({"a": recogniser, "b": other}, ["flip"])
    by_window = replace(both, config=replace(both.config, merge_repeats=False))
    reader = WindowReader(both.network, by_window.recognise_logits, both.slot_seconds, drop_still=False)
    for seen in both.crop(frames):
        reader.add(seen)
    begin, end = 8, len(frames)
    expected = by_window.recognise(frames[begin:end])
    found = reader.read(begin, end, "a window")
    assert expected.words
    assert (found.words, found.nbest) == (expected.words, expected.nbest)


def test_all_else_is_as_the_first_one_has_it(recogniser, other):
    curve = Calibration(1.0, 0.0, -5.0, 0.1, 3, 9)
    for first, second, width in ((recogniser, other, 10), (other, recogniser, 3)):
        both = combine_recognisers({"a": replace(first, calibration=curve), "b": second}, [])
        assert (both.config.beam_width, both.calibration, both.rendered) == (width, curve, True)
        assert both.config.feeder_args.input_size == 70
        assert both.combined == "a, b (hypotheses combined)"
    assert recogniser.combined == ""


def test_a_clip_is_doubted_by_what_the_first_network_gives_of_it(recogniser, other, frames):
    energies = [one.network(one.crop(frames)) for one in (recogniser, other)]
    energies = [float(torch.from_numpy(logits).logsumexp(-1).mean()) for logits in energies]
    assert abs(energies[0] - energies[1]) > 0.01
    between = Calibration(1.0, 0.0, sum(energies) / 2, 0.0, 3, 9)
    doubts = []
    for first, second in ((recogniser, other), (other, recogniser)):
        both = combine_recognisers({"a": replace(first, calibration=between), "b": second}, ["flip"])
        alone = replace(first, calibration=between)
        assert both.recognise(frames).doubts == alone.recognise(frames).doubts
        doubts.append(both.recognise(frames).doubts)
    assert sorted(map(len, doubts)) == [0, 1]


def test_a_long_video_in_windows_says_in_its_transcript_who_read_it(recogniser, other, frames, tmp_path):
    both = combine_recognisers({"a": recogniser, "b": other}, ["flip"])
    long = np.concatenate([frames, frames[::-1], frames])
    video = open_video(make_video(tmp_path / "long.mp4", long), 25)
    transcript = transcribe(both, video, Reading(max_frames=48), "long")
    assert transcript.frames_read == len(long)
    assert any("overlapping windows of 48 frames" in note for note in transcript.notes)
    assert "read by a, b (hypotheses combined, of each clip as it is and mirrored)" in transcript.notes
    assert transcribe(recogniser, video, Reading(max_frames=48), "long").words != transcript.words
    assert not any("read by" in note for note in transcribe(recogniser, video, Reading(), "long").notes)


def test_networks_that_are_functions(recogniser, frames):
    """As of onnxruntime: each gets uint8 frames of its own crop, contiguous."""
    given = []

    def compute(video):
        given.append(video)
        return np.zeros((-(-len(video) // 4), 7), np.float32)

    combine_recognisers({"a.onnx": replace(recogniser, network=compute), "b": recogniser}, ["flip"]).recognise(frames)
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
def test_what_cannot_be_combined(recogniser, other, changes, said):
    with pytest.raises(CheckpointError, match=f"^a.pt and b.pt cannot be combined: {said}"):
        combine_recognisers({"a.pt": recogniser, "b.pt": replace(other, **changes)})


def test_one_network_twice_and_none(recogniser, random_checkpoint):
    again = Recogniser.from_checkpoint(random_checkpoint, "cpu")
    with pytest.raises(CheckpointError, match="a and b hold the same weights: leave one of them out"):
        combine_recognisers({"a": recogniser, "b": again})
    with pytest.raises(InputError, match="no recogniser to combine"):
        combine_recognisers({})


def test_tf32_is_as_the_first_network_has_it(recogniser, other, monkeypatch):
    asked = []
    monkeypatch.setattr(combine, "use_precision", lambda precision, device: asked.append((precision, device.type)))
    exact = replace(recogniser, config=replace(recogniser.config, precision="fp32"))
    combine_recognisers({"a": exact, "b": other})
    combine_recognisers({"b": other, "a": exact})
    assert asked == [("fp32", "cpu"), (other.config.precision, "cpu")]
    assert other.config.precision != "fp32"


def test_networks_may_be_on_two_devices(recogniser, other, frames):
    expected = posteriors(combine_recognisers({"a": recogniser, "b": other}), frames)
    with SimulatedCuda():
        there, same = (
            replace(one, network=TorchNetwork(move(copy.deepcopy(one.network.model)))) for one in (other, recogniser)
        )
        for pair in ({"a": recogniser, "b": there}, {"b": there, "a": recogniser}):
            found = posteriors(combine_recognisers(pair), frames)
            assert np.abs(np.sort(found, 0) - np.sort(expected, 0)).max() < 1e-5
        with pytest.raises(CheckpointError, match="a and b hold the same weights"):
            combine_recognisers({"a": recogniser, "b": same})


@pytest.mark.parametrize("tta", [["flip", "flip"], ["flop"], "flip"])
def test_augmentations_that_are_none(recogniser, tta):
    with pytest.raises(InputError, match="names flip once, or nothing"):
        combine_recognisers({"a": recogniser}, tta)


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
    line = f"read by {one}, {other} (hypotheses combined, of each clip as it is and mirrored)"
    assert f"  {line}\n" in printed
    both = combine_recognisers({file: Recogniser.from_checkpoint(file, "cpu") for file in (one, other)}, ["flip"])
    saved = json.loads((tmp_path / "out.json").read_text())
    assert [word["gloss"] for word in saved["words"]] == list(both.recognise(clip).glosses)
    assert line in saved["notes"]
    assert f"read by {other} (hypotheses combined" in read("--model-path", other, "--tta", "flip")
    assert "read by" not in read("--model_path", other)
    for words, message in (
        ([one, other, one], f"{one} is named twice: name each checkpoint once"),
        ([one, "--tta", "flip", "flip"], "names flip once, or nothing"),
        ([one, swapped], f"^error: {one} and {swapped} cannot be combined: the glosses have another order"),
    ):
        with pytest.raises(SystemExit, match=message):
            read("--model_path", *words)
