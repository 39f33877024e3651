from dataclasses import replace

import numpy as np
import pytest
import torch

from config.load import load_config
from dataset.frames import FrameError, read_frames
from dataset.manifest import Manifest
from dataset.video import open_video
from dataset.vocabulary import Vocabulary
from evaluation.ctm import CtmEntry, read_ctm
from evaluation.inference.recogniser import Recogniser
from preprocess.corpora.registry import CORPORA
from tests.helpers.commands import call_main
from tests.helpers.network import tiny_network
from tests.helpers.published import SWITCHES, publish
from tests.helpers.videos import make_video, ramp
from utils.checkpoint import CheckpointError, load_checkpoint, save_checkpoint


@pytest.fixture(scope="module")
def recogniser(random_checkpoint) -> Recogniser:
    return Recogniser.from_checkpoint(random_checkpoint, "cpu")


@pytest.fixture(scope="module")
def evaluated(random_checkpoint, prepared, tmp_path_factory) -> dict[str, CtmEntry]:
    """By id, what `--phase test` writes of the test split."""
    folder = tmp_path_factory.mktemp("run") / "test"
    testing = ["--phase", "test", "--load-weights", str(random_checkpoint), "test_batch_size=3"]
    call_main(prepared, folder, *testing)
    return {entry.id: entry for entry in read_ctm(folder / "output-hypothesis-test.ctm")}


def assert_same(words, expected) -> None:
    assert [word.gloss for word in words] == [word.gloss for word in expected]
    for word, other in zip(words, expected, strict=True):
        assert word[1:] == pytest.approx(other[1:], abs=1e-3)


def test_the_same_clip_gives_the_same_result_as_the_test_phase(recogniser, evaluated, prepared, corpus):
    manifest = Manifest.load(prepared / "test.json")
    original = {recording.id: recording.source for recording in CORPORA["phoenix2014"].read(corpus).splits["test"]}
    assert {clip.id for clip in manifest.clips} == set(original) == set(evaluated)
    assert any(len(entry.words) > 1 for entry in evaluated.values())
    for clip in manifest.clips:
        expected = evaluated[clip.id].words
        assert_same(recogniser.recognise(manifest.clip_folder(clip)).words, expected)
        assert_same(recogniser.recognise(str(original[clip.id])).words, expected)
        assert_same(recogniser.recognise(read_frames(original[clip.id])).words, expected)


def test_a_gpu_is_the_one_that_is_meant_where_none_is_named(random_checkpoint, monkeypatch):
    chosen: list[torch.device] = []
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "set_device", chosen.append)
    monkeypatch.setattr("evaluation.inference.recogniser.move_to_device", lambda model, device: model)
    Recogniser.from_checkpoint(random_checkpoint, "1")
    assert chosen == [torch.device("cuda", 1)]


def test_what_a_recognition_holds(recogniser, prepared):
    clip = Manifest.load(prepared / "test.json").clips[0]
    found = recogniser.recognise(prepared / clip.folder)
    assert found.frames == clip.num_frames
    assert found.glosses == tuple(word.gloss for word in found.words)
    assert [best.score for best in found.nbest] == sorted(best.score for best in found.nbest)
    assert len(found.nbest) == recogniser.config.beam_width
    assert all(0 <= word.start < word.start + word.duration <= clip.num_frames / 25 + 1e-9 for word in found.words)
    assert all(0 <= word.confidence <= 1 for word in found.words)


@pytest.mark.parametrize("frames", [1, 2, 5])
def test_clips_of_a_few_frames(recogniser, frames):
    found = recogniser.recognise(np.full((frames, 60, 80, 3), 127, np.uint8))
    assert found.frames == frames
    assert all(word.start + word.duration <= frames / 25 + 1e-9 for word in found.words)


def test_what_the_network_sees(recogniser):
    seen = recogniser.crop(np.full((3, 60, 80, 3), (200, 100, 0), np.uint8))
    assert (seen.shape, seen.dtype) == ((3, 3, 64, 64), np.uint8)
    assert np.abs(seen[0].mean((1, 2)) - (200, 100, 0)).max() < 2
    assert not recogniser.network.model.training


def test_frames_go_through_the_size_of_prepared_ones_as_in_training(random_checkpoint, prepared, corpus, tmp_path):
    content = load_checkpoint(random_checkpoint)
    content["config"]["feeder_args"]["image_scale"] = 100  # pixels
    save_checkpoint(tmp_path / "scaled.pt", content)
    scaled = Recogniser.from_checkpoint(tmp_path / "scaled.pt", "cpu")
    manifest = Manifest.load(prepared / "test.json")
    clip = manifest.clips[0]
    (original,) = [found.source for found in CORPORA["phoenix2014"].read(corpus).splits["test"] if found.id == clip.id]
    at_100 = read_frames(manifest.clip_folder(clip), size=100)[:, 18:82, 18:82].transpose(0, 3, 1, 2)  # as ClipDataset
    assert np.array_equal(scaled.crop(read_frames(original)), at_100)


def test_the_frames_that_the_network_sees_of_each_second(recogniser):
    assert (recogniser.slot_rate, recogniser.slot_seconds) == (25, 0.04)
    feeder = replace(recogniser.config.feeder_args, frame_interval=2)
    sparse = replace(recogniser, config=replace(recogniser.config, feeder_args=feeder))
    assert (sparse.slot_rate, sparse.slot_seconds) == (12.5, 0.08)


def test_times_count_frames_at_the_rate_of_the_corpus(random_checkpoint, recogniser, prepared, tmp_path):
    content = load_checkpoint(random_checkpoint)
    content["config"]["frame_rate"] = 50.0
    save_checkpoint(tmp_path / "fast.pt", content)
    frames = read_frames(prepared / Manifest.load(prepared / "test.json").clips[0].folder)
    slow, fast = recogniser.recognise(frames), Recogniser.from_checkpoint(tmp_path / "fast.pt", "cpu").recognise(frames)
    assert [word.start for word in slow.words] == [pytest.approx(2 * word.start) for word in fast.words]
    assert slow.words[-1].duration == pytest.approx(2 * fast.words[-1].duration)


def test_a_video_of_another_rate_is_read_at_that_of_the_training(recogniser, tmp_path):
    """Twice as many frames a second: every second one, and times in seconds of the video."""
    video = open_video(make_video(tmp_path / "fast.mp4", ramp(40), rate=50), 25)
    found = recogniser.recognise(video.path)
    assert found.frames == 20
    assert_same(found.words, recogniser.recognise(np.stack(list(video.frames(range(0, 40, 2))))).words)


@pytest.mark.parametrize(
    ("configured", "stored", "rate"),
    [(None, 30.0, 30), (None, None, 25), (25.0, None, 25), (50.0, 30.0, 50)],  # the third is an older checkpoint
)
def test_the_frame_rate_of_a_checkpoint(random_checkpoint, tmp_path, configured, stored, rate):
    content = load_checkpoint(random_checkpoint)
    content["config"]["frame_rate"] = configured
    if stored is not None:
        content["frame_rate"] = stored
    save_checkpoint(tmp_path / "trained.pt", content)
    recogniser = Recogniser.from_checkpoint(tmp_path / "trained.pt", "cpu")
    assert recogniser.frame_rate == rate
    last = recogniser.recognise(np.full((50, 60, 80, 3), 127, np.uint8)).words[-1]
    assert last.start + last.duration <= 50 / rate + 1e-9


@pytest.mark.parametrize(
    "frames",
    [
        np.zeros((3, 72, 72, 3), np.float32),
        np.zeros((0, 72, 72, 3), np.uint8),
        np.zeros((3, 72, 72, 4), np.uint8),
        np.zeros((72, 72, 3), np.uint8),
    ],
)
def test_arrays_that_are_no_frames(recogniser, frames):
    with pytest.raises(FrameError, match=r"frames are (float32|uint8) \(.*must be uint8 \(T, H, W, 3\)"):
        recogniser.recognise(frames)


def test_a_folder_that_is_missing(recogniser, tmp_path):
    with pytest.raises(FrameError, match="no folder"):
        recogniser.recognise(tmp_path / "nowhere")


def test_checkpoints_without_configuration_or_glosses(random_checkpoint, tmp_path):
    content = load_checkpoint(random_checkpoint)
    bare = tmp_path / "bare.pt"
    save_checkpoint(bare, {"model_state_dict": content["model_state_dict"]})
    with pytest.raises(CheckpointError, match=r"holds no configuration.*--language"):
        Recogniser.from_checkpoint(bare, "cpu")
    config = load_config(None, content["config"])[0]
    with pytest.raises(CheckpointError, match=r"holds no glosses.*--dict"):
        Recogniser.from_checkpoint(bare, "cpu", config)
    vocabulary = Vocabulary(content["glosses"])
    assert Recogniser.from_checkpoint(bare, "cpu", config, vocabulary).vocabulary == vocabulary
    with pytest.raises(CheckpointError, match="classifier"):
        Recogniser.from_checkpoint(bare, "cpu", config, Vocabulary(["A", "B"]))


@pytest.mark.parametrize("network", ["vac", "smkd", "tlp", "corrnet", "corrnet-CSL-Daily", "mstfnet"])
def test_published_weights_tell_their_network(network, tmp_path):
    """Of a configuration without a word about it, which is MSTFNet's, all but the network counts."""
    model = tiny_network(4, **SWITCHES[network], hidden_size=32).eval()
    publish(model, tmp_path / "published.pt")
    config = load_config(None, {"dataset": "CSL-Daily", "beam_width": 3})[0]
    recogniser = Recogniser.from_checkpoint(tmp_path / "published.pt", "cpu", config, Vocabulary(["A", "B", "C"]))
    assert recogniser.config.beam_width == 3
    frames = np.random.default_rng(0).integers(0, 256, (9, 3, 64, 64), np.uint8)
    batch = recogniser.network.make_batch(frames)
    with torch.inference_mode():
        expected = model(batch.video, batch.lengths).sequence_logits[:, 0].numpy()
    assert np.abs(recogniser.network(frames) - expected).max() < 1e-4 * np.abs(expected).max()


def test_a_model_of_another_vocabulary(random_checkpoint):
    held = load_checkpoint(random_checkpoint)["glosses"]
    others = Vocabulary(held[::-1], source="others.txt")
    with pytest.raises(CheckpointError, match=r"its own 6 glosses, and the 6 of others.txt are others, or in another"):
        Recogniser.from_checkpoint(random_checkpoint, "cpu", vocabulary=others)
    assert Recogniser.from_checkpoint(
        random_checkpoint, "cpu", vocabulary=Vocabulary(held)
    ).vocabulary.glosses == tuple(held)


def test_the_weights_are_those_of_the_file(recogniser, random_checkpoint):
    held = load_checkpoint(random_checkpoint)["model_state_dict"]
    assert all(torch.equal(held[name], weight) for name, weight in recogniser.network.model.state_dict().items())
