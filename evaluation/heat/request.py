"""What can be asked of a heat map; knows nothing of PyTorch, so that the command line can ask it at once."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from modules.stages import LAYERS
from utils.errors import InputError

METHODS = ("contrast", "gradcam", "gradcam++")
"""See `evaluation.heat.gradcam`."""

HYPOTHESIS, REFERENCE, GLOSS = "hypothesis", "reference", "gloss:"


class CamError(InputError, ValueError):
    """A heat map that cannot be drawn."""


@dataclass(frozen=True)
class HeatRequest:
    """Whose heat is drawn.

    Attributes:
        layer: one of `LAYERS`.
        target: "hypothesis", the glosses that the network read; "reference", those that were signed; or "gloss:NAME".
        method: one of `METHODS`.

    Raises:
        CamError: none of these.
    """

    layer: str = "layer1"
    target: str = HYPOTHESIS
    method: str = METHODS[0]

    def __post_init__(self) -> None:
        _check("layer", self.layer, LAYERS)
        _check("method", self.method, METHODS)
        if self.gloss is None:
            _check("target", self.target, (HYPOTHESIS, REFERENCE, f"{GLOSS}NAME"))

    @property
    def gloss(self) -> str | None:
        """NAME of "gloss:NAME"."""
        return self.target.removeprefix(GLOSS) if self.target.startswith(GLOSS) else None


@dataclass(frozen=True)
class Source:
    """Which clip: a video, or one of a prepared corpus.

    Attributes:
        video: a file or a folder of images.
        dataset: without a video, the corpus.
        split: its part.
        clip: the clip's id, or its number in the split, from 0.
        config: a configuration file that says where the corpus is; else the checkpoint's own counts.
    """

    video: Path | None = None
    dataset: str = ""
    split: str = "dev"
    clip: str = "0"
    config: str | None = None


def _check(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise CamError(f"{name} is {value!r}: choose one of {', '.join(choices)}{nearest(value, choices)}")


def nearest(name: str, choices: Iterable[str]) -> str:
    """ "; the nearest are A, B, C", at most three of `choices`, or nothing."""
    near = difflib.get_close_matches(name, list(choices), n=3, cutoff=0.4)
    return f"; the nearest {'is' if len(near) == 1 else 'are'} {', '.join(near)}" if near else ""
