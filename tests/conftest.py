"""A small corpus, rendered and prepared once for all tests that need real clips."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from config.load import load_config, to_dict
from dataset.synthetic.generate import generate
from dataset.vocabulary import Vocabulary
from preprocess.prepare import prepare
from slr_network import build_model
from utils.checkpoint import save_checkpoint

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


@pytest.fixture(scope="session")
def random_checkpoint(prepared, tmp_path_factory) -> Path:
    """What training on `prepared` would save, of a tiny network with random weights, which reads something anywhere."""
    tiny = {"c2d_type": "resnet18", "pretrained": "none", "width": 16, "hidden_size": 16}
    config, _ = load_config(None, {"dataset": "phoenix2014", "feeder_args": {"input_size": 64}, "model_args": tiny})
    vocabulary = Vocabulary.load(prepared / "gloss_dict.txt")
    with torch.random.fork_rng():
        torch.manual_seed(3)
        model = build_model(config.model_args, vocabulary.num_classes, pretrained=False)
    path = tmp_path_factory.mktemp("checkpoint") / "random.pt"
    content = {"model_state_dict": model.state_dict(), "config": to_dict(config), "frame_size": 72}
    save_checkpoint(path, content | {"glosses": list(vocabulary.glosses)})
    return path
