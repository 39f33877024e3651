"""The heat of a clip: what the network read, and where in which frames it found it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from dataset.vocabulary import Vocabulary
from evaluation.ctc.forced_alignment import Span, force_align
from evaluation.heat.clip import ShownClip
from evaluation.heat.gradcam import Recording, record
from evaluation.heat.request import REFERENCE, CamError, HeatRequest, nearest
from evaluation.inference.recogniser import Recogniser, TorchNetwork

BRIGHTEST = 99.5
"""Percentile of the heat above zero that is shown as hot: a few outstanding places must not make all else cold."""


@dataclass(frozen=True)
class HeatMap:
    """What the network saw in a clip of T frames.

    Attributes:
        heat: (T, h, w) from 0, cold, to 1, on one scale a gloss for the whole clip: frames without evidence for their
            gloss are cold.
        glosses: with the frames (first, last + 1) in which they are signed, in order.
        recognised: what the network read.
        about: whose heat it is, in a few words.
    """

    heat: np.ndarray
    glosses: tuple[tuple[str, Span], ...]
    recognised: tuple[str, ...]
    about: str


def explain(recogniser: Recogniser, clip: ShownClip, request: HeatRequest) -> HeatMap:
    """The heat of a clip.

    The score is a gloss's logit at the output steps that forced alignment gives it. For a hypothesis or a reference
    each frame shows the heat of the gloss signed in it, and frames between two glosses that of the nearer one; for one
    gloss all frames show its own.

    Raises:
        CamError: the request does not fit the clip or the network.
        RecognitionError: the network's output is not finite.
    """
    if not isinstance(recogniser.network, TorchNetwork):
        raise CamError("heat maps need gradients: name the checkpoint, not what was exported from it")
    check(recogniser.vocabulary, clip, request)
    recognised = recogniser.recognise(clip.frames).glosses
    model = recogniser.network.model
    recording = record(model, recogniser.network.batch(recogniser.crop(clip.frames)), request.layer)
    posteriors = recording.logits.detach().softmax(-1).cpu().numpy()  # (T', V)
    shown = clip.signed if request.target == REFERENCE and clip.signed is not None else recognised
    if not shown and request.gloss is None:
        raise CamError("the network read no gloss in this clip: name one (--target gloss:NAME)")
    spans = align(posteriors, recogniser.vocabulary, shown)
    frames, stride = len(recording.maps), model.spec.stride
    if request.gloss is None:
        heat = combined(recording, recogniser.vocabulary.encode(shown), spans, stride, request.method)
        about = request.target
    else:
        token, own = locate(posteriors, recogniser.vocabulary, request.gloss, shown, spans)
        heat = scaled(np.sum([recording.heat(token, steps, request.method) for steps in own], axis=0))
        about = f"gloss {request.gloss}"
        if request.gloss not in shown:
            about += f" (not read; most probable at frame {own[0][0] * stride})"
    glosses = tuple((gloss, (a * stride, min(b * stride, frames))) for gloss, (a, b) in zip(shown, spans, strict=True))
    return HeatMap(heat, glosses, recognised, f"heat of the {about}, {request.layer}, {request.method}")


def check(vocabulary: Vocabulary, clip: ShownClip, request: HeatRequest) -> None:
    """Raise CamError, before anything is computed, for a target that the clip or the network does not know."""
    if request.target == REFERENCE and clip.signed is None:
        raise CamError(
            "target reference needs to know what was signed, which a video does not say: name a clip of a prepared "
            "corpus (--dataset, --split, --select_id), or take target hypothesis"
        )
    wanted = clip.signed or () if request.target == REFERENCE else ()
    for gloss in wanted if request.gloss is None else [request.gloss]:
        if gloss not in vocabulary:
            raise CamError(
                f"{gloss!r} is not among the {len(vocabulary)} glosses of {vocabulary.source}"
                f"{nearest(gloss, vocabulary.glosses)}"
            )


def align(posteriors: np.ndarray, vocabulary: Vocabulary, glosses: Sequence[str]) -> list[Span]:
    """The output steps (first, last + 1) of each gloss in posteriors (T', V)."""
    tokens = vocabulary.encode(glosses)
    try:
        return force_align(posteriors, tokens)
    except ValueError as error:
        raise CamError(f"the clip is too short for {' '.join(glosses)}: {error}") from error


def locate(
    posteriors: np.ndarray, vocabulary: Vocabulary, gloss: str, glosses: Sequence[str], spans: Sequence[Span]
) -> tuple[int, list[Span]]:
    """The class of a gloss and the steps it is at: wherever it was read, else the one where it is most probable."""
    (token,) = vocabulary.encode([gloss])
    own = [span for other, span in zip(glosses, spans, strict=True) if other == gloss]
    best = int(posteriors[:, token].argmax())
    return token, own or [(best, best + 1)]


def combined(
    recording: Recording, tokens: Sequence[int], spans: Sequence[Span], stride: int, method: str
) -> np.ndarray:
    """The heat (T, h, w) of a sequence: each frame has that of the token in it, or of the one nearest to it.

    The heat of each token is `scaled` by itself, over all frames: what is hot for a gloss need not be for another, but
    if a gloss was told from its neighbours' frames, its own are cold.

    Args:
        recording: of the clip.
        tokens: classes.
        spans: their output steps.
        stride: frames an output step.
        method: as for `Recording.heat`.
    """
    frames = len(recording.maps)
    heat = np.zeros((frames, *recording.maps.shape[2:]), np.float32)
    middles = [(a[1] + b[0]) * stride // 2 for a, b in pairwise(spans)]
    for token, steps, first, end in zip(tokens, spans, [0, *middles], [*middles, frames], strict=True):
        heat[first:end] = scaled(recording.heat(token, steps, method))[first:end]
    return heat


def scaled(heat: np.ndarray) -> np.ndarray:
    """Heat (T, h, w) with its `BRIGHTEST` percentile at 1, and what is above it too."""
    warm = heat[heat > 0]
    return np.clip(heat / np.percentile(warm, BRIGHTEST), 0, 1) if warm.size else np.zeros_like(heat)
