"""The published networks' numbers in `tests/data/parity`, whose README describes them, and the networks that gave them.

`tests/test_parity.py` and `tests/test_family_parity.py` compare with them on the CPU.
"""

from __future__ import annotations

import ast
import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from modules.losses import SLRCriterion
from slr_network import SLRModel
from utils.environment import ROOT
from utils.errors import InputError
from utils.temporal import TemporalSpec

FOLDER = ROOT / "tests/data/parity"
MSTFNET: Mapping[str, Any] = {"backbone": "resnet18"}
VAC: Mapping[str, Any] = {
    "backbone": "resnet18", "fusion": "none", "pooling": "max", "hfam": False, "weight_norm": False,
    "share_classifier": False,
}  # fmt: skip
NETWORKS: Mapping[str, Mapping[str, Any]] = {
    "mstfnet": MSTFNET,
    "vac": VAC,
    "tlp": {**VAC, "pooling": "lift"},
    "corrnet": {**VAC, "weight_norm": True, "share_classifier": True, "fusion": "correlation"},
}
"""Each system -> its switches, as its file in `config/systems` has them; a test compares the two."""
LOSSES: Mapping[str, Mapping[str, float]] = {
    "mstfnet": {"SeqCTC": 1.0, "ConvCTC": 1.0, "AuxCTC": 1.0, "Dist": 25.0},
    "vac": {"SeqCTC": 1.0, "ConvCTC": 1.0, "Dist": 25.0},
    "tlp": {"SeqCTC": 1.0, "ConvCTC": 1.0, "Dist": 25.0, "Cu": 0.001, "Cp": 0.001},
    "corrnet": {"SeqCTC": 1.0, "ConvCTC": 1.0, "Dist": 25.0},
}
"""Each system -> the weights of its losses."""


@dataclass(frozen=True)
class Fixture:
    """A file of expected numbers.

    Attributes:
        name: the file's name without "expected_".
        padded: the padded frames of each clip; None where the file says it, as it then says seed and labels.
        seed: the seed of weights and clips.
        labels: the labels of each clip.
        masked: whether padding is masked.
        switches: what differs from the system's network in `NETWORKS`.
    """

    name: str
    padded: tuple[int, ...] = ()
    seed: int = 0
    labels: tuple[tuple[int, ...], ...] = ()
    masked: bool = True
    switches: Mapping[str, Any] = field(default_factory=dict)

    @property
    def system(self) -> str:
        """The system of its network."""
        first = self.name.split("_", maxsplit=1)[0]
        return first if first in NETWORKS else "mstfnet"


_EVALUATION = (
    Fixture("eval_resnet34_b1", (32,), 1, switches={"backbone": "resnet34"}),
    Fixture("eval_resnet18_b2_unmasked", (32, 24), 2, masked=False),
    Fixture("vac_eval_b1"), Fixture("tlp_eval_b1"), Fixture("corrnet_eval_b1"),
)  # fmt: skip
_TRAINING = (
    Fixture("train_resnet18_b2", (32, 32), 3, ((3, 7), (7, 21, 39, 5))),
    Fixture("train_resnet18_b2_unequal_unmasked", (40, 28), 4, ((3, 7, 7), (12, 5)), masked=False),
    Fixture("vac_train_b2"), Fixture("tlp_train_b2"), Fixture("corrnet_train_b2"),
    Fixture("corrnet_train_b2_unequal_unmasked", masked=False),
)  # fmt: skip
FIXTURES = {"evaluation": _EVALUATION, "training": _TRAINING}


@dataclass(frozen=True)
class Expected:
    """What a published network gave, and what it was given.

    Attributes:
        arrays: the arrays of the file.
        model: the network in float32, on the CPU.
        criterion: the loss of its system.
        video: the clips, (B, T, 3, 224, 224) float32.
        lengths: their real frames, (B,).
        targets: the labels, one clip's after the other's; of training.
        target_lengths: the number of labels of each clip, (B,).
    """

    arrays: Mapping[str, np.ndarray]
    model: SLRModel
    criterion: SLRCriterion
    video: Tensor
    lengths: Tensor
    targets: Tensor
    target_lengths: Tensor


@cache
def _reference_weights() -> ModuleType:
    """The program beside the numbers that makes weights and clips from seeds.

    Raises:
        InputError: this copy of the project has no tests.
    """
    path = FOLDER / "reference_weights.py"
    spec = importlib.util.spec_from_file_location("reference_weights", path)
    if not path.exists() or spec is None or spec.loader is None:
        raise InputError(f"there is no {path}: take a whole clone of the project, with its tests")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def load_expected(fixture: Fixture) -> Expected:
    """Read a file, and rebuild the network and the clips that its numbers came from.

    Raises:
        InputError: this copy of the project has no tests.
    """
    reference = _reference_weights()
    with np.load(FOLDER / f"expected_{fixture.name}.npz") as file:
        arrays = dict(file)
    told = "T" in arrays
    padded = arrays["T"].tolist() if told else list(fixture.padded)
    seed = int(arrays["seed"]) if told else fixture.seed
    labels = ast.literal_eval(str(arrays["labels"])) if "labels" in arrays else fixture.labels
    classes = int(arrays["V"]) if told else 40
    switches = {**NETWORKS[fixture.system], **fixture.switches}
    model = SLRModel(classes, **switches, mask_padding=fixture.masked, dropout=0.0)
    model.load_state_dict(reference.fill(model.state_dict(), seed))
    video = torch.from_numpy(reference.video(len(padded), max(padded), seed=seed))
    for b, length in enumerate(padded):
        video[b, length:] = video[b, length - 1]
    return Expected(
        arrays,
        model,
        SLRCriterion(LOSSES[fixture.system], fixture.masked),
        video,
        torch.tensor([length - 2 * TemporalSpec().edge for length in padded]),
        torch.tensor([label for of_clip in labels for label in of_clip]),
        torch.tensor([len(of_clip) for of_clip in labels]),
    )
