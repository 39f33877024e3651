"""The command line with another system of the family: train by its name, resume, test."""

from __future__ import annotations

import pytest

import main
from config.layers import read_yaml
from engine.checkpoint_config import load_evaluation_config
from tests.helpers.commands import call_main
from tests.helpers.config import FILE_OF_ANOTHER_SYSTEM, tiny_words
from utils.checkpoint import load_checkpoint

PARTS = {"corrnet": {"conv2d.corr1.", "conv2d.corr3."}, "tlp": {"conv1d.temporal_conv.1.predictor.", "conv1d.fc."}}
"""Beginnings of names that the weights of a system have."""


@pytest.mark.parametrize("name", PARTS)
def test_a_system_is_trained_resumed_and_tested_by_its_name(prepared, tmp_path, name):
    run = tmp_path / "run"
    call_main(prepared, run, "--system", name, "--num-epoch", "1")
    names = load_checkpoint(run / "last.pt")["model_state_dict"]
    for part in PARTS[name]:
        assert any(weight.startswith(part) for weight in names)
    assert not any("HFEAM" in weight or "stf" in weight for weight in names)
    stored = read_yaml(run / "config.yaml")
    assert (stored["system"], stored["loss_weights"]["AuxCTC"], stored["num_epoch"]) == (name, 0, 1)
    log = (run / "log.txt").read_text(encoding="utf-8")
    assert f"  system: {name}\n" in log
    assert f"<p>system: {name}</p>" in (run / "report.html").read_text(encoding="utf-8")
    with pytest.raises(SystemExit, match=r"another experiment: .*model_args\.hfam: False -> True"):
        call_main(prepared, run, "--system", "mstfnet", "--resume", "--num-epoch", "1")
    for words in (("--system", name), ()):  # what is not named is the checkpoint's
        call_main(prepared, run, *words, "--resume", "--num-epoch", "1")
    # Nothing but the weights is named: the network is theirs.
    found, _ = load_evaluation_config(None, {"phase": "test", "load_weights": str(run / "best.pt")})
    assert (found.system, found.model_args.pooling) == (name, stored["model_args"]["pooling"])


def test_the_file_of_an_earlier_system_trains_as_before_and_the_log_says_the_way_to_that_system(prepared, tmp_path):
    (tmp_path / "old.yaml").write_text(FILE_OF_ANOTHER_SYSTEM, encoding="utf-8")
    words = tiny_words(prepared, tmp_path / "run", num_epoch=1)
    main.main(main.parse_args(["--config", str(tmp_path / "old.yaml"), *words]))
    names = load_checkpoint(tmp_path / "run" / "last.pt")["model_state_dict"]
    for part in ("conv2d.stf1.", "HFEAM.", "conv1d.temporal_conv.1.predictor."):
        assert any(weight.startswith(part) for weight in names)
    log = (tmp_path / "run" / "log.txt").read_text(encoding="utf-8")
    assert log.count("--system corrnet") == 1
    assert "system: mstfnet, but for model_args.c2d_type: resnet18 (mstfnet: resnet34)\n" in log
