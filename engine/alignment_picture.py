"""A picture of how the network spells a clip: the posteriors of its glosses over time, and where they are aligned."""

from __future__ import annotations

import warnings

import numpy as np
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from torch.utils.data import DataLoader

from dataset.vocabulary import Vocabulary
from evaluation.ctc.forced_alignment import force_align
from slr_network import SLRModel
from utils.fonts import find_font
from utils.temporal import TemporalSpec


@torch.inference_mode()
def draw_alignment(model: SLRModel, loader: DataLoader, vocabulary: Vocabulary) -> np.ndarray:
    """Draw the first clip of a loader with its label, (H, W, 3) uint8 RGB; leaves the model in evaluation mode."""
    sample = loader.dataset[(0, 0)]
    batch = loader.collate_fn([sample]).to(model.device)
    logits = model.eval()(batch.video, batch.lengths).sequence_logits[:, 0]  # (T', V)
    posteriors = logits.float().softmax(-1).cpu().numpy()
    return draw_posteriors(posteriors, sample.target, vocabulary, sample.id, model.spec)


def draw_posteriors(
    posteriors: np.ndarray, target: tuple[int, ...], vocabulary: Vocabulary, title: str, spec: TemporalSpec
) -> np.ndarray:  # fmt: skip
    """Draw posteriors (T', V) of a clip.

    Args:
        posteriors: the network's (T', V) of the clip.
        target: the class ids of its label; a label that has no path through T' steps is not aligned.
        vocabulary: ids to glosses.
        title: the clip's name.
        spec: the temporal chain, which says which frames a step stands for.

    Returns:
        (H, W, 3) uint8 RGB: a line for each gloss of the label, and a bar below for where it is aligned.
    """
    names = vocabulary.decode(target)
    font = FontProperties(fname=find_font("".join(names)).file, size="small")  # matplotlib's own has no Chinese
    # Without pyplot, which keeps every figure in memory until it is closed, and may ask for a screen.
    figure = Figure(figsize=(9, 4), dpi=100, layout="constrained")
    canvas = FigureCanvasAgg(figure)
    curves, bars = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    frames = np.arange(len(posteriors)) * spec.stride
    curves.plot(frames, posteriors[:, 0], color="0.8", label="blank")
    for token in dict.fromkeys(target):
        curves.plot(frames, posteriors[:, token], label=vocabulary.decode([token])[0])
    curves.set(title=title, ylabel="posterior", ylim=(0, 1.02))
    curves.legend(loc="center left", bbox_to_anchor=(1, 0.5), prop=font, frameon=False)
    if len(posteriors) >= spec.steps_needed(target):
        for number, (name, (first, end)) in enumerate(zip(names, force_align(posteriors, target), strict=True)):
            start, width = first * spec.stride, (end - first) * spec.stride
            # In two rows by turns, so that neighbours' names do not run into each other.
            bars.barh(number % 2, width, left=start, color=f"C{number % 10}", alpha=0.5)
            bars.text(start + width / 2, number % 2, name, ha="center", va="center", fontproperties=font)
    bars.set(xlabel="frame", ylabel="label, aligned", yticks=[], ylim=(-0.6, 1.6))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph")  # where no font here has a character, a box stands for it
        canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()
