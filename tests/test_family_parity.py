"""VAC, TLP and CorrNet give the numbers of their published networks: `tests/data/parity`, described in its README."""

from __future__ import annotations

import ast

import numpy as np
import pytest
import torch

from slr_network import SLRModel
from tests.data.parity.reference_weights import fill, video
from tests.helpers.family import criterion_of, published_system
from tests.helpers.paths import PARITY
from utils.temporal import TemporalSpec

SPEC = TemporalSpec()


class Published:
    """What a published network gave: the arrays of a file, and the clips and the network that they came from."""

    def __init__(self, name: str) -> None:
        self.arrays = np.load(PARITY / f"expected_{name}.npz")
        self.system = name.split("_", maxsplit=1)[0]
        self.padded = self.arrays["T"].tolist()
        self.real = torch.tensor([length - 2 * SPEC.edge for length in self.padded])
        self.seed = int(self.arrays["seed"])

    def network(self, mask_padding: bool) -> SLRModel:
        """The network with the weights of the seed, in float32."""
        model = published_system(self.system, int(self.arrays["V"]), mask_padding=mask_padding, dropout=0.0)
        model.load_state_dict(fill(model.state_dict(), self.seed))
        return model

    def clips(self) -> torch.Tensor:
        """The clips, (B, T, 3, 224, 224) float32; frames after a shorter one's end repeat its last frame."""
        frames = torch.from_numpy(video(len(self.padded), max(self.padded), seed=self.seed))
        for b, length in enumerate(self.padded):
            frames[b, length:] = frames[b, length - 1]
        return frames

    def labels(self) -> tuple[torch.Tensor, torch.Tensor]:
        """The labels of the clips, one clip's after the other's, and their numbers."""
        labels = ast.literal_eval(str(self.arrays["labels"]))
        return torch.tensor([token for label in labels for token in label]), torch.tensor([len(x) for x in labels])

    def check(self, name: str, value: torch.Tensor, tolerance: float) -> None:
        """Compare with an array, relative to its largest value."""
        expected = self.arrays[name]
        assert value.shape == expected.shape
        assert np.abs(value.detach().numpy() - expected).max() < tolerance * np.abs(expected).max(), name


@pytest.mark.parametrize("system", ["vac", "tlp", "corrnet"])
def test_evaluation(system):
    published = Published(f"{system}_eval_b1")
    model = published.network(mask_padding=True).eval()
    with torch.inference_mode():
        output = model(published.clips(), published.real)
    assert output.lengths.tolist() == published.arrays["feat_len"].tolist()
    for head in ("sequence_logits", "conv_logits"):
        published.check(head, getattr(output, head), 1e-4)


@pytest.mark.parametrize(
    ("name", "mask_padding"),
    [
        ("vac_train_b2", True),
        ("tlp_train_b2", True),
        ("corrnet_train_b2", True),
        ("corrnet_train_b2_unequal_unmasked", False),
    ],
)
def test_training(name, mask_padding):
    """Outputs, every loss and every gradient of one step, in float64."""
    published = Published(name)
    arrays = published.arrays
    model = published.network(mask_padding).double().train()
    output = model(published.clips().double(), published.real)
    terms = criterion_of(published.system, mask_padding)(output, *published.labels())
    terms["total"].backward()

    assert output.lengths.tolist() == arrays["feat_len"].tolist()
    for head in ("sequence_logits", "conv_logits"):
        published.check(head, getattr(output, head), 1e-9)
    assert {f"loss_{term}" for term in terms} == {array for array in arrays if array.startswith("loss_")}
    for term, loss in terms.items():
        assert loss.item() == pytest.approx(float(arrays[f"loss_{term}"]), rel=1e-9), term
    gradients = {key: parameter.grad for key, parameter in model.named_parameters()}
    assert set(gradients) == set(arrays["grad_names"].tolist())
    for key, norm in zip(arrays["grad_names"], arrays["grad_norms"], strict=True):
        assert gradients[key].norm().item() == pytest.approx(norm, rel=1e-9, abs=1e-9), key
    if published.system == "corrnet":
        published.check("grad_corr1_down_conv2", gradients["conv2d.corr1.down_conv2.weight"][:, :8], 1e-9)
        published.check("grad_alpha", gradients["conv2d.alpha"], 1e-9)
