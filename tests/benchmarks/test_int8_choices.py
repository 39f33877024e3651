"""`python -m benchmarks.int8_choices`, on a small network."""

import math
from inspect import signature

import numpy as np
import pytest
from onnxruntime.quantization import quantize_static

from benchmarks import int8_choices
from benchmarks.int8_choices import CHOICES, CHOSEN, FLOAT, compare_posteriors, main, parse_args
from engine.int8 import SETTINGS
from evaluation.inference.recogniser import Recogniser


def test_posteriors_are_compared_step_by_step():
    expected = [np.log([[0.5, 0.5], [0.9, 0.1]]), np.log([[0.2, 0.8]])]
    found = [np.log([[0.5, 0.5], [0.9, 0.1]]), np.log([[0.8, 0.2]])]
    divergence, differing = compare_posteriors(expected, found)
    assert divergence == pytest.approx(0.6 * math.log(4) / 3)
    assert differing == pytest.approx(1 / 3)


def test_accuracy_of_a_checkpoint(random_checkpoint, prepared, capsys):
    names = ["one scale for all channels", "ranges: entropy"]  # entropy refuses clips of several lengths
    given = ["--model_path", str(random_checkpoint), "--prepared", str(prepared), "--clips", "2", "--choices", *names]
    main(parse_args(given))
    lines = capsys.readouterr().out.splitlines()[-4:]
    found = {name: line.removeprefix(name).split() for name, line in zip((FLOAT, CHOSEN, *names), lines, strict=True)}
    assert found[FLOAT][:3] == ["0.0e+00", "0.00", "%"]
    assert all(0 < float(found[name][0]) < 1 for name in (CHOSEN, *names))
    assert all(cells[-1] == "%" and float(cells[-2]) > 0 for cells in found.values())


def test_every_way_changes_something_that_onnxruntime_knows():
    known = set(signature(quantize_static).parameters)
    assert all(settings.keys() <= known for settings in CHOICES.values())
    assert not any(settings.items() <= SETTINGS.items() for name, settings in CHOICES.items() if name != CHOSEN)


def test_speed_of_random_weights(random_checkpoint, monkeypatch, capsys):
    recogniser = Recogniser.from_checkpoint(random_checkpoint, "cpu")
    monkeypatch.setattr(int8_choices, "build_random_recogniser", lambda: recogniser)
    main(parse_args(["--frames", "6", "--repeats", "1", "--choices", "convolutions alone"]))
    lines = capsys.readouterr().out.splitlines()
    assert lines[-2].split()[:6] == [*CHOSEN.split(), "1.00"]
    assert lines[-1].startswith("convolutions alone")
