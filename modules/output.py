"""What the network gives and the loss takes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor


class LiftNorms(NamedTuple):
    """How far lift pooling is from losing nothing, summed over the poolings of the network (TLP's losses).

    Attributes:
        update: the 2-norm of `approximation - odd`, over all clips, channels and steps: the term "Cu".
        prediction: the 2-norm of the detail, `odd - prediction`: the term "Cp".
    """

    update: Tensor
    prediction: Tensor

    def add(self, other: LiftNorms) -> LiftNorms:
        """The sums with those of another pooling."""
        return LiftNorms(self.update + other.update, self.prediction + other.prediction)


@dataclass(frozen=True)
class SLROutput:
    """The logits of a batch.

    Attributes:
        sequence_logits: (T', B, V) of the head after the BiLSTM, which is the result.
        conv_logits: (T', B, V) of the head before the BiLSTM.
        scale_logits: three of (T', B, V) from HFAM in training, None in evaluation.
        lengths: output steps of each clip, (B,), on the CPU.
        lift_norms: what lift pooling adds to the loss; None without lift pooling.
    """

    sequence_logits: Tensor
    conv_logits: Tensor
    scale_logits: tuple[Tensor, Tensor, Tensor] | None
    lengths: Tensor
    lift_norms: LiftNorms | None = None
