"""The LSTM whose layers run one by one is PyTorch's, bit by bit."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence

from modules.bilstm import BiLSTM, LayeredLSTM

LENGTHS = torch.tensor([4, 9, 7])
KINDS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
DTYPES = [torch.float32, torch.float64]


def pair(dropout: float, dtype: torch.dtype = torch.float32) -> tuple[LayeredLSTM, nn.LSTM]:
    """Ours and PyTorch's, made from the same random state."""
    made = []
    for build in (
        lambda: LayeredLSTM(6, 8, num_layers=2, dropout=dropout),
        lambda: nn.LSTM(6, 8, num_layers=2, dropout=dropout, bidirectional=True),
    ):
        torch.manual_seed(3)
        made.append(build().to(dtype))
    return made[0], made[1]


def run(lstm: nn.LSTM, packed: bool, dtype: torch.dtype, gradients: bool) -> list[torch.Tensor]:
    """Everything that comes out of a pass, and the state of the random numbers after it."""
    torch.manual_seed(4)
    x = torch.randn(9, 3, 6, dtype=dtype).requires_grad_(gradients)
    steps = pack_padded_sequence(x, LENGTHS, enforce_sorted=False) if packed else x
    with torch.set_grad_enabled(gradients):
        out, states = lstm(steps)
    values = out.data if isinstance(out, PackedSequence) else out
    found = [values, *states]
    if gradients:
        lstm.zero_grad()
        (values.square().sum() + states[0].sum() + states[1].sum()).backward()
        found += [x.grad, *(weight.grad for weight in lstm.parameters())]
    return [*found, torch.get_rng_state()]


def test_it_starts_as_pytorchs_and_leaves_the_same_random_state():
    states = []
    for build in (
        lambda: LayeredLSTM(6, 8, num_layers=2, dropout=0.3),
        lambda: nn.LSTM(6, 8, num_layers=2, dropout=0.3, bidirectional=True),
    ):
        torch.manual_seed(3)
        states.append((build().state_dict(), torch.get_rng_state()))
    (ours, after), (expected, expected_after) = states
    assert list(ours) == list(expected)  # the published names
    assert all(torch.equal(weight, expected[name]) for name, weight in ours.items())
    assert torch.equal(after, expected_after)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize(("training", "dropout"), [(True, 0.3), (True, 0.0), (True, 1.0), (False, 0.3)])
def test_it_gives_what_pytorchs_gives_bit_by_bit(training, dropout, packed, dtype):
    """Outputs, states at the ends, gradients, and the random numbers that dropout used."""
    ours, expected = (lstm.train(training) for lstm in pair(dropout, dtype))
    for gradients in (True, False):
        of_ours, of_pytorch = (run(lstm, packed, dtype, gradients) for lstm in (ours, expected))
        assert len(of_ours) == len(of_pytorch) == (21 if gradients else 4)
        assert all(torch.equal(*values) for values in zip(of_ours, of_pytorch, strict=True))
        assert of_ours[0].abs().max() > 0.05


def test_dropout_comes_between_the_layers_and_from_the_state_that_checkpoints_hold():
    lstm, _ = pair(0.5)
    one, same = (run(lstm.train(), True, torch.float32, False)[0] for _ in range(2))
    assert torch.equal(one, same)
    torch.manual_seed(5)
    x = torch.ones(4, 1, 6)
    assert not torch.equal(lstm(x)[0], lstm(x)[0])
    assert (lstm(x)[0] != 0).all()  # nothing is dropped after the last layer


@pytest.mark.parametrize("packed", [True, False])
def test_cudnn_is_asked_for_gradients_where_they_are_wanted_and_never_for_dropout(monkeypatch, packed):
    """It has gradients in training mode alone; heat maps want them in evaluation."""
    calls, compute = [], torch.lstm

    def record(*arguments):
        dropout, training = arguments[-4:-2] if arguments[-1] is False else arguments[-3:-1]
        calls.append((dropout, training))
        return compute(*arguments)

    monkeypatch.setattr(torch, "lstm", record)
    lstm, _ = pair(0.3)
    for training, gradients, expected in ((True, True, True), (False, True, True), (False, False, False)):
        calls.clear()
        run(lstm.train(training), packed, torch.float32, gradients)
        assert calls == [(0.0, expected)] * 2


def test_the_weights_of_each_layer_lie_together(monkeypatch):
    """What cuDNN is asked to do, without it: one piece of memory for the eight weights of a layer."""
    pieces = []
    lstm = LayeredLSTM(6, 8, num_layers=2, dropout=0.3)
    lstm.flatten_parameters()  # not on a GPU: nothing is asked for
    monkeypatch.setattr(torch.backends.cudnn, "is_acceptable", lambda weight: isinstance(weight, nn.Parameter))
    monkeypatch.setattr(torch.backends.cudnn.rnn, "get_cudnn_mode", {"LSTM": 2}.get)
    monkeypatch.setattr(torch, "_use_cudnn_rnn_flatten_weight", lambda: True)
    monkeypatch.setattr(torch, "_cudnn_rnn_flatten_weight", lambda *arguments: pieces.append(arguments))
    lstm.to(torch.float64)  # moves the weights
    assert len(pieces) == 2
    for layer, (weights, *sizes) in enumerate(pieces):
        names = [f"{kind}_l{layer}{way}" for way in ("", "_reverse") for kind in KINDS]
        assert [id(weight) for weight in weights] == [id(getattr(lstm, name)) for name in names]
        # weights of a direction, input's size, mode, hidden size, no projection, layers, batch first, bidirectional
        assert sizes == [4, (6, 16)[layer], 2, 8, 0, 1, False, True]


def test_steps_past_the_end_are_zero_and_do_not_matter():
    torch.manual_seed(4)
    lstm = BiLSTM(6, 8).eval()
    x = torch.randn(5, 2, 6)
    out = lstm(x, torch.tensor([3, 5]))
    assert out.shape == (5, 2, 8)
    assert not out[3:, 0].any()
    assert torch.allclose(out[:3, :1], lstm(x[:3, :1], torch.tensor([3])), atol=1e-6)
