"""`python -m benchmarks.int8`, on a small network."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from benchmarks import int8
from benchmarks.int8 import BARE, INT8, ONNX, PLAIN, PYTORCH, PYTORCH_BF16, build_networks, parse_args
from engine.int8 import configure_reading, load_int8_corpus
from evaluation.inference.recogniser import Recogniser
from tests.helpers.network import tiny_network
from utils.errors import InputError


@pytest.fixture(scope="module")
def recogniser(prepared, random_checkpoint) -> Recogniser:
    found = Recogniser.from_checkpoint(random_checkpoint, "cpu")
    return replace(found, config=configure_reading(found.config, prepared))


@pytest.fixture(scope="module")
def clips(recogniser):
    return load_int8_corpus(recogniser, None, 2)


def test_all_ways_recognise_nearly_the_same(recogniser, clips, tmp_path, monkeypatch):
    monkeypatch.setattr(int8, "computes_bfloat16", lambda _: True)
    ways, sizes = build_networks(recogniser, clips.read_clips(), tmp_path)
    assert list(ways) == [PYTORCH, PYTORCH_BF16, ONNX, INT8]
    clip = clips.training[0, 0].video
    logits = {name: network(clip) for name, network in ways.items()}
    largest = np.abs(logits[PYTORCH]).max()
    off = {name: np.abs(given - logits[PYTORCH]).max() / largest for name, given in logits.items()}
    assert off[ONNX] < 1e-4
    assert all(1e-4 < off[name] < 0.1 for name in (PYTORCH_BF16, INT8))
    assert float(sizes[INT8]) < float(sizes[ONNX])
    monkeypatch.setattr(int8, "computes_bfloat16", lambda _: False)
    assert PYTORCH_BF16 not in build_networks(recogniser, clips.read_clips(), tmp_path)[0]


@pytest.mark.parametrize(
    ("seconds", "rate", "backbone"),
    [
        (2.0, "30.0 frames a second (goal 25: reached)", "reached"),
        (2.5, "24.0 frames a second (goal 25: missed)", "missed"),
    ],
)
def test_the_goals_of_speed(monkeypatch, seconds, rate, backbone):
    times = {PLAIN: 8.0, BARE: 2.5, PYTORCH: 6.3, ONNX: 4.2, INT8: seconds}
    monkeypatch.setattr(int8, "median_seconds", lambda *_: times)
    lines, verdict = int8.compare_speed(dict.fromkeys(times, lambda: None), dict.fromkeys(times, "1.0"), 60, 1)
    assert f"int8 reads {rate}" in verdict
    assert f"{2.5 / seconds:.2f} times as fast as the bare backbone in float32 (goal 1: {backbone})" in verdict
    assert f"{8 / seconds:.2f} times as fast as the 3-D implementation" in verdict
    assert f"{6.3 / seconds:.2f} as PyTorch in float32 and {4.2 / seconds:.2f} as the same runtime" in verdict
    row = next(line for line in lines.splitlines() if line.startswith(ONNX)).removeprefix(ONNX).split()
    assert row == ["1.90", "0.60", "1.50", "4.200", "s", "70.00", "14.3", "1.0"]


def test_the_3d_implementation_reads_the_same(recogniser, clips):
    clip = clips.training[0, 1].video
    expected = recogniser.network(clip)
    assert np.abs(int8.build_plain_network(recogniser)(clip) - expected).max() < 1e-4 * np.abs(expected).max()


def test_what_is_printed(capsys, recogniser, random_checkpoint):
    options = ["--splits", "dev", "test", "--clips", "2", "--frames", "6", "--repeats", "1"]
    int8.main(parse_args(["--model_path", str(random_checkpoint), "--prepared", recogniser.config.prepared, *options]))
    out = capsys.readouterr().out
    assert f"ranges from 2 clips; a clip of 6 frames, medians of 1; {torch.get_num_threads()} threads" in out
    for start in (PYTORCH, ONNX, INT8):
        assert out.count(f"\n{start} ") == 3
    assert out.count(f"\n{PLAIN} ") == out.count(f"\n{BARE} ") == 1
    assert out.splitlines()[-1].startswith("Verdict: int8 reads ")
    assert "dev WER " in out and "test WER " in out


def test_without_a_checkpoint_it_is_timed_only(capsys, recogniser, monkeypatch):
    monkeypatch.setattr(int8, "build_random_recogniser", lambda: recogniser)
    int8.main(parse_args(["--clips", "1", "--frames", "6", "--repeats", "1"]))
    out = capsys.readouterr().out
    assert "times as fast" in out and "WER" not in out


def test_a_network_of_another_system_is_refused(recogniser):
    bare = replace(recogniser.network, model=tiny_network(fusion="none"))
    with pytest.raises(InputError, match="the plain 3-D network is MSTFNet's"):
        int8.build_plain_network(replace(recogniser, network=bare))
