"""The CTC loss (Graves et al. 2006) of several heads at once, on a GPU without waiting for it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from utils.transfer import send

IMPOSSIBLE = -1e30
"""The logarithm of no probability: in place of -inf, of which two have no difference."""


def ctc(heads: Sequence[Tensor], targets: Tensor, lengths: Tensor, target_lengths: Tensor) -> Tensor:
    """The mean over clips of -log p(labels | clip), in float32 or better, of each head.

    A clip too short for its labels gives an infinite loss: `zero_infinity` would hide that nothing is learnt from it.

    Args:
        heads: logits (T', B, V), blank 0, of each of H heads.
        targets: the labels of all clips, one clip's after the other's, (sum of target_lengths,).
        lengths: output steps of each clip, (B,), on the CPU.
        target_lengths: the number of labels of each clip, (B,), on the CPU.

    Returns:
        (H,).
    """
    logits = torch.cat(list(heads), 1)  # (T', H*B, V)
    log_probs = F.log_softmax(logits, dim=-1, dtype=torch.promote_types(logits.dtype, torch.float32))
    count = len(heads)
    if logits.device.type == "cpu":
        sizes = lengths.repeat(count), target_lengths.repeat(count)
        losses = F.ctc_loss(log_probs, targets.repeat(count), *sizes, blank=0, reduction="none")  # (H*B,)
    else:
        # Not PyTorch's own: on CUDA it waits for three copies forward and three backward, and its gradients are not the
        # same twice; MPS has none.
        labels = pad_labels(send(targets, logits.device), target_lengths).repeat(count, 1)  # (H*B, S)
        both = send(torch.stack([lengths, target_lengths]), logits.device).repeat(1, count)  # (2, H*B)
        losses = CTCLoss.apply(log_probs, labels, both[0], both[1])
    return losses.unflatten(0, (count, -1)).mean(1)


def pad_labels(targets: Tensor, target_lengths: Tensor) -> Tensor:
    """Labels one clip's after the other's -> a row for each clip, (B, S); past its end are labels of other clips."""
    own = send(target_lengths, targets.device)
    places = (own.cumsum(0) - own)[:, None] + torch.arange(int(target_lengths.max()), device=targets.device)
    return targets[places.clamp(max=len(targets) - 1)]


class CTCLoss(torch.autograd.Function):
    """-log p(labels | clip) of each clip, with its gradient, in operations on all clips that any device has."""

    @staticmethod
    def forward(ctx: Any, log_probs: Tensor, labels: Tensor, lengths: Tensor, label_lengths: Tensor) -> Tensor:
        """Compute the loss of each clip, (N,).

        Args:
            ctx: keeps the gradient.
            log_probs: (T', N, V), blank 0.
            labels: (N, S), with any classes past a clip's own.
            lengths: output steps of each clip, (N,), at least one.
            label_lengths: the number of labels of each clip, (N,).
        """
        losses, gradient = compute_losses(log_probs, labels, lengths, label_lengths)
        ctx.save_for_backward(gradient)
        return losses

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, by_losses: Tensor) -> tuple[Tensor | None, ...]:
        """The gradient by the logarithms."""
        (gradient,) = ctx.saved_tensors
        return gradient * by_losses[:, None], None, None, None


def compute_losses(
    log_probs: Tensor, labels: Tensor, lengths: Tensor, label_lengths: Tensor
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """Compute the loss of each clip (N,), and its gradient (T', N, V), by the paper's forward and backward variables.

    A clip goes through L = 2*S + 1 states: its labels with a blank before, between and after them. The arguments are
    those of `CTCLoss.forward`.
    """
    total, clips, _ = log_probs.shape
    states = labels.new_zeros(clips, 2 * labels.shape[1] + 1)  # (N, L)
    states[:, 1::2] = labels
    shape = total, clips, states.shape[1]
    # From a clip's own end: step t is step length - 1 - t, and state s is state 2 * labels - s.
    step = torch.arange(total, device=labels.device)[:, None]  # (T', 1)
    place = torch.arange(shape[2], device=labels.device)  # (L,)
    last = 2 * label_lengths[:, None]  # (N, 1)
    from_end = (lengths - 1 - step).clamp(min=0)[:, :, None].expand(shape)
    places_from_end = (last - place).clamp(min=0)  # (N, L)

    def turn(x: Tensor) -> Tensor:
        return x.gather(0, from_end).gather(2, places_from_end.expand(shape))

    emitted = log_probs.gather(2, states.expand(shape))  # (T', N, L)
    both_states = torch.cat([states, states.gather(1, places_from_end)])  # (2N, L)
    paths = sum_paths(torch.cat([emitted, turn(emitted)], 1), both_states)  # (T', 2N, L + 2)
    before, after = paths[:, :clips, 2:], turn(paths[:, clips:, 2:])  # (T', N, L) each, up to a step and from it on
    end = paths[:, :clips].gather(0, (lengths - 1)[None, :, None].expand(1, clips, shape[2] + 2))[0]  # (N, L + 2)
    log_p = end.gather(1, torch.cat([last + 2, last + 1], 1)).logsumexp(1)  # (N,) in the last blank or the last label
    inside = (step < lengths)[:, :, None] & (place <= last)  # (T', N, L)
    shares = (before + after - emitted - log_p[:, None]).exp().masked_fill(~inside, 0.0)  # of the paths, by state
    gradient = torch.zeros_like(log_probs).scatter_add_(2, states.expand(shape), -shares)
    return (-log_p).masked_fill(log_p < IMPOSSIBLE / 2, torch.inf), gradient


def sum_paths(emitted: Tensor, states: Tensor) -> Tensor:
    """The logarithm of the probability of all paths that lead to a state at a step.

    Args:
        emitted: the logarithms of the states' probabilities, (T', N, L).
        states: their classes, (N, L).

    Returns:
        (T', N, L + 2), after two columns of no probability.
    """
    paths = emitted.new_full((*emitted.shape[:2], emitted.shape[2] + 2), IMPOSSIBLE)
    paths[0, :, 2:4] = emitted[0, :, :2]
    # A blank may be left out between two labels that differ.
    differs = (states[:, 2:] != states[:, :-2]) & (states[:, 2:] != 0)  # (N, L - 2)
    leaps = emitted.new_full(states.shape, IMPOSSIBLE)
    leaps[:, 2:].masked_fill_(differs, 0.0)
    for t in range(1, len(emitted)):
        old = paths[t - 1]
        reached = torch.logaddexp(torch.logaddexp(old[:, 2:], old[:, 1:-1]), old[:, :-2] + leaps)
        paths[t, :, 2:] = reached + emitted[t]
    return paths
