"""The heat of a clip: what the network read, and in which frames and where in them it found that."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from dataset.vocabulary import Vocabulary
from evaluation.ctc.forced_alignment import StepSpan, force_align
from evaluation.heat.gradcam import LayerTrace, trace_layer
from evaluation.heat.request import REFERENCE, HeatRequest, suggest_names
from evaluation.heat.shown_clip import HeatMap, ShownClip
from evaluation.inference.reading import ReadingError
from evaluation.inference.recogniser import Recogniser
from evaluation.inference.torch_network import TorchNetwork

BRIGHTEST = 99.5
"""Percentile of the heat above zero that is shown as hot: a few outstanding places must not make all else cold."""


def compute_heat_map(recogniser: Recogniser, clip: ShownClip, request: HeatRequest) -> HeatMap:
    """Compute the heat of a clip.

    The score is a gloss's logit at the output steps that forced alignment gives it. For a hypothesis or a reference
    each frame shows the heat of the gloss signed in it, and frames between two glosses that of the nearer one; for one
    gloss all frames show its own.

    Raises:
        ReadingError: the request does not fit the clip or the network.
        RecognitionError: the network's output is not finite.
    """
    network = get_network(recogniser, request)
    check_target(recogniser.vocabulary, clip, request)
    recognised = recogniser.recognise(clip.frames).glosses
    model = network.model
    trace = trace_layer(model, network.make_batch(recogniser.crop(clip.frames)), request.layer)
    posteriors = trace.logits.detach().softmax(-1).cpu().numpy()  # (T', V)
    shown = clip.signed if request.target == REFERENCE and clip.signed is not None else recognised
    if not shown and request.gloss is None:
        raise ReadingError("the network read no gloss in this clip: name one (--target gloss:NAME)")
    spans = find_gloss_spans(posteriors, recogniser.vocabulary, shown)
    frames, stride = len(trace.maps), model.spec.stride
    if request.gloss is None:
        heat = combine_heat(trace, recogniser.vocabulary.encode(shown), spans, stride, request.method)
        whose = request.target
    else:
        token, own = locate_gloss(posteriors, recogniser.vocabulary, request.gloss, shown, spans)
        heat = scale_heat(np.sum([trace.compute_heat(token, steps, request.method) for steps in own], axis=0))
        whose = f"gloss {request.gloss}"
        if request.gloss not in shown:
            whose += f" (not read; most probable at frame {own[0][0] * stride})"
    glosses = tuple((gloss, (a * stride, min(b * stride, frames))) for gloss, (a, b) in zip(shown, spans, strict=True))
    return HeatMap(heat, glosses, recognised, f"heat of the {whose}, {request.layer}, {request.method}")


def get_network(recogniser: Recogniser, request: HeatRequest) -> TorchNetwork:
    """The network, if it has gradients and the layer that is asked for; raises ReadingError otherwise."""
    if not isinstance(recogniser.network, TorchNetwork):
        raise ReadingError("heat maps need gradients: name the checkpoint, not what was exported from it")
    request.check_layer(recogniser.network.model.conv2d.layers)
    return recogniser.network


def check_target(vocabulary: Vocabulary, clip: ShownClip, request: HeatRequest) -> None:
    """Raise ReadingError, before anything is computed, for a target that the clip or the network does not know."""
    if request.target == REFERENCE and clip.signed is None:
        raise ReadingError(
            "target reference needs to know what was signed, which a video does not say: name a clip of a prepared "
            "corpus (--dataset, --split, --select_id), or take target hypothesis"
        )
    wanted: Sequence[str] = ()  # what the network read itself is in its vocabulary
    if request.target == REFERENCE:
        wanted = clip.signed or ()
    elif request.gloss is not None:
        wanted = [request.gloss]
    for gloss in wanted:
        if gloss not in vocabulary:
            hint = suggest_names(gloss, vocabulary.glosses)
            raise ReadingError(f"{gloss!r} is not among the {len(vocabulary)} glosses of {vocabulary.source}{hint}")


def find_gloss_spans(posteriors: np.ndarray, vocabulary: Vocabulary, glosses: Sequence[str]) -> list[StepSpan]:
    """Find the output steps (first, last + 1) of each gloss in posteriors (T', V).

    Raises:
        ReadingError: the glosses need more steps than there are.
    """
    tokens = vocabulary.encode(glosses)
    try:
        return force_align(posteriors, tokens)
    except ValueError as error:
        raise ReadingError(f"the clip is too short for {' '.join(glosses)}: {error}") from error


def locate_gloss(
    posteriors: np.ndarray, vocabulary: Vocabulary, gloss: str, glosses: Sequence[str], spans: Sequence[StepSpan]
) -> tuple[int, list[StepSpan]]:
    """Find the class of a gloss and the steps at which it was read, else the one step where it is most probable.

    Args:
        posteriors: the network's (T', V) of the clip.
        vocabulary: ids to glosses.
        gloss: the gloss to find.
        glosses: the glosses that were read.
        spans: the output steps (first, last + 1) of each of these.
    """
    (token,) = vocabulary.encode([gloss])
    own = [span for other, span in zip(glosses, spans, strict=True) if other == gloss]
    best = int(posteriors[:, token].argmax())
    return token, own or [(best, best + 1)]


def combine_heat(
    trace: LayerTrace, tokens: Sequence[int], spans: Sequence[StepSpan], stride: int, method: str
) -> np.ndarray:
    """Combine the heat of a sequence: each frame has that of the token in it, or of the one nearest to it.

    The heat of each token is scaled by itself, over all frames: what is hot for a gloss need not be for another, but a
    gloss that was recognised by its neighbours' frames is cold in its own.

    Args:
        trace: the clip's way through the network.
        tokens: the classes.
        spans: the output steps (first, last + 1) of each token.
        stride: the number of frames in an output step.
        method: one of `evaluation.heat.request.METHODS`.

    Returns:
        (T, h, w) from 0 to 1.
    """
    frames = len(trace.maps)
    heat = np.zeros((frames, *trace.maps.shape[2:]), np.float32)
    # Frames between two glosses belong to no step of either; they are shared out at the middle between them.
    middles = [(a[1] + b[0]) * stride // 2 for a, b in pairwise(spans)]
    for token, steps, first, end in zip(tokens, spans, [0, *middles], [*middles, frames], strict=True):
        heat[first:end] = scale_heat(trace.compute_heat(token, steps, method))[first:end]
    return heat


def scale_heat(heat: np.ndarray) -> np.ndarray:
    """Divide heat (T, h, w) by its `BRIGHTEST` percentile, and cut off what is above 1 then."""
    warm = heat[heat > 0]
    return np.clip(heat / np.percentile(warm, BRIGHTEST), 0, 1) if warm.size else np.zeros_like(heat)
