"""What the network gives and the loss takes."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class SLROutput:
    """The logits of a batch.

    Attributes:
        sequence_logits: (T', B, V) of the head after the BiLSTM, which is the result.
        conv_logits: (T', B, V) of the head before the BiLSTM.
        scale_logits: three of (T', B, V) from HFAM in training, None in evaluation.
        lengths: output steps of each clip, (B,), on the CPU.
    """

    sequence_logits: Tensor
    conv_logits: Tensor
    scale_logits: tuple[Tensor, Tensor, Tensor] | None
    lengths: Tensor
