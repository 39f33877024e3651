"""What can be asked of a heat map; knows nothing of PyTorch, so that a request is checked before that is loaded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from evaluation.inference.reading import ReadingError
from modules.stages import LAYERS
from utils.text import did_you_mean
from utils.unicode import to_nfc

METHODS = ("contrast", "gradcam", "gradcam++")
"""See `evaluation.heat.gradcam`. The first is the default: the others give a channel one weight for the whole frame,
which in the early layers, the only ones fine enough to tell a hand from a head, hardly says where in the frame."""

HYPOTHESIS, REFERENCE, GLOSS = "hypothesis", "reference", "gloss:"


@dataclass(frozen=True)
class HeatRequest:
    """Whose heat is drawn.

    Attributes:
        layer: one of `LAYERS`; a network has some of them.
        target: "hypothesis", the glosses that the network read; "reference", those that were signed; or "gloss:NAME".
        method: one of `METHODS`.

    Raises:
        ReadingError: a layer, target or method that there is not.
    """

    layer: str = "layer1"
    target: str = HYPOTHESIS
    method: str = METHODS[0]

    def __post_init__(self) -> None:
        _check_choice("layer", self.layer, LAYERS)
        _check_choice("method", self.method, METHODS)
        if self.gloss is None:
            _check_choice("target", self.target, (HYPOTHESIS, REFERENCE, f"{GLOSS}NAME"))

    def check_layer(self, layers: Sequence[str]) -> None:
        """Raise ReadingError if the layer is not among these, the layers of the network."""
        if self.layer not in layers:
            raise ReadingError(f"this network has no layer {self.layer}: choose one of {', '.join(layers)}")

    @property
    def gloss(self) -> str | None:
        """NAME of "gloss:NAME"; None of another target."""
        return to_nfc(self.target.removeprefix(GLOSS)) if self.target.startswith(GLOSS) else None


@dataclass(frozen=True)
class ClipChoice:
    """Which clip: a video, or a clip of a prepared corpus.

    Attributes:
        video: a video file or a folder of images.
        dataset: the corpus, where there is no video.
        split: the corpus's split.
        clip: the clip's id, or its number in the split, from 0.
        config: a configuration file that says where the corpus is; else the checkpoint's own counts.
        allow_truncated: whether to take what is there of a video that is cut short or damaged.
    """

    video: Path | None = None
    dataset: str = ""
    split: str = "dev"
    clip: str = "0"
    config: str | None = None
    allow_truncated: bool = False


def suggest_names(name: str, choices: Sequence[str]) -> str:
    """Ask whether names like `name` were meant: up to three, for glosses and clips often differ in a letter only."""
    return did_you_mean(name, choices, most=3, cutoff=0.4)


def _check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        hint = suggest_names(value, choices)
        raise ReadingError(f"{name} is {value!r}: choose one of {', '.join(choices)}{hint}")
