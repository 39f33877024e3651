"""A small corpus, rendered and prepared once for all tests that need real clips."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from dataset.synthetic import generate
from preprocess.prepare import prepare

torch.set_num_threads(2)


@pytest.fixture(scope="session")
def corpus(tmp_path_factory) -> Path:
    """Root of a corpus in PHOENIX2014's tree: 8 training clips, 3 of dev, 3 of test, 6 glosses."""
    root = tmp_path_factory.mktemp("corpus") / "phoenix2014"
    generate("phoenix2014", root, glosses=6, train=8, dev=3, test=3, seed=5, workers=2)
    return root


@pytest.fixture(scope="session")
def prepared(corpus, tmp_path_factory) -> Path:
    """The same, prepared at 72x72."""
    output = tmp_path_factory.mktemp("prepared") / "phoenix2014"
    prepare("phoenix2014", corpus, output, process_image=True, workers=2, frame_size=72)
    return output
