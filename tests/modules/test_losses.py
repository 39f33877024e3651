import math
from dataclasses import replace

import pytest
import torch

from modules.ctc import ctc
from modules.losses import SLRCriterion, distillation
from modules.output import LiftNorms, SLROutput


def logits_of(probabilities: list[list[float]]) -> torch.Tensor:
    """(T', 1, V) logits whose softmax is the given rows."""
    return torch.tensor(probabilities, dtype=torch.float64).log()[:, None]


def test_ctc_by_hand():
    """Two steps, label A: paths A A, A blank, blank A."""
    logits = logits_of([[0.5, 0.3, 0.2], [0.1, 0.6, 0.3]])
    loss = ctc([logits], torch.tensor([1]), torch.tensor([2]), torch.tensor([1]))
    assert loss.item() == pytest.approx(-math.log(0.3 * 0.6 + 0.3 * 0.1 + 0.5 * 0.6))


def test_ctc_is_the_mean_of_clips_and_not_of_their_labels():
    one = logits_of([[0.5, 0.3, 0.2], [0.1, 0.6, 0.3]])
    both = torch.cat([one, one], dim=1)
    loss = ctc([both], torch.tensor([1, 1, 2]), torch.tensor([2, 2]), torch.tensor([1, 2]))
    assert loss.item() == pytest.approx((-math.log(0.51) - math.log(0.3 * 0.3)) / 2)


def test_ctc_of_a_clip_too_short_is_infinite():
    loss = ctc([torch.zeros(2, 1, 3)], torch.tensor([1, 1]), torch.tensor([2]), torch.tensor([2]))
    assert loss.item() == math.inf


def test_distillation_by_hand():
    """Two glosses, temperature 8: KL of the softened distributions without the blank, times 64."""
    student = torch.tensor([[[9.0, 0.0, 8.0]]], dtype=torch.float64)
    teacher = torch.tensor([[[-3.0, 8.0, 0.0]]], dtype=torch.float64)
    p = 1 / (1 + math.exp(-1))  # softmax of (1, 0)
    expected = 64 * (p * math.log(p / (1 - p)) + (1 - p) * math.log((1 - p) / p))
    assert distillation(student, teacher, None).item() == pytest.approx(expected)


def test_distillation_teaches_the_student_alone():
    student, teacher = (torch.randn(3, 2, 4, requires_grad=True) for _ in range(2))
    distillation(student, teacher, None).backward()
    assert student.grad.abs().sum() > 0
    assert teacher.grad is None


def test_distillation_leaves_padding_out_only_if_told():
    generator = torch.Generator().manual_seed(0)
    student, teacher = (torch.randn(4, 2, 5, generator=generator, dtype=torch.float64) for _ in range(2))
    first = distillation(student[:, :1], teacher[:, :1], None)
    second = distillation(student[:3, 1:], teacher[:3, 1:], None)
    masked = distillation(student, teacher, torch.tensor([4, 3]))
    assert masked.item() == pytest.approx((first.item() * 4 + second.item() * 3) / 7)
    assert distillation(student, teacher, None).item() != pytest.approx(masked.item())


def test_half_precision_is_summed_in_float32():
    logits = torch.randn(6, 1, 3, generator=torch.Generator().manual_seed(0)).bfloat16()
    loss = ctc([logits], torch.tensor([1]), torch.tensor([6]), torch.tensor([1]))
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(
        ctc([logits.double()], torch.tensor([1]), torch.tensor([6]), torch.tensor([1])).item(), rel=1e-5
    )


def inputs() -> tuple[SLROutput, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(3)
    heads = [torch.randn(5, 2, 4, generator=generator) for _ in range(5)]
    lengths, targets, target_lengths = torch.tensor([5, 4]), torch.tensor([1, 2, 3]), torch.tensor([2, 1])
    return SLROutput(heads[0], heads[1], tuple(heads[2:]), lengths), targets, target_lengths


def test_the_total_is_the_weighted_sum():
    terms = SLRCriterion({"SeqCTC": 1.0, "ConvCTC": 2.0, "AuxCTC": 0.5, "Dist": 25.0})(*inputs())
    assert set(terms) == {"SeqCTC", "ConvCTC", "AuxCTC1", "AuxCTC2", "AuxCTC3", "Dist", "total"}
    auxiliary = terms["AuxCTC1"] + terms["AuxCTC2"] + terms["AuxCTC3"]
    expected = terms["SeqCTC"] + 2 * terms["ConvCTC"] + 0.5 * auxiliary + 25 * terms["Dist"]
    assert terms["total"].item() == pytest.approx(expected.item(), rel=1e-6)


def test_the_norms_of_lift_pooling_are_terms_of_their_own():
    output, *labels = inputs()
    output = replace(output, lift_norms=LiftNorms(torch.tensor(3.0), torch.tensor(5.0)))
    plain = SLRCriterion({"SeqCTC": 1.0})(output, *labels)
    terms = SLRCriterion({"SeqCTC": 1.0, "Cu": 0.001, "Cp": 0.01})(output, *labels)
    assert (terms["Cu"].item(), terms["Cp"].item()) == (3.0, 5.0)
    assert terms["total"].item() == pytest.approx(plain["total"].item() + 0.003 + 0.05, rel=1e-6)
    assert set(SLRCriterion({"SeqCTC": 1.0, "Cp": 0.01})(output, *labels)) == {"SeqCTC", "Cp", "total"}


def test_a_term_without_weight_is_left_out():
    assert set(SLRCriterion({"SeqCTC": 1.0})(*inputs())) == {"SeqCTC", "total"}


def test_errors():
    with pytest.raises(ValueError, match="SeqCTX"):
        SLRCriterion({"SeqCTX": 1.0})
    output, *labels = inputs()
    with pytest.raises(ValueError, match="evaluation mode"):
        SLRCriterion({"AuxCTC": 1.0})(replace(output, scale_logits=None), *labels)
    with pytest.raises(ValueError, match="no lift pooling"):
        SLRCriterion({"Cp": 0.1})(output, *labels)
