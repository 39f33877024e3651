"""What a trainer makes of its configuration, before the first step."""

from __future__ import annotations

import re

import torch

from dataset import loader
from engine.trainer import Trainer
from tests.helpers.config import tiny_config
from utils import progress


def test_loaders_and_network_are_as_the_configuration_says(prepared, tmp_path, monkeypatch):
    # No batch is read, so the server from which workers are forked need not start.
    monkeypatch.setattr(loader, "make_loader_context", lambda _: None)
    config = tiny_config(
        prepared,
        tmp_path / "run",
        random_seed=9,
        batch_size=3,
        test_batch_size=1,
        num_worker=1,
        on_bad_clip="skip",
        recompute="stages",
    )
    trainer = Trainer(config, torch.device("cpu"))
    train, dev = trainer.loader, trainer.dev.loader
    assert (train.batch_size, dev.batch_size) == (3, 1)
    assert (train.sampler.batch_size, train.sampler.training, dev.sampler.training) == (3, True, False)
    assert (train.sampler.order.seed, train.dataset.seed) == (9, 9)
    assert (train.num_workers, dev.num_workers) == (1, 1)
    assert (train.dataset.replace_unreadable, dev.dataset.replace_unreadable) == (True, False)
    assert trainer.model.conv2d.recompute.level == "stages"


def test_without_a_terminal_a_line_now_and_then_says_how_far_an_epoch_is(prepared, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(progress, "SECONDS", 0.0)
    Trainer(tiny_config(prepared, tmp_path / "run", num_epoch=1), torch.device("cpu")).train()
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("epoch 1/1: ")]
    assert [line.partition(",")[0] for line in lines] == [f"epoch 1/1: {done} of 4" for done in range(4)]
    assert re.fullmatch(r"epoch 1/1: 3 of 4, loss \d+\.\d\d, 0:00 h left", lines[-1])


def test_an_unreadable_clip_stops_a_training_unless_the_configuration_says_otherwise(prepared, tmp_path):
    trainer = Trainer(tiny_config(prepared, tmp_path / "run"), torch.device("cpu"))
    assert not trainer.loader.dataset.replace_unreadable
