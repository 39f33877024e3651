"""`python -m benchmarks.int8`, on a small network."""

from dataclasses import replace

import numpy as np
import onnx
import pytest
import torch

from benchmarks import int8
from benchmarks.int8 import (
    INT8,
    ONNX,
    PLAIN,
    PYTORCH,
    CalibrationClips,
    build_networks,
    count_word_errors,
    load_training_clips,
    parse_args,
)
from evaluation.evaluate import evaluate, load_evaluation_data
from evaluation.inference.recogniser import Recogniser
from tests.helpers.network import tiny_network
from utils.errors import InputError
from utils.temporal import TemporalSpec


@pytest.fixture(scope="module")
def recogniser(prepared, random_checkpoint) -> Recogniser:
    found = Recogniser.from_checkpoint(random_checkpoint, "cpu")
    return replace(found, config=replace(found.config, prepared=str(prepared), num_worker=0))


@pytest.fixture(scope="module")
def data(recogniser):
    return load_evaluation_data(recogniser.config, "dev", recogniser.vocabulary)


@pytest.fixture(scope="module")
def written(recogniser, tmp_path_factory):
    """The folder of the ONNX files, and the networks."""
    folder = tmp_path_factory.mktemp("int8")
    return folder, build_networks(recogniser, load_training_clips(recogniser, 2), folder)[0]


def test_clips_come_padded_and_then_none():
    spec = TemporalSpec()
    reader = CalibrationClips([np.zeros((5, 3, 8, 8), np.uint8)], spec)
    assert reader.get_next()["video"].shape == (1, spec.padded_length(5), 3, 8, 8)
    assert reader.get_next() is None


def test_int8_gives_nearly_what_float_gives(written, data):
    _, ways = written
    clip = data.loader.dataset[0, 0].video
    logits = {name: network(clip) for name, network in ways.items()}
    largest = np.abs(logits[PYTORCH]).max()
    assert np.abs(logits[ONNX] - logits[PYTORCH]).max() < 1e-4 * largest
    assert 1e-4 * largest < np.abs(logits[INT8] - logits[PYTORCH]).max() < 0.1 * largest


def test_every_convolution_is_in_seven_bits_and_the_lstm_in_float(written):
    graph = onnx.load(str(written[0] / "int8.onnx")).graph
    weights = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}
    makers = {name: node for node in graph.node for name in node.output}
    convolutions = [node for node in graph.node if node.op_type == "Conv"]
    assert len(convolutions) > 20
    for node in convolutions:
        assert [makers[name].op_type for name in node.input[:2]] == ["DequantizeLinear"] * 2
        kernel, scale = (weights[name] for name in makers[node.input[1]].input[:2])
        assert kernel.dtype == np.int8 and np.abs(kernel.astype(int)).max() <= 64
        assert scale.shape == kernel.shape[:1]
    lstms = [node for node in graph.node if node.op_type == "LSTM"]
    assert lstms and all(weights[node.input[1]].dtype == np.float32 for node in lstms)
    assert not any(node.op_type == "BatchNormalization" for node in graph.node)


def test_training_clips_are_spread_over_the_split(recogniser):
    every = load_training_clips(recogniser, 99)
    assert len(every) == 8
    first, last = load_training_clips(recogniser, 2)
    assert np.array_equal(first, every[0]) and np.array_equal(last, every[7])
    assert first.shape[1:] == (3, 64, 64) and first.dtype == np.uint8


def test_word_errors_are_those_of_the_evaluation(recogniser, data, tmp_path):
    expected = evaluate(recogniser.config, recogniser.network.model, data, recogniser.vocabulary, tmp_path)
    assert count_word_errors(recogniser, recogniser.network, data) == expected.results["sequence"]


def test_a_gloss_too_many_counts_once(recogniser, data):
    vocabulary, last = recogniser.vocabulary, len(data.loader.dataset) - 1
    labels = iter(data.loader.dataset.targets)
    targets = [(*tokens, tokens[0]) if i == last else tokens for i, tokens in enumerate(labels)]
    spelt = iter(targets)

    def network(_: np.ndarray) -> np.ndarray:
        tokens = next(spelt)
        logits = np.zeros((2 * len(tokens), vocabulary.num_classes), np.float32)
        logits[np.arange(len(logits)), [each for token in tokens for each in (token, 0)]] = 20
        return logits

    result = count_word_errors(recogniser, network, data)
    assert (result.substitutions, result.deletions, result.insertions) == (0, 0, 1)


@pytest.mark.parametrize(("seconds", "fate"), [(2.0, "reached"), (2.1, "missed")])
def test_the_goal_of_speed(monkeypatch, seconds, fate):
    times = {PLAIN: 8.0, PYTORCH: 6.3, ONNX: 4.2, INT8: seconds}
    monkeypatch.setattr(int8, "median_seconds", lambda *_: times)
    networks = dict.fromkeys(times, lambda clip: clip)
    lines, verdict = int8.compare_speed(networks, dict.fromkeys(times, "1.0"), np.zeros((10, 3, 8, 8), np.uint8), 1)
    assert f"{8 / seconds:.2f} times as fast as the 3-D implementation (goal 4: {fate})" in verdict
    assert f"{6.3 / seconds:.2f} times as fast as PyTorch" in verdict
    assert f"{4.2 / seconds:.2f} times as fast as the same runtime" in verdict
    assert "420.00" in lines  # ms a frame


def test_the_3d_implementation_reads_the_same(recogniser, data):
    clip = data.loader.dataset[0, 1].video
    expected = recogniser.network(clip)
    assert np.abs(int8.build_plain_network(recogniser)(clip) - expected).max() < 1e-4 * np.abs(expected).max()


def test_what_is_printed(capsys, recogniser, random_checkpoint):
    options = ["--splits", "dev", "test", "--clips", "2", "--frames", "6", "--repeats", "1"]
    int8.main(parse_args(["--model_path", str(random_checkpoint), "--prepared", recogniser.config.prepared, *options]))
    out = capsys.readouterr().out
    assert f"ranges from 2 clips; a clip of 6 frames, medians of 1; {torch.get_num_threads()} threads" in out
    for start in ("PyTorch, fused, fp32", "onnxruntime, fp32", "onnxruntime, int8"):
        assert out.count(f"\n{start} ") == 3
    assert out.count("\n3-D, fp32 ") == 1
    assert out.splitlines()[-1].startswith("Verdict: int8 is ")
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
