"""CTC as devices without PyTorch's own compute it, against PyTorch's own on the CPU."""

import pytest
import torch
import torch.nn.functional as F

from modules.ctc import CTCLoss, ctc, pad_labels

V = 5


def clips(labels: list[list[int]]) -> tuple[torch.Tensor, torch.Tensor]:
    """The labels one clip's after the other's, and how many each clip has."""
    return torch.tensor([label for own in labels for label in own], dtype=torch.long), torch.tensor(
        list(map(len, labels))
    )


@pytest.mark.parametrize(
    ("lengths", "labels"),
    [
        ([9], [[1, 2, 3]]),
        ([9, 4, 1, 7], [[1, 1, 2, 2], [3, 4], [2], [1, 2, 1, 2]]),
        ([6, 9, 2], [[], [4, 4, 4, 4], []]),
        ([3, 5], [[], []]),
    ],
    ids=["one clip", "repeated glosses", "no glosses in some", "no glosses"],
)
@pytest.mark.parametrize(("dtype", "close"), [(torch.float64, 1e-12), (torch.float32, 2e-6)])
def test_losses_and_gradients_are_those_of_pytorch(lengths, labels, dtype, close):
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(max(lengths), len(lengths), V, generator=generator, dtype=dtype).mul(3).requires_grad_()
    log_probs, (targets, counts) = logits.log_softmax(-1), clips(labels)
    expected = F.ctc_loss(log_probs, targets, torch.tensor(lengths), counts, reduction="none")
    losses = CTCLoss.apply(log_probs, pad_labels(targets, counts), torch.tensor(lengths), counts)
    torch.testing.assert_close(losses, expected, rtol=close, atol=close)
    weights = torch.arange(1.0, len(lengths) + 1, dtype=dtype)
    (by_pytorch,) = torch.autograd.grad(expected @ weights, logits, retain_graph=True)
    (gradient,) = torch.autograd.grad(losses @ weights, logits)
    torch.testing.assert_close(gradient, by_pytorch, rtol=10 * close, atol=10 * close)
    assert gradient.abs().max() > 0.1


def test_a_clip_too_short_has_an_infinite_loss_and_leaves_the_others_alone():
    log_probs = torch.zeros(3, 2, V).log_softmax(-1)
    targets, counts = clips([[1, 1], [1, 2]])
    losses = CTCLoss.apply(log_probs, pad_labels(targets, counts), torch.tensor([2, 3]), counts)
    assert losses[0] == torch.inf
    assert losses[1] == pytest.approx(-torch.tensor(5 / V**3).log().item())  # 112, 122, -12, 1-2 and 12-
    assert ctc([torch.zeros(3, 2, V)], targets, torch.tensor([2, 3]), counts) == torch.inf


def test_values_that_are_not_numbers_stay_so():
    log_probs = torch.full((3, 1, V), torch.nan)
    assert CTCLoss.apply(log_probs, torch.tensor([[1]]), torch.tensor([3]), torch.tensor([1])).isnan()


def test_every_head_has_the_loss_that_it_has_alone():
    generator = torch.Generator().manual_seed(1)
    heads = [torch.randn(6, 2, V, generator=generator) for _ in range(3)]
    labels = (*clips([[1, 2], [3]]), torch.tensor([6, 4]))
    together = ctc(heads, labels[0], labels[2], labels[1])
    alone = [ctc([head], labels[0], labels[2], labels[1])[0] for head in heads]
    assert torch.equal(together, torch.stack(alone))
