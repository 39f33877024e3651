"""Model folders from anywhere: whole ones are read, all others are one clear error."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import struct
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.helpers.shared import save_full_checkpoint, share
from utils.checkpoint import CheckpointError, load_checkpoint, load_weights
from utils.inspect_checkpoint import main, parse_args


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    home = tmp_path_factory.mktemp("model")
    return share(save_full_checkpoint(home / "best.pt"), home / "whole")


@pytest.fixture
def folder(whole, tmp_path) -> Path:
    """A copy to damage."""
    return Path(shutil.copytree(whole, tmp_path / "model"))


def refused(folder: Path) -> str:
    with pytest.raises(CheckpointError) as error:
        load_checkpoint(folder)
    assert str(error.value).startswith(str(folder))
    assert "\n" not in str(error.value)
    return str(error.value)


def header(entries: object, data: bytes = b"") -> bytes:
    """A safetensors file with this header."""
    text = json.dumps(entries).encode()
    return struct.pack("<Q", len(text)) + text + data


def stored_digest(folder: Path) -> str:
    return json.loads((folder / "recognition.json").read_text(encoding="utf-8"))["sha256"]


ONE = {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}


@pytest.mark.parametrize("name", ["model.safetensors", "config.yaml", "glosses.txt", "recognition.json"])
def test_a_folder_that_is_not_whole(folder, name):
    (folder / name).unlink()
    assert f"it lacks {name}: copy or download all of it again" in refused(folder)


def test_folders_that_are_no_model_folders_keep_their_message(folder, tmp_path):
    (folder / "model.safetensors").unlink()
    (folder / "recognition.json").unlink()
    for other in (folder, tmp_path):  # with a config.yaml, as run folders, and without
        assert "is a folder, not a checkpoint: name a file in it, such as best.pt" in refused(other)


def test_the_weights_alone_are_named_by_their_folder(folder):
    with pytest.raises(CheckpointError, match=f"holds weights alone: name the folder that it is in, {folder}"):
        load_checkpoint(folder / "model.safetensors")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "truncated or damaged"),
        (b"abc", "its header would have 6,513,249 bytes"),
        (b"PK\3\4" + bytes(100), "its header would have 67,324,752 bytes"),
        (struct.pack("<Q", 2**60) + b"{}", "its header would have 1,152,921,504,606,846,976 bytes"),
        (struct.pack("<Q", 5 * 2**20) + b"{" + b" " * 5 * 2**20, "its header would have 5,242,880 bytes"),
        (header({}), "holds no weights"),
        (header({"a": ONE}), "truncated or damaged"),
        (header({"a": ONE}, bytes(8)), "truncated or damaged"),
        (header({"a": ONE, "b": ONE}, bytes(4)), "truncated or damaged"),
        (header({"a": ONE | {"dtype": "PICKLE"}}, bytes(4)), "truncated or damaged"),
        (header({"a": ONE | {"shape": [2**62, 4], "data_offsets": [0, 0]}}), "truncated or damaged"),
        (header({"a": ONE | {"shape": [2**40], "data_offsets": [0, 2**42]}}), "truncated or damaged"),
        (header({"a" * 2000: ONE}, bytes(4)), "is damaged or was changed: model_state_dict"),
    ],
    ids=lambda value: "" if isinstance(value, bytes) else None,
)
def test_damaged_weights(folder, data, message):
    (folder / "model.safetensors").write_bytes(data)
    assert message in refused(folder)


def test_weights_cut_short(folder):
    data = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(data[:-100])
    assert "model.safetensors is truncated or damaged" in refused(folder)


def test_contents_that_are_not_those_of_the_export(folder):
    glosses, weights, notes = (folder / name for name in ("glosses.txt", "model.safetensors", "recognition.json"))
    text, data, held = glosses.read_text(encoding="utf-8"), weights.read_bytes(), notes.read_text(encoding="utf-8")
    assert stored_digest(folder) == hashlib.sha256(data + text.removesuffix("\n").encode()).hexdigest()
    glosses.write_bytes(text.replace("\n", "\r\n").encode())  # as Git may write it on Windows
    assert load_checkpoint(folder)["glosses"]
    first, *rest = text.splitlines()
    glosses.write_text("\n".join([*rest, first]), encoding="utf-8")
    assert "model.safetensors or glosses.txt is not what was exported" in refused(folder)
    glosses.write_text(text, encoding="utf-8")
    weights.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    assert "model.safetensors or glosses.txt is not what was exported" in refused(folder)
    weights.write_bytes(data)
    notes.write_text('{"format": 1}', encoding="utf-8")
    assert "model.safetensors or glosses.txt is not what was exported" in refused(folder)
    notes.write_text(held, encoding="utf-8")
    assert load_checkpoint(folder)["glosses"]


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (torch.complex64, "is complex, not an array of plain numbers"),
        (torch.float8_e4m3fn, "is of the type float8_e4m3fn, where float32 is needed"),
        (torch.int8, "is of the type int8, where float32 is needed"),
    ],
)
def test_weights_of_another_kind(folder, kind, message, monkeypatch):
    weights = load_file(folder / "model.safetensors")
    own = {key: weight.clone() for key, weight in weights.items()}
    save_file(own | {"classifier.weight": own["classifier.weight"].to(kind)}, folder / "model.safetensors")
    monkeypatch.setattr("utils.model_folder.compute_digest", lambda *_: stored_digest(folder))
    network = torch.nn.Module()
    network.state_dict = lambda: own
    with pytest.raises(CheckpointError, match=f"classifier.weight {message}"):
        load_weights(network, folder)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("config.yaml", "a: [", "line 1: this is not YAML"),
        ("config.yaml", "a: !!python/object/apply:os.mkdir [x]", "has no place here"),
        ("config.yaml", "- 1", "config is [1], where"),
        ("config.yaml", "a: &a [*a]", "too large or endless"),
        ("glosses.txt", "", "glosses.0 is '', where"),
        ("glosses.txt", "A\n\nB\n", "glosses.1 is '', where"),
        ("recognition.json", "{", "line 1: this is not JSON"),
        ("recognition.json", "[]", "does not say `format` 1"),
        ("recognition.json", '{"format": 2}', "does not say `format` 1; it is damaged, or of a newer version"),
        ("recognition.json", '{"format": 1, "frame_size": "72"}', "frame_size is '72', where"),
        ("recognition.json", '{"format": 1, "frame_rate": Infinity}', "Infinity is no number"),
        ("recognition.json", '{"format": 1, "calibration": {}}', "it lacks calibration.slope"),
        ("recognition.json", '{"format": 1, "rendered": 3}', "rendered is 3, where"),
    ],
)
def test_damaged_texts(folder, name, text, message):
    (folder / name).write_text(text, encoding="utf-8")
    assert message in refused(folder)


def test_texts_that_are_not_utf8(folder):
    (folder / "glosses.txt").write_bytes(b"A\n\xff\n")
    assert "line 2: byte 0xff is not UTF-8" in refused(folder)


def test_a_pipe_in_the_place_of_a_file_is_not_waited_for(folder):
    for name in ("model.safetensors", "config.yaml", "glosses.txt"):
        kept = folder / f"{name}.kept"
        (folder / name).rename(kept)
        os.mkfifo(folder / name)
        with pytest.raises(CheckpointError, match=r"is a pipe or a device|is no file"):
            load_checkpoint(folder)
        kept.replace(folder / name)


def test_entries_that_recognition_does_not_need_are_left_out(folder):
    """A folder from elsewhere must not bring an optimiser, or other weights than those of safetensors."""
    held = json.loads((folder / "recognition.json").read_text(encoding="utf-8"))
    extra = {"optimizer_state_dict": {}, "model_state_dict": {}, "config": {}, "glosses": ["X"], "note": "../../etc"}
    (folder / "recognition.json").write_text(json.dumps(held | extra), encoding="utf-8")
    content = load_checkpoint(folder)
    assert "optimizer_state_dict" not in content
    assert "note" not in content
    assert content["model_state_dict"]
    assert content["config"]["dataset"] == "phoenix2014"
    assert "X" not in content["glosses"]


def test_links_as_the_hub_keeps_its_files_are_followed(folder, tmp_path):
    (tmp_path / "blobs").mkdir()
    for path in list(folder.iterdir()):
        path.rename(tmp_path / "blobs" / path.name)
        path.symlink_to(Path("../blobs") / path.name)
    assert load_checkpoint(folder)["model_state_dict"]


def test_what_was_read_stays_when_the_file_is_written_again(folder):
    content = load_checkpoint(folder)
    before = content["model_state_dict"]["classifier.weight"].clone()
    with (folder / "model.safetensors").open("r+b") as file:
        file.truncate(8)
    assert torch.equal(content["model_state_dict"]["classifier.weight"], before)


def test_a_name_that_is_not_utf8(whole, tmp_path):
    folder = Path(shutil.copytree(whole, tmp_path / "caf\udce9"))
    assert load_checkpoint(folder)["glosses"]
    (folder / "config.yaml").unlink()
    with pytest.raises(CheckpointError, match=r"caf\\xE9 is no whole model folder"):
        load_checkpoint(folder)


def test_inspecting_a_damaged_folder_ends_with_one_message(folder):
    (folder / "glosses.txt").unlink()
    with pytest.raises(SystemExit, match=f"error: {folder} is no whole model folder, it lacks glosses.txt"):
        main(parse_args([str(folder)]))
