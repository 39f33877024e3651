"""The network gives the numbers of the published one: `tests/data/parity`, described in its README."""

import json

import numpy as np
import pytest
import torch

from modules.losses import SLRCriterion
from slr_network import SLRModel
from tests.data.parity.reference_weights import fill, tensor_values, video
from tests.helpers.paths import PARITY
from tests.helpers.processes import two_threads
from utils.checkpoint import load_weights

CLASSES = 40
HEADS = ("conv_logits", "sequence_logits", "aux_logits_0", "aux_logits_1", "aux_logits_2")


def network(backbone: str, seed: int, mask_padding: bool, dropout: float = 0.3) -> SLRModel:
    model = SLRModel(CLASSES, backbone, mask_padding=mask_padding, dropout=dropout)
    model.load_state_dict(fill(model.state_dict(), seed))
    return model


def clips(padded: list[int], seed: int) -> torch.Tensor:
    """Clips of these padded lengths; frames after a shorter one's end repeat its last frame."""
    frames = torch.from_numpy(video(len(padded), max(padded), seed=seed))
    for b, length in enumerate(padded):
        frames[b, length:] = frames[b, length - 1]
    return frames


def heads(output) -> dict[str, np.ndarray]:
    logits = (output.conv_logits, output.sequence_logits, *output.scale_logits)
    return {name: value.detach().numpy() for name, value in zip(HEADS, logits, strict=True)}


def relative(value, expected) -> float:
    return float(np.abs(value - expected).max() / np.abs(expected).max())


@pytest.mark.parametrize(
    ("name", "backbone", "seed", "padded", "real", "mask_padding"),
    [
        ("expected_eval_resnet34_b1", "resnet34", 1, [32], [20], True),
        ("expected_eval_resnet34_b1", "resnet34", 1, [32], [20], False),
        ("expected_eval_resnet18_b2_unmasked", "resnet18", 2, [32, 24], [20, 12], False),
    ],
)
def test_evaluation(name, backbone, seed, padded, real, mask_padding):
    expected = np.load(PARITY / f"{name}.npz")
    model = network(backbone, seed, mask_padding).eval()
    with torch.inference_mode():
        output = model(clips(padded, seed), torch.tensor(real), with_scales=True)
    assert output.lengths.tolist() == expected["feat_len"].tolist()
    for head, value in heads(output).items():
        assert relative(value, expected[head]) < 1e-4, head


@pytest.mark.parametrize(
    ("name", "seed", "padded", "real", "mask_padding", "labels"),
    [
        ("expected_train_resnet18_b2", 3, [32, 32], [20, 20], True, [[3, 7], [7, 21, 39, 5]]),
        ("expected_train_resnet18_b2_unequal_unmasked", 4, [40, 28], [28, 16], False, [[3, 7, 7], [12, 5]]),
    ],
)
def test_training(name, seed, padded, real, mask_padding, labels):
    """Outputs, losses, every gradient and the running statistics of one step, in float64."""
    expected = np.load(PARITY / f"{name}.npz")
    model = network("resnet18", seed, mask_padding, dropout=0.0).double().train()
    output = model(clips(padded, seed).double(), torch.tensor(real))
    criterion = SLRCriterion({"SeqCTC": 1.0, "ConvCTC": 1.0, "AuxCTC": 1.0, "Dist": 25.0}, mask_padding)
    targets = torch.tensor([token for label in labels for token in label])
    target_lengths = torch.tensor([len(label) for label in labels])
    terms = criterion(output, targets, target_lengths)
    terms["total"].backward()

    assert output.lengths.tolist() == expected["feat_len"].tolist()
    for head, value in heads(output).items():
        assert relative(value, expected[head]) < 1e-9, head
    published = {"SeqCTC": "seq_ctc", "ConvCTC": "conv_ctc", "Dist": "dist", "total": "total"}
    published |= {f"AuxCTC{i + 1}": f"aux_ctc_{i}" for i in range(3)}
    for term, loss in published.items():
        assert terms[term].item() == pytest.approx(float(expected[f"loss_{loss}"]), rel=1e-9), term
    gradients = {key: parameter.grad for key, parameter in model.named_parameters()}
    assert set(gradients) == set(expected["grad_names"].tolist())
    for key, norm in zip(expected["grad_names"], expected["grad_norms"], strict=True):
        assert gradients[key].norm().item() == pytest.approx(norm, rel=1e-9, abs=1e-9), key
    assert relative(gradients["conv2d.conv1.weight"].numpy(), expected["grad_conv1"]) < 1e-9
    assert relative(model.conv2d.bn1.running_mean.numpy(), expected["bn1_running_mean"]) < 1e-9
    assert relative(model.conv2d.bn1.running_var.numpy(), expected["bn1_running_var"]) < 1e-9


def test_training_losses_in_float32():
    expected = np.load(PARITY / "expected_train_resnet18_b2.npz")
    model = network("resnet18", 3, True, dropout=0.0).train()
    with torch.no_grad(), two_threads():
        output = model(clips([32, 32], 3), torch.tensor([20, 20]))
    criterion = SLRCriterion({"SeqCTC": 1.0, "ConvCTC": 1.0, "AuxCTC": 1.0, "Dist": 25.0})
    terms = criterion(output, torch.tensor([3, 7, 7, 21, 39, 5]), torch.tensor([2, 4]))
    assert terms["total"].item() == pytest.approx(float(expected["loss_total"]), rel=1e-5)


@pytest.mark.parametrize("backbone", ["resnet18", "resnet34"])
def test_published_weights_load(backbone):
    """Names and shapes of the published file, with V = 40: every weight of the network comes from it."""
    shapes = json.loads((PARITY / f"published_state_dict_{backbone}.json").read_text())
    shapes = {name: tuple(CLASSES if size == 1296 else size for size in shape) for name, shape in shapes.items()}
    published = {name: torch.from_numpy(tensor_values(name, shape, 9)) for name, shape in shapes.items()}
    model = SLRModel(CLASSES, backbone)
    parallel = {name.replace("conv2d.", "conv2d.module."): weight for name, weight in published.items()}
    load_weights(model, {"model_state_dict": parallel})
    own = model.state_dict()
    assert set(own) <= set(published)
    for name, weight in own.items():
        assert torch.equal(weight, published[name]), name
    left = {name.split(".")[1] for name in set(published) - set(own)}
    assert left == {"con1", "fc"}  # HFEAM.con1, unused, and conv1d.fc, the second name of the classifier
