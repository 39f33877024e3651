"""The systems of the family: the switches of the network, and the losses, of each published one."""

from __future__ import annotations

from typing import Any

from modules.losses import SLRCriterion
from slr_network import SLRModel
from tests.helpers.network import enliven, tiny_network

LINEAR = {"weight_norm": False, "share_classifier": False}
PLAIN = {"fusion": "none", "pooling": "max", "hfam": False}
NETWORKS: dict[str, dict[str, Any]] = {
    "vac": PLAIN | LINEAR,
    "smkd": PLAIN,
    "tlp": PLAIN | LINEAR | {"pooling": "lift"},
    "corrnet": PLAIN | {"fusion": "correlation"},
    "mstfnet": {},
}
"""What each system's `SLRModel` has otherwise than MSTFNet, but the backbone."""

CTC = {"SeqCTC": 1.0, "ConvCTC": 1.0}
LOSSES: dict[str, dict[str, float]] = {
    "vac": CTC | {"Dist": 25.0},
    "smkd": CTC,
    "tlp": CTC | {"Dist": 25.0, "Cu": 0.001, "Cp": 0.001},
    "corrnet": CTC | {"Dist": 25.0},
    "mstfnet": CTC | {"AuxCTC": 1.0, "Dist": 25.0},
}
"""The weights of each system's losses."""

SYSTEMS = list(NETWORKS)


def tiny_system(system: str, num_classes: int = 5, **changes: Any) -> SLRModel:
    """A small network of a system, of which every part counts."""
    return enliven(tiny_network(num_classes, **NETWORKS[system] | {"dropout": 0.0} | changes))


def criterion_of(system: str, mask_padding: bool = True) -> SLRCriterion:
    """The loss that a system is trained with."""
    return SLRCriterion(LOSSES[system], mask_padding)
