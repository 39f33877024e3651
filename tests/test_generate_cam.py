"""The command line for heat maps."""

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

import generate_cam
from dataset.frames import list_frame_files, read_image
from dataset.manifest import Manifest
from dataset.video import open_video
from evaluation.heat import windows as windows_module
from evaluation.heat.request import HeatRequest
from evaluation.heat.windows import compute_window
from evaluation.inference.reading import Reading, ReadingError
from evaluation.inference.recogniser import Recogniser
from evaluation.inference.windows import plan_windows
from tests.helpers.commands import run_python
from tests.helpers.videos import make_video
from utils.checkpoint import load_checkpoint, save_checkpoint


@pytest.fixture(scope="module")
def dev(prepared) -> Manifest:
    return Manifest.load(prepared / "dev.json")


@pytest.fixture
def call(random_checkpoint, prepared, tmp_path, capsys):
    """Call the command line; returns what it prints."""
    file = tmp_path / "corpus.yaml"
    file.write_text(f"dataset: phoenix2014\nprepared: {prepared}\n")

    def run(*arguments) -> str:
        words = ["--model_path", random_checkpoint, "--device", "cpu", "--out", tmp_path / "out", *arguments]
        if "--dataset" in arguments:
            words += ["--config", file]
        generate_cam.main(generate_cam.parse_args([str(word) for word in words]))
        return capsys.readouterr().out

    return run


@pytest.fixture
def refused(call):
    """Call the command line, which must give up; returns its message."""

    def run(*arguments) -> str:
        with pytest.raises(SystemExit) as stop:
            call(*arguments)
        assert str(stop.value).startswith("error: ")
        return str(stop.value)

    return run


def frames_of(folder: Path) -> list[np.ndarray]:
    return [cv2.imread(str(path)) for path in list_frame_files(folder)]


@pytest.mark.parametrize("layer", ["layer1", "stf2"])
def test_a_clip_of_a_prepared_corpus(call, dev, tmp_path, layer):
    printed = call("--dataset", "phoenix2014", "--select_id", "1", "--layer", layer, "--target", "reference")
    clip = dev.clips[1]
    assert clip.id in printed
    drawn = frames_of(tmp_path / "out/frames")
    assert len(drawn) == clip.num_frames == open_video(tmp_path / "out/heat.mp4", 25).num_frames
    assert drawn[0].shape == (480, 480, 3)
    assert len({drawn[0].tobytes(), drawn[clip.num_frames // 2].tobytes()}) == 2
    assert (tmp_path / "out/contact_sheet.png").stat().st_size > 10_000


def test_a_clip_is_chosen_by_its_place_or_its_id(call, dev, tmp_path):
    drawn = []
    short = ("--layer", "layer4", "--sample", "--max-frames-num", "12")
    for given in ("1", dev.clips[1].id):
        assert dev.clips[1].id in call("--dataset", "phoenix2014", "--select-id", given, *short)
        drawn.append(frames_of(tmp_path / "out/frames"))
    assert len(drawn[0]) == 12
    assert all((a == b).all() for a, b in zip(*drawn, strict=True))


def test_a_video_and_a_folder_of_images(call, dev, corpus, tmp_path):
    folder = next((corpus / "phoenix-2014-multisigner/features/fullFrame-210x260px/dev").glob("*/1"))
    movie = make_video(tmp_path / "movie.mp4", map(read_image, list_frame_files(folder)))
    for source in (folder, movie):
        printed = call("--video_path", source, "--method", "gradcam++", "--sample", "--max-frames-num", "12")
        assert "12 are read, evenly spaced" in printed
        assert frames_of(tmp_path / "out/frames")[0].shape == (480, 388, 3)
        assert len(frames_of(tmp_path / "out/frames")) == 12


def test_a_clip_of_one_frame_has_no_contrast(call, dev, prepared, tmp_path):
    folder = tmp_path / "one"
    folder.mkdir()
    image = list_frame_files(dev.clip_folder(dev.clips[0]))[0]
    (folder / image.name).write_bytes(image.read_bytes())
    gloss = dev.clips[0].glosses[0]
    assert "all of it is cold" in call("--video_path", folder, "--target", f"gloss:{gloss}")
    assert "cold" not in call("--video_path", folder, "--target", f"gloss:{gloss}", "--method", "gradcam")


def test_a_checkpoint_without_configuration(call, refused, random_checkpoint, dev, tmp_path):
    content = load_checkpoint(random_checkpoint)
    bare = tmp_path / "bare.pt"
    save_checkpoint(bare, {key: content[key] for key in ("model_state_dict", "glosses")})
    video = dev.clip_folder(dev.clips[0])
    assert "--language" in refused("--video_path", video, "--model_path", bare)


def test_clips_that_there_are_not(refused, dev, tmp_path):
    count = len(dev.clips)
    almost = dev.clips[1].id[:-1] + "9"
    message = refused("--dataset", "phoenix2014", "--select_id", almost)
    assert f"no clip '{almost}'; did you mean" in message and dev.clips[1].id in message
    assert f"numbered 0 to {count - 1}" in refused("--dataset", "phoenix2014", "--select_id", str(count))
    assert "has no clip '99999" in refused("--dataset", "phoenix2014", "--select_id", "9" * 5000)
    assert "no corpus phoenix2015" in refused("--dataset", "phoenix2015")
    (tmp_path / "empty").mkdir()
    assert "image" in refused("--video_path", tmp_path / "empty")
    assert "nowhere" in refused("--video_path", tmp_path / "nowhere")


def test_requests_that_mean_nothing(refused, dev):
    video = dev.clip_folder(dev.clips[0])
    assert "layer is 'stf4'" in refused("--video_path", video, "--layer", "stf4")
    assert refused("--video_path", video, "--layer", "corr1") == (
        "error: this network has no layer corr1: choose one of layer1, layer2, layer3, layer4, stf1, stf2, stf3"
    )
    assert "method is 'cam'" in refused("--video_path", video, "--method", "cam")
    assert "target reference needs to know" in refused("--video_path", video, "--target", "reference")
    gloss = dev.clips[0].glosses[0]
    assert f"did you mean {gloss}" in refused("--video_path", video, "--target", f"gloss:{gloss}X")
    assert "max_frames_num is 0" in refused("--video_path", video, "--max_frames_num", "0")


def test_too_little_memory_on_the_device(refused, dev, monkeypatch):
    def exhausted(*_):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr("evaluation.heat.heat_map.trace_layer", exhausted)
    assert "take a later layer" in refused("--video_path", dev.clip_folder(dev.clips[0]))


@pytest.mark.parametrize("words", [[], ["--video_path", "a", "--dataset", "b"]])
def test_one_source_is_needed(words, capsys):
    with pytest.raises(SystemExit):
        generate_cam.parse_args(["--model_path", "m.pt", *words])
    assert "--video_path" in capsys.readouterr().err


def test_flags_in_both_spellings():
    short = ["--model-path", "m.pt", "--video-path", "v.mp4", "--max-frames-num", "9"]
    long = [word.replace("-", "_").replace("__", "--") for word in short]
    assert generate_cam.parse_args(short) == generate_cam.parse_args(long)


@pytest.mark.parametrize("option", [["--split", "dev"], ["--select-id", "0"], ["--config", "config/baseline.yaml"]])
def test_options_of_a_corpus_say_nothing_about_a_video(option, capsys):
    words = ["--model_path", "best.pt", *option]
    with pytest.raises(SystemExit, match="2"):
        generate_cam.parse_args([*words, "--video_path", "clip.mp4"])
    assert f"{option[0].replace('-id', '_id')} belongs to --dataset" in capsys.readouterr().err
    args = generate_cam.parse_args([*words, "--dataset", "CSL"])
    assert (args.split, args.select_id) == ("dev", "0")


def test_help_answers_without_pytorch():
    code = (
        "import sys, generate_cam as g\ntry:\n    g.parse_args(['--help'])\nfinally:\n    print('torch' in sys.modules)"
    )
    done = run_python("-c", code)
    assert "--select_id" in done.stdout
    assert "layer1" in done.stdout
    assert done.stdout.strip().endswith("False")


def test_the_clip_itself_is_never_drawn_over(refused, dev, tmp_path):
    clip = dev.clip_folder(dev.clips[0])
    mine = tmp_path / "mine"
    shutil.copytree(clip, mine / "frames")
    before = {path.name: path.read_bytes() for path in (mine / "frames").iterdir()}
    for folder in (mine, mine / "frames"):
        message = refused("--video_path", mine / "frames", "--out", folder)
        assert "would put the heat map over its clip" in message
    assert {path.name: path.read_bytes() for path in (mine / "frames").iterdir()} == before
    message = refused("--video_path", dev.clip_folder(dev.clips[0]).parent)
    assert "holds 3 clips" in message


def test_want_of_memory_is_a_message(refused, dev, monkeypatch):
    def full(*_):
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory")

    monkeypatch.setattr("evaluation.heat.generate.compute_heat_map", full)
    assert "take a later layer or fewer frames" in refused("--dataset", "phoenix2014", "--select_id", dev.clips[0].id)


def test_a_long_clip_is_drawn_window_by_window(call, refused, dev, prepared, tmp_path, random_checkpoint, monkeypatch):
    images = [read_image(path) for clip in dev.clips for path in list_frame_files(dev.clip_folder(clip))]
    images = (images * 2)[:112]
    folder = tmp_path / "long"
    folder.mkdir()
    for number, image in enumerate(images):
        cv2.imwrite(str(folder / f"{number:04d}.png"), image[..., ::-1])
    spans = plan_windows(112, 48, 4)
    assert spans == [(0, 48), (32, 80), (64, 112)]
    recogniser = Recogniser.from_checkpoint(random_checkpoint, "cpu")
    request = HeatRequest("stf2")
    windows = [compute_window(recogniser, np.stack(images[a:b]), request, "w") for a, b in spans]
    assert any(window is not None and window.heat.any() for window in windows)
    given, drawn = [], []
    recognise, lay = windows_module.compute_window, windows_module.lay_heat_over
    monkeypatch.setattr(windows_module, "compute_window", lambda *a: given.append(len(a[1])) or recognise(*a))
    monkeypatch.setattr(windows_module, "lay_heat_over", lambda p, h, r: drawn.append(h) or lay(p, h, r))
    printed = call("--video_path", folder, "--max_frames_num", "48", "--layer", "stf2")
    assert given == [48, 48, 48]
    assert "3 overlapping windows of 48 frames" in printed
    assert len(drawn) == len(frames_of(tmp_path / "out/frames")) == 112
    assert open_video(tmp_path / "out/heat.mp4", 25).num_frames == 112
    for number, heat in enumerate(drawn):
        window = 0 if number < 40 else 1 if number < 72 else 2
        expected = windows[window]
        np.testing.assert_allclose(heat, 0 if expected is None else expected.heat[number - spans[window][0]], atol=1e-4)
    monkeypatch.setattr(windows_module, "compute_window", lambda *_: None)
    for path in list_frame_files(folder)[52:]:
        path.unlink()
    assert "2 of 2 windows did not read the target" in call("--video_path", folder, "--max_frames_num", "48")


def test_a_reference_needs_the_whole_clip():
    with pytest.raises(ReadingError, match="100 frames, more than 48: raise --max_frames_num"):
        windows_module.draw_windows(
            None, None, range(100), Reading(48), HeatRequest(target="reference"), "clip", Path("nowhere")
        )
