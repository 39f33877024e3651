"""`python -m engine.export`: what is written gives what PyTorch gives, whatever the length of the clip."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import cv2
import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from config.load import to_dict
from dataset.frames import FrameError
from dataset.vocabulary import Vocabulary
from engine import export_formats
from engine.clip_network import ClipNetwork, ScanClipNetwork, run_lstm
from engine.export import export, main, parse_args
from engine.export_formats import FORMATS, OLDEST
from engine.export_parity import LENGTHS, compare_networks, make_random_clip, write_and_read_back
from evaluation.calibration import Calibration
from evaluation.inference.onnx_network import load_onnx
from evaluation.inference.recogniser import Recogniser
from evaluation.inference.torch_network import TorchNetwork
from slr_network import SLRModel, build_model
from tests.helpers.config import tiny_config
from tests.helpers.network import enliven
from utils.checkpoint import CheckpointError, save_checkpoint

GLOSSES = ["ABEND", "ÜBER", "我"]
HIDDEN = {"model_args.hidden_size": 32}
CALIBRATION = Calibration(1.5, -0.5, least_energy=1.0, least_motion=0.25, clips=2, glosses=5)
needs_newer = pytest.mark.skipif(torch.__version__ < OLDEST, reason=f"torch.export needs PyTorch {OLDEST}")
NAMES = [pytest.param(name, marks=needs_newer) if name == "torch_export" else name for name in FORMATS]
VARIANTS = [
    {},
    {"model_args.conv_type": 1, "model_args.share_classifier": False, "model_args.weight_norm": False},
    {"model_args.conv_type": 0, "model_args.share_heads": False, "model_args.mask_padding": False},
]


def tiny_model(**settings) -> SLRModel:
    """A network in which every part counts: at the start, fusion and lift pooling are identities."""
    torch.manual_seed(0)
    config = tiny_config(**HIDDEN | settings)
    model = enliven(build_model(config.model_args, len(GLOSSES) + 1, pretrained=False))
    with torch.no_grad():
        for name, buffer in model.named_buffers():
            if name.endswith("running_var"):
                buffer.uniform_(0.5, 1.5)
    return model.eval()


def tiny_recogniser(**settings) -> Recogniser:
    return Recogniser(TorchNetwork(tiny_model(**settings)), tiny_config(**HIDDEN | settings), Vocabulary(GLOSSES), 72)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("checkpoint") / "best.pt"
    content = {
        "model_state_dict": tiny_model().state_dict(),
        "config": to_dict(tiny_config(**HIDDEN)),
        "glosses": GLOSSES,
        "frame_size": 72,
        "frame_rate": 30.0,
        "calibration": asdict(CALIBRATION),
        "rendered": True,
    }
    save_checkpoint(path, content)
    return path


@pytest.fixture(scope="module")
def exported(checkpoint, tmp_path_factory) -> Path:
    """The ONNX file of the checkpoint."""
    path = tmp_path_factory.mktemp("exported") / "model.onnx"
    main(parse_args(["--model_path", str(checkpoint), "--format", "onnx", "--out", str(path)]))
    return path


def refused(*arguments) -> str:
    with pytest.raises(SystemExit) as stop:
        main(parse_args([str(argument) for argument in arguments]))
    return str(stop.value)


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("name", NAMES)
def test_every_format_and_network_at_every_length(tmp_path, name, variant):
    recogniser = tiny_recogniser(**variant)
    other = write_and_read_back(recogniser, name, tmp_path / f"model{FORMATS[name].suffix}")
    lengths = (1, 2, 3, 4, 5, 7, 8, 9, 31, 64, 90)
    found = compare_networks(recogniser.network, other, 64, lengths)
    assert [parity.frames for parity in found] == list(lengths)
    stride = recogniser.network.model.spec.stride
    assert [parity.steps for parity in found] == [-(-frames // stride) for frames in lengths]
    assert max(parity.absolute for parity in found) < 1e-5
    assert max(parity.relative for parity in found) < 1e-5
    assert not recogniser.network.model.training
    assert not any(part.training for part in recogniser.network.model.modules())


def test_the_clip_network_is_the_network():
    """One clip alone, neither masked nor packed; the looped LSTM likewise, and steps past the end change nothing."""
    network = TorchNetwork(tiny_model())
    with torch.no_grad():
        for frames in (1, 6, 30):
            clip = make_random_clip(frames, 64)
            video, expected = network.make_batch(clip).video, network(clip)
            assert np.abs(expected).max() > 0.05
            for form in (ClipNetwork, ScanClipNetwork):
                assert np.allclose(form(network.model)(video).numpy(), expected, rtol=0, atol=1e-6)
        lstm = network.model.temporal_model.rnn
        steps = torch.randn(9, 32)
        for end in (1, 5, 9):
            given = run_lstm(lstm, steps, torch.arange(9) < end)[:end]
            assert torch.allclose(given, lstm(steps[:end, None])[0][:, 0], rtol=0, atol=1e-6)


def test_clips_to_compare_on_differ_from_frame_to_frame():
    clip = make_random_clip(5, 72)
    assert clip.shape == (5, 3, 72, 72)
    assert clip.dtype == np.uint8
    assert all((clip[i] != clip[i + 1]).any() for i in range(4))
    assert np.array_equal(clip, make_random_clip(5, 72))


@pytest.mark.parametrize("name", NAMES)
def test_the_command_writes_beside_the_checkpoint_and_prints_the_comparison(checkpoint, tmp_path, name, capsys):
    copied = tmp_path / "best.pt"
    copied.write_bytes(checkpoint.read_bytes())
    main(parse_args(["--model-path", str(copied), "--format", name]))
    out = copied.with_suffix(FORMATS[name].suffix)
    lines = capsys.readouterr().out.splitlines()
    assert [int(line.split()[0]) for line in lines[1 : 1 + len(LENGTHS)]] == list(LENGTHS)
    assert lines[-1].startswith(f"{out}: ")
    assert lines[-1].endswith("equal to PyTorch's network within 0.0001")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["best.pt", out.name])


def test_an_onnx_file_reads_clips_as_the_checkpoint_does(checkpoint, exported, monkeypatch):
    torch_recogniser = Recogniser.from_checkpoint(checkpoint, "cpu")
    frames = np.ascontiguousarray(make_random_clip(45, 90).transpose(0, 2, 3, 1))  # (T, H, W, 3)
    expected = torch_recogniser.recognise(frames)
    logits = torch_recogniser.network(make_random_clip(10, 64))
    monkeypatch.setattr(SLRModel, "__init__", lambda *_: pytest.fail("PyTorch's network was built"))
    recogniser = load_onnx(exported)
    assert recogniser.vocabulary.glosses == tuple(GLOSSES)
    assert (recogniser.frame_size, recogniser.frame_rate) == (72, 30)
    assert (recogniser.calibration, recogniser.rendered) == (CALIBRATION, True)
    assert recogniser.config == torch_recogniser.config
    given = recogniser.recognise(frames)
    assert len(expected.words) > 0
    assert [(w.gloss, w.start, w.duration) for w in given.words] == [
        (w.gloss, w.start, w.duration) for w in expected.words
    ]
    assert [w.confidence for w in given.words] == pytest.approx([w.confidence for w in expected.words], abs=1e-5)
    assert given.frames == expected.frames
    assert [guess.glosses for guess in given.nbest] == [guess.glosses for guess in expected.nbest]
    assert [guess.score for guess in given.nbest] == pytest.approx([guess.score for guess in expected.nbest], abs=1e-3)
    network = recogniser.network(make_random_clip(10, 64))
    assert network.dtype == np.float32
    assert np.abs(network - logits).max() < 1e-5


def test_others_can_use_the_file_too(exported):
    """Names, types and dynamic length as the documentation says; what is in the file passes ONNX's own check."""
    onnx.checker.check_model(onnx.load(str(exported)), full_check=True)
    session = onnxruntime.InferenceSession(str(exported), providers=["CPUExecutionProvider"])
    (video,), (logits,) = session.get_inputs(), session.get_outputs()
    assert (video.name, video.type, video.shape) == ("video", "tensor(uint8)", ["batch", "frames", 3, 64, 64])
    assert (logits.name, logits.type) == ("logits", "tensor(float)")
    assert json.loads(session.get_modelmeta().custom_metadata_map["glosses"]) == GLOSSES


def test_several_clips_of_as_many_steps_go_together(checkpoint, exported):
    """Of 37, 40 and 38 frames, which make ten steps each: what each gives does not depend on the others."""
    session = onnxruntime.InferenceSession(str(exported), providers=["CPUExecutionProvider"])
    network = Recogniser.from_checkpoint(checkpoint, "cpu").network
    clips = [make_random_clip(frames, 64) for frames in (37, 40, 38)]
    batch = np.stack([clip[network.model.spec.pad(len(clip))] for clip in clips])
    for size in (1, 2, 3):
        (logits,) = session.run(["logits"], {"video": batch[:size]})
        assert logits.shape == (size, 10, len(GLOSSES) + 1)
        for clip, given in zip(clips, logits, strict=False):
            assert np.abs(given - network(clip)).max() < 1e-5


def use_from_outside(path: Path, frames: np.ndarray) -> list[str]:
    """The glosses of frames (T, H, W, 3) by the best path, with nothing but the file and what its metadata say."""
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    stored = session.get_modelmeta().custom_metadata_map
    usage, glosses = json.loads(stored["usage"]), json.loads(stored["glosses"])
    for size in usage["resize"]:
        frames = np.stack([cv2.resize(frame, (size, size), interpolation=cv2.INTER_LANCZOS4) for frame in frames])
    crop = usage["crop"]
    rows, columns = (slice(crop[side], crop[side] + crop["size"]) for side in ("top", "left"))
    clip = frames[:: usage["frame_interval"], rows, columns].transpose(0, 3, 1, 2)  # (T, 3, S, S)
    missing = -len(clip) % usage["stride"]
    before = np.repeat(clip[:1], usage["pad_before"], 0)
    after = np.repeat(clip[-1:], missing + usage["pad_after"], 0)
    (logits,) = session.run(None, {usage["input"]["name"]: np.concatenate([before, clip, after])[None]})
    classes = logits[0].argmax(-1)
    merged = [c for c, earlier in zip(classes, [usage["blank"], *classes], strict=False) if c != earlier]
    return [glosses[c - 1] for c in merged if c != usage["blank"]]


@pytest.mark.parametrize("frames", [1, 3, 45])
def test_the_metadata_say_all_that_is_needed(checkpoint, exported, frames):
    recogniser = Recogniser.from_checkpoint(checkpoint, "cpu")
    greedy = replace(recogniser, config=replace(recogniser.config, decode_mode="greedy", merge_repeats=False))
    clip = np.ascontiguousarray(make_random_clip(frames, 90).transpose(0, 2, 3, 1))
    assert use_from_outside(exported, clip) == list(greedy.recognise(clip).glosses)


def test_the_usage_in_the_metadata(exported):
    usage = json.loads(onnxruntime.InferenceSession(str(exported)).get_modelmeta().custom_metadata_map["usage"])
    assert usage["input"] == {"name": "video", "shape": ["batch", "frames", 3, 64, 64], "type": "uint8"}
    assert usage["output"] == {"name": "logits", "shape": ["batch", "steps", 4], "type": "float32"}
    assert (usage["resize"], usage["crop"]) == ([72], {"top": 4, "left": 4, "size": 64})
    # K5 P2 K5 P2: 2 frames at either end for the first kernel, 2 steps of 2 frames for the second
    assert (usage["stride"], usage["pad_before"], usage["pad_after"], usage["shortest_input"]) == (4, 6, 6, 16)
    assert (usage["blank"], usage["channels"], usage["values"]) == (0, "RGB", [0, 255])


@pytest.mark.parametrize(
    "seen",
    [
        np.zeros((0, 3, 64, 64), np.uint8),
        np.zeros((5, 3, 60, 64), np.uint8),
        np.zeros((5, 64, 64, 3), np.uint8),
        np.zeros((5, 3, 64, 64), np.float32),
        np.zeros((3, 64, 64), np.uint8),
    ],
)
def test_what_is_no_clip_is_an_error_of_ours(checkpoint, exported, seen):
    for recogniser in (load_onnx(exported), Recogniser.from_checkpoint(checkpoint, "cpu")):
        with pytest.raises(FrameError, match=r"must be uint8 \(T, 3, 64, 64\), at least one frame"):
            recogniser.recognise_cropped(seen)


def test_files_of_earlier_versions_are_read(exported, tmp_path):
    """They have one clip alone, whose logits are (T', V), and say nothing of their use."""
    old = onnx.load(str(exported))
    old.graph.output[0].name = "batched"
    for node in old.graph.node:
        node.output[:] = ["batched" if name == "logits" else name for name in node.output]
    old.graph.initializer.append(onnx.numpy_helper.from_array(np.array([0], np.int64), "first"))
    old.graph.node.append(onnx.helper.make_node("Squeeze", ["batched", "first"], ["logits"]))
    old.graph.output.append(onnx.helper.make_tensor_value_info("logits", onnx.TensorProto.FLOAT, ["steps", 4]))
    del old.graph.output[0]
    del old.metadata_props[[entry.key for entry in old.metadata_props].index("usage")]
    onnx.save(old, str(tmp_path / "old.onnx"))
    clip = make_random_clip(10, 64)
    assert np.array_equal(load_onnx(tmp_path / "old.onnx").network(clip), load_onnx(exported).network(clip))


@pytest.mark.filterwarnings("ignore:.torch.jit.load. is deprecated")
def test_torch_files_carry_the_same_notes(tmp_path):
    recogniser = tiny_recogniser()
    notes = dict.fromkeys(("config", "glosses", "frame_size"), "")
    write_and_read_back(recogniser, "torchscript", tmp_path / "a.ts")
    torch.jit.load(tmp_path / "a.ts", _extra_files=notes)
    assert json.loads(notes["glosses"]) == GLOSSES
    assert json.loads(notes["config"]) == to_dict(recogniser.config)
    assert json.loads(notes["frame_size"]) == 72


@pytest.mark.filterwarnings("ignore:.torch.jit.load. is deprecated")
def test_a_network_that_recognises_in_bf16_is_written_and_compared_in_float32(tmp_path):
    recogniser = replace(tiny_recogniser(), network=TorchNetwork(tiny_model(), "bf16"))
    found = export(recogniser, "torchscript", tmp_path / "model.ts")
    assert max(parity.absolute for parity in found) < 1e-5
    (in_bf16,) = compare_networks(TorchNetwork(tiny_model()), recogniser.network, 64, [16])
    assert in_bf16.absolute > 1e-4  # so far the maps are off


def test_what_differs_from_pytorch_is_not_written(checkpoint, tmp_path, monkeypatch, capsys):
    def spoilt(path, network):
        return lambda video: network(video) + np.float32(0.5)

    monkeypatch.setitem(FORMATS, "torchscript", replace(FORMATS["torchscript"], read=spoilt))
    out = tmp_path / "model.ts"
    arguments = ["--model_path", checkpoint, "--format", "torchscript", "--out", out]
    assert "not PyTorch's: on 6 of 6 clips their logits differ by more than 0.0001" in refused(*arguments)
    assert "5.0e-01" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []
    out.write_text("older")
    refused(*arguments)
    assert out.read_text() == "older"
    for wrong, said in (
        (lambda path, network: lambda video: network(video) * np.nan, "on 6 of 6 clips"),
        (lambda path, network: lambda video: network(video)[1:], "give logits (0, 4), where PyTorch gives (1, 4)"),
    ):
        monkeypatch.setitem(FORMATS, "torchscript", replace(FORMATS["torchscript"], read=wrong))
        assert said in refused(*arguments)
    assert out.read_text() == "older"


def test_published_weights_with_configuration_and_dictionary(tmp_path):
    torch.save({"model_state_dict": tiny_model().state_dict()}, tmp_path / "published.pt")
    (tmp_path / "config.yaml").write_text(json.dumps(to_dict(tiny_config(**HIDDEN))))
    np.save(tmp_path / "gloss_dict.npy", {gloss: [i, 1] for i, gloss in enumerate(GLOSSES, start=1)})
    arguments = ["--model_path", tmp_path / "published.pt", "--format", "onnx"]
    assert "holds no configuration" in refused(*arguments)
    arguments += ["--config", tmp_path / "config.yaml"]
    assert "holds no glosses" in refused(*arguments)
    main(parse_args([*map(str, arguments), "--dict", str(tmp_path / "gloss_dict.npy")]))
    (tmp_path / "config.yaml").write_text("{dataset: phoenix2014, model_args: {hidden_size: 64}}")
    assert "model_args.hidden_size is 64 by" in refused(*arguments)
    (tmp_path / "config.yaml").write_text("dataset: phoenix2014")
    assert "holds no glosses" in refused(*arguments)
    recogniser = load_onnx(tmp_path / "published.onnx")
    assert recogniser.vocabulary.glosses == tuple(GLOSSES)
    assert recogniser.frame_size == 256


def test_messages_for_what_is_wrong(checkpoint, exported, tmp_path):
    assert "there is no checkpoint" in refused("--model_path", "nowhere.pt", "--format", "onnx")
    itself = refused("--model_path", checkpoint, "--format", "onnx", "--out", checkpoint)
    assert "is the checkpoint itself, which would be lost" in itself
    wrong = refused("--model_path", checkpoint, "--format", "onnx", "--out", tmp_path / "model.pt")
    assert "model.pt: a file of the format onnx must end in .onnx" in wrong
    with pytest.raises(CheckpointError, match=r"there is no exported network .*nowhere\.onnx"):
        load_onnx(tmp_path / "nowhere.onnx")
    (tmp_path / "text.onnx").write_text("no network")
    (tmp_path / "empty.onnx").touch()
    (tmp_path / "half.onnx").write_bytes(exported.read_bytes()[:100_000])
    for name in ("text.onnx", "empty.onnx", "half.onnx"):
        with pytest.raises(CheckpointError, match=f"{name} cannot be read as ONNX"):
            load_onnx(tmp_path / name)
    foreign = onnx.load(str(exported))
    onnx.helper.set_model_props(foreign, {"config": "{}", "glosses": "[3]", "frame_size": "72"})
    onnx.save(foreign, str(tmp_path / "changed.onnx"))
    with pytest.raises(CheckpointError, match=r"changed\.onnx is damaged or was changed: glosses\.0 is 3"):
        load_onnx(tmp_path / "changed.onnx")
    del foreign.metadata_props[:]
    onnx.save(foreign, str(tmp_path / "foreign.onnx"))
    with pytest.raises(CheckpointError, match=r"was not written by .*: it carries no config, frame_size, glosses"):
        load_onnx(tmp_path / "foreign.onnx")


def test_a_pytorch_too_old_for_a_format_is_named(checkpoint, tmp_path, monkeypatch):
    monkeypatch.setattr(export_formats, "OLDEST", "99.0")
    arguments = ["--model_path", checkpoint, "--format", "torch_export", "--out", tmp_path / "model.pt2"]
    assert f"needs PyTorch 99.0 or newer, this is {torch.__version__}" in refused(*arguments)


def test_an_exporter_that_fails_leaves_nothing(checkpoint, tmp_path, monkeypatch):
    def full(*_):
        raise OSError("No space left on device")

    monkeypatch.setattr(export_formats.onnx, "save", full)
    out = tmp_path / "model.onnx"
    assert refused("--model_path", checkpoint, "--format", "onnx", "--out", out) == "error: No space left on device"
    assert list(tmp_path.iterdir()) == []
