"""A small corpus, rendered and prepared once for all tests that need real clips, whichever process runs them."""

from __future__ import annotations

import os

# One thread a process: the suite runs a process a core, and sums in another order would differ in the last bit. What
# tests start inherits it. Where a test takes two threads, they do not keep a busy core while they wait for each other.
# Before PyTorch is loaded, which reads it once.
os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
os.environ["OMP_WAIT_POLICY"] = "PASSIVE"

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from filelock import FileLock
from hypothesis import HealthCheck, settings

# Before they are imported: where an assertion of theirs fails, pytest then shows the values, as for one of a test.
pytest.register_assert_rewrite("tests.helpers")

from config.load import to_dict
from dataset.synthetic.generate import generate
from dataset.vocabulary import Vocabulary
from preprocess.prepare import prepare
from slr_network import build_model
from tests.helpers.config import tiny_config
from tests.helpers.fonts import save_square_font
from utils import fonts, sclite_program
from utils.checkpoint import save_checkpoint

torch.set_num_threads(1)
settings.register_profile("suite", deadline=None, suppress_health_check=[HealthCheck.too_slow])  # it may be busy
settings.load_profile("suite")
if "BARE" in os.environ:  # make test-bare, which hides the rest by $PATH
    sclite_program.DEBIAN_PATH = "/nowhere/sclite"


@pytest.fixture(scope="session")
def once(tmp_path_factory) -> Callable[[str, Callable[[Path], object]], Path]:
    """Make something once for all processes that run tests: `once(name, make)` calls `make` on a path of that name.

    The first process that asks makes it while the others wait.
    """
    base = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        base = base.parent  # each process has a folder of its own there

    def make_once(name: str, make: Callable[[Path], object]) -> Path:
        path, done = base / name, base / f"{name}.done"
        with FileLock(base / f"{name}.lock"):
            if not done.exists():
                shutil.rmtree(path, ignore_errors=True)  # what a process left that failed while it made this
                make(path)
                done.touch()
        return path

    return make_once


@pytest.fixture(scope="session")
def corpus(once) -> Path:
    """Root of a corpus in PHOENIX2014's tree: 8 training clips, 3 of dev, 3 of test, 6 glosses."""
    return once("corpus", lambda root: generate("phoenix2014", root, 6, train=8, dev=3, test=3, seed=5, workers=2))


@pytest.fixture(scope="session")
def prepared(corpus, once) -> Path:
    """The same, prepared at 72x72."""
    return once("prepared", lambda output: prepare("phoenix2014", corpus, output, True, workers=2, frame_size=72))


@pytest.fixture(scope="session")
def random_checkpoint(prepared, once) -> Path:
    """What training on `prepared` would save, of a tiny network with random weights, which reads something anywhere."""

    def save(path: Path) -> None:
        config, vocabulary = tiny_config(), Vocabulary.load(prepared / "gloss_dict.txt")
        with torch.random.fork_rng():
            torch.manual_seed(3)
            model = build_model(config.model_args, vocabulary.num_classes, pretrained=False)
        content = {"model_state_dict": model.state_dict(), "config": to_dict(config), "frame_size": 72}
        save_checkpoint(path, content | {"glosses": list(vocabulary.glosses)})

    return once("random.pt", save)


@pytest.fixture
def chinese_font(tmp_path_factory, monkeypatch) -> Path:
    """A font that has ASCII and the Chinese characters of the tests, and is the only one that is found."""
    path = tmp_path_factory.mktemp("fonts") / "squares.ttf"
    save_square_font(path)
    monkeypatch.setattr(fonts, "USUAL", (str(path),))
    monkeypatch.setattr(fonts.shutil, "which", lambda name: None)
    return path
