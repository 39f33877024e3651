"""The training loss: CTC on five heads, a distillation from the sequence head to the convolutional one, and the losses
of lift pooling.

Each system of the family takes some of the terms (`config/systems`).
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from modules.ctc import ctc
from modules.output import SLROutput
from utils.transfer import send

TERMS = ("SeqCTC", "ConvCTC", "AuxCTC", "Dist", "Cu", "Cp")
TEMPERATURE = 8.0
"""It softens both distributions. That divides the gradients by its square, so the loss is multiplied by the square."""


def distillation(student: Tensor, teacher: Tensor, lengths: Tensor | None) -> Tensor:
    """KL(teacher || student) of the softened glosses, blank left out, mean over steps, times temperature squared.

    Args:
        student: the logits (T', B, V) that learn.
        teacher: the logits (T', B, V) that are learnt from; no gradient flows into them.
        lengths: the number of steps of each clip that count, (B,); None counts all T'.
    """
    dtype = torch.promote_types(student.dtype, torch.float32)
    log_p = F.log_softmax(student[..., 1:] / TEMPERATURE, dim=-1, dtype=dtype)
    log_q = F.log_softmax(teacher.detach()[..., 1:] / TEMPERATURE, dim=-1, dtype=dtype)
    divergence = F.kl_div(log_p, log_q, reduction="none", log_target=True).sum(-1)  # (T', B)
    if lengths is None:
        return divergence.mean() * TEMPERATURE**2
    steps = torch.arange(divergence.shape[0], device=divergence.device)[:, None]
    inside = steps < send(lengths, divergence.device)  # (T', B)
    return divergence.masked_fill(~inside, 0.0).sum() / inside.sum() * TEMPERATURE**2


class SLRCriterion(nn.Module):
    """The weighted sum of the loss terms.

    Args:
        weights: the weight of each term by name, "SeqCTC", "ConvCTC", "AuxCTC" (each of the three levels), "Dist", "Cu"
            and "Cp" (see `LiftNorms`); one that is zero or missing leaves the term out.
        mask_padding: whether steps past a clip's end are left out of "Dist".

    Raises:
        ValueError: there is a weight for a term that does not exist.
    """

    def __init__(self, weights: Mapping[str, float], mask_padding: bool = True) -> None:
        super().__init__()
        unknown = sorted(set(weights) - set(TERMS))
        if unknown:
            raise ValueError(f"no loss terms called {unknown}; choose from {list(TERMS)}")
        self.weights = {name: float(weights.get(name, 0.0)) for name in TERMS}
        self.mask_padding = mask_padding

    def forward(self, output: SLROutput, targets: Tensor, target_lengths: Tensor) -> dict[str, Tensor]:
        """Compute the terms, unweighted, by name (AuxCTC as AuxCTC1..3), and their weighted sum, "total".

        Args:
            output: what the network gave for a batch; its scale logits may be None when AuxCTC weighs nothing, its lift
                norms when Cu and Cp do.
            targets: the labels of all clips, one clip's after the other's, (sum of target_lengths,).
            target_lengths: the number of labels of each clip, (B,).

        Raises:
            ValueError: AuxCTC has a weight and there are no scale logits, or Cu or Cp and there are no lift norms.
        """
        if self.weights["AuxCTC"] and output.scale_logits is None:
            raise ValueError(
                "AuxCTC has a weight, but the network gave no scale logits: it has no HFAM, or is in evaluation mode"
            )
        if (self.weights["Cu"] or self.weights["Cp"]) and output.lift_norms is None:
            raise ValueError("Cu or Cp has a weight, but the network has no lift pooling: set both to 0")
        heads = {"SeqCTC": output.sequence_logits, "ConvCTC": output.conv_logits}
        heads |= {f"AuxCTC{i}": logits for i, logits in enumerate(output.scale_logits or (), start=1)}
        heads = {name: logits for name, logits in heads.items() if self.weights[name.rstrip("123")]}
        terms: dict[str, Tensor] = {}
        if heads:
            losses = ctc(list(heads.values()), targets, output.lengths, target_lengths)
            terms = dict(zip(heads, losses, strict=True))
        if self.weights["Dist"]:
            lengths = output.lengths if self.mask_padding else None
            terms["Dist"] = distillation(output.conv_logits, output.sequence_logits, lengths)
        if output.lift_norms is not None:
            norms = {"Cu": output.lift_norms.update, "Cp": output.lift_norms.prediction}
            terms |= {name: norm for name, norm in norms.items() if self.weights[name]}
        weighted = [self.weights[name.rstrip("123")] * term for name, term in terms.items()]
        terms["total"] = sum(weighted, start=torch.zeros((), device=output.sequence_logits.device))
        return terms
