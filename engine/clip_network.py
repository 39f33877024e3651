"""The network in forms that exporters can follow: no lengths, no packed sequences, no masks, one output."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch._higher_order_ops.scan import scan

from slr_network import SLRModel

CLOSED = -1e4  # before a sigmoid: a gate that lets nothing through


class ClipNetwork(nn.Module):
    """`SLRModel` in evaluation for clips of as many output steps, whose own padding needs no masks; without HFAM.

    Args:
        model: a network in evaluation mode; its parts are shared, not copied.
    """

    def __init__(self, model: SLRModel) -> None:
        super().__init__()
        self.spec, self.normalise = model.spec, model.normalise
        self.conv2d, self.conv1d = model.conv2d, model.conv1d
        self.rnn, self.classifier = model.temporal_model.rnn, model.classifier
        self.train(model.training)  # an exporter that finds another mode here than in the parts changes theirs

    def forward(self, video: Tensor) -> Tensor:
        """Logits of the sequence head.

        Args:
            video: (B, T_pad, 3, H, W) uint8 RGB, each padded as `TemporalSpec.pad` does.

        Returns:
            (B, T', V).
        """
        steps = self.conv1d(self.features(video))[0].permute(2, 0, 1)  # (T', B, hidden)
        sequence, _ = self.rnn(steps)  # (T', B, hidden)
        return self.classifier(sequence).transpose(0, 1)

    def features(self, video: Tensor) -> Tensor:
        """The backbone's features of the frames: (B, T_pad, 3, H, W) -> (B, C, T_pad)."""
        frames = self.normalise(video).flatten(0, 1).contiguous(memory_format=torch.channels_last)  # (B*T_pad, 3, H, W)
        return self.conv2d(frames, video.shape[0])[0]


class ScanClipNetwork(ClipNetwork):
    """The same of one clip for `torch.export`, which unrolls `nn.LSTM` and with that fixes the length of the clip.

    It also takes a dimension of length one for a constant. So the clip gets one output step more than it has, masked as
    if it were a shorter clip in a batch, and the step is taken off at the end.
    """

    def forward(self, video: Tensor) -> Tensor:
        """As in `ClipNetwork`, with B = 1."""
        features = F.pad(self.features(video), (0, self.spec.stride))  # (1, C, T_pad + stride)
        padded_length = torch.full((1,), video.shape[1])
        steps = self.conv1d(features, padded_length)[0][0].T  # (T' + 1, hidden)
        inside = torch.arange(steps.shape[0], device=steps.device) < steps.shape[0] - 1  # (T' + 1,)
        return self.classifier(run_lstm(self.rnn, steps, inside))[inside][None]


def run_lstm(lstm: nn.LSTM, x: Tensor, inside: Tensor) -> Tensor:
    """Run a bidirectional LSTM over one sequence, as a loop that `torch.export` keeps.

    Args:
        lstm: the LSTM with its layers.
        x: the sequence, (T, C).
        inside: a mask (T,), false after the sequence's end.

    Returns:
        (T, hidden), without meaning after the end.
    """
    for layer in range(lstm.num_layers):
        ways = []
        for suffix, reverse in ((f"_l{layer}", False), (f"_l{layer}_reverse", True)):
            from_input, from_state, *biases = (
                getattr(lstm, f"{name}{suffix}") for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
            )
            # After the end every gate is closed: the backward direction comes to the last step with a state of zeros.
            gates = torch.where(inside[:, None], x @ from_input.T + sum(biases), CLOSED)  # (T, 4 * hidden)
            ways.append(run_direction(gates, from_state, reverse))
        x = torch.cat(ways, 1)  # (T, 2 * hidden)
    return x


def run_direction(gates: Tensor, from_state: Tensor, reverse: bool) -> Tensor:
    """Run one direction of one layer.

    Args:
        gates: the input's part of the gates, (T, 4 * H), in PyTorch's order: input, forget, cell, output.
        from_state: the weights of the state before, (4 * H, H).
        reverse: whether to run from the last step to the first.

    Returns:
        (T, H).
    """

    def step(state: tuple[Tensor, Tensor], gate: Tensor) -> tuple[tuple[Tensor, Tensor], Tensor]:
        hidden, cell = state
        enter, keep, new, leave = (gate + from_state @ hidden).chunk(4)  # (H,) each
        cell = keep.sigmoid() * cell + enter.sigmoid() * new.tanh()
        hidden = leave.sigmoid() * cell.tanh()
        return (hidden, cell), hidden.clone()  # scan wants outputs that share no memory

    start = gates.new_zeros(from_state.shape[1])
    return scan(step, (start, start.clone()), gates, reverse=reverse)[1]
