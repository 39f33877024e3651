"""Repositories on the Hugging Face Hub in the place of a checkpoint; its package is a stub, and no network is used."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

import main
from evaluation.inference.recogniser import Recogniser
from tests.helpers.shared import GLOSSES, save_full_checkpoint, share
from utils.checkpoint import CheckpointError, load_checkpoint
from utils.hub import Repository, fetch, parse_repository
from utils.inspect_checkpoint import inspect_checkpoint


class RepositoryNotFoundError(Exception):
    pass


class GatedRepoError(RepositoryNotFoundError):
    pass


class RevisionNotFoundError(Exception):
    pass


class LocalEntryNotFoundError(FileNotFoundError):
    pass


ERRORS = {
    kind.__name__: kind
    for kind in (RepositoryNotFoundError, GatedRepoError, RevisionNotFoundError, LocalEntryNotFoundError)
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    home = tmp_path_factory.mktemp("model")
    return share(save_full_checkpoint(home / "best.pt"), home / "cached")


@pytest.fixture
def hub(folder, tmp_path, monkeypatch):
    """A Hub that holds one repository; `asked` is what it was asked for, `error` what it raises if it is set."""
    stub = SimpleNamespace(asked=[], error=None, folder=folder)

    def snapshot_download(name, *, revision, allow_patterns):
        stub.asked.append((name, revision, sorted(allow_patterns)))
        if stub.error:
            raise stub.error
        return str(stub.folder)

    package = ModuleType("huggingface_hub")
    package.snapshot_download, package.errors = snapshot_download, SimpleNamespace(**ERRORS)
    monkeypatch.setitem(sys.modules, "huggingface_hub", package)
    monkeypatch.chdir(tmp_path)
    fetch.cache_clear()
    yield stub
    fetch.cache_clear()


def refused(name: str) -> str:
    with pytest.raises(CheckpointError) as error:
        load_checkpoint(name)
    return str(error.value)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("ann/corrnet", Repository("ann/corrnet")),
        ("ann/corrnet@v1.0", Repository("ann/corrnet", "v1.0")),
        ("ann/corrnet@refs/pr/1", Repository("ann/corrnet", "refs/pr/1")),
        ("Ann-1/corr.net_2", Repository("Ann-1/corr.net_2")),
        ("https://huggingface.co/ann/corrnet", Repository("ann/corrnet")),
        (str(Path("https://huggingface.co/ann/corrnet@v1.0")), Repository("ann/corrnet", "v1.0")),
    ],
)
def test_names_of_repositories(text, meant, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert parse_repository(text) == meant


@pytest.mark.parametrize(
    "text",
    [
        "corrnet", "ann/corrnet/best", "/ann/corrnet", "./corrnet", "../corrnet", "ann/..", "ann/corrnet.pt", "",
        "ann/corrnet.ONNX", "ann/corrnet@../../x", "ann/corr net", "ann/", "ann--b/x", "~/corrnet", "änn/x", "a/b\n",
    ],
)  # fmt: skip
def test_names_of_paths(text, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert parse_repository(text) is None


def test_a_path_that_is_here_wins(hub, tmp_path):
    share(save_full_checkpoint(tmp_path / "best.pt"), tmp_path / "ann/corrnet")
    (tmp_path / "ann/file").write_bytes(b"")
    assert parse_repository("ann/corrnet") is None
    assert list(load_checkpoint("ann/corrnet")["glosses"]) == GLOSSES
    assert "no checkpoint of PyTorch" in refused("ann/file")
    assert hub.asked == []


def test_a_mistyped_path_is_not_asked_for(hub, tmp_path):
    """The folder is here, the rest is not."""
    (tmp_path / "work_dir").mkdir()
    said = refused("work_dir/quikstart")
    assert said.startswith("there is no checkpoint work_dir/quikstart")
    assert "since work_dir is here, it was not looked for on the Hugging Face Hub" in said
    assert "there is no checkpoint work_dir/best.pt" in refused("work_dir/best.pt")
    assert hub.asked == []


def test_only_what_is_needed_is_fetched_and_once(hub):
    files = ["config.yaml", "glosses.txt", "model.safetensors", "recognition.json"]
    assert load_checkpoint("ann/corrnet").keys() == load_checkpoint(hub.folder).keys()
    load_checkpoint(Path("ann/corrnet"))
    assert hub.asked == [("ann/corrnet", None, files)]
    load_checkpoint("ann/corrnet@v2")
    assert hub.asked[1:] == [("ann/corrnet", "v2", files)]


def test_the_doors_that_take_a_repository(hub, tmp_path):
    assert Recogniser.from_pretrained("ann/corrnet", "cpu").vocabulary.glosses == tuple(GLOSSES)
    assert dict(inspect_checkpoint("ann/corrnet"))["folder"].startswith("ann/corrnet, ")
    config, _ = main.choose_config(None, {"phase": "test", "load_weights": "ann/corrnet"})
    assert (config.load_weights, config.work_dir) == ("ann/corrnet", "work_dir/corrnet-test")
    assert list(tmp_path.iterdir()) == []


def test_what_a_test_of_a_folder_writes_lies_beside_it(folder, monkeypatch):
    for named, work_dir in ((str(folder), f"{folder}-test"), ("cached/", "cached-test"), (".", f"{folder}-test")):
        monkeypatch.chdir(folder if named == "." else folder.parent)
        assert main.choose_config(None, {"phase": "test", "load_weights": named})[0].work_dir == work_dir


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (GatedRepoError("403"), "ann/corrnet is open only to those who accept its terms.*hf auth login"),
        (RepositoryNotFoundError("401"), "no file or folder ann/corrnet here, and no repository of this name.*private"),
        (RevisionNotFoundError("404"), "ann/corrnet on the Hugging Face Hub has no branch, tag or commit v9"),
        (LocalEntryNotFoundError("offline"), "no file or folder ann/corrnet here, and .* cannot be reached"),
        (ConnectionError("reset by peer"), "ann/corrnet could not be fetched from the Hugging Face Hub: reset by peer"),
        (ValueError("odd\nname"), "could not be fetched from the Hugging Face Hub: odd name"),
    ],
)
def test_a_repository_that_cannot_be_had_is_one_sentence(hub, error, message):
    hub.error = error
    said = refused("ann/corrnet@v9")
    assert "\n" not in said
    assert re.search(message, said)


def test_a_repository_of_something_else(hub, tmp_path):
    hub.folder = tmp_path / "snapshot"
    hub.folder.mkdir()
    assert "ann/bert on the Hugging Face Hub is no network of this project" in refused("ann/bert")
    (hub.folder / "model.safetensors").write_bytes(b"")
    assert "ann/bert@x is no whole model folder, it lacks config.yaml" in refused("ann/bert@x")


def test_without_the_package_a_message_says_how_to_install_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    said = refused("ann/corrnet")
    assert said.startswith("there is no file or folder ann/corrnet here")
    assert 'python -m pip install "huggingface_hub>=0.30"' in said


def test_the_package_has_what_is_asked_of_it():
    package = pytest.importorskip("huggingface_hub", reason="the optional package huggingface_hub is not installed")
    assert callable(package.snapshot_download)
    for name, kind in ERRORS.items():
        found = getattr(package.errors, name)
        assert issubclass(found, OSError) or not issubclass(kind, OSError)
    assert issubclass(package.errors.GatedRepoError, package.errors.RepositoryNotFoundError)
