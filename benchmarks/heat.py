"""Is the heat where the network looks? python -m benchmarks.heat

Two measures of heat maps, on test clips of the built-in corpus, of which it is known where the hands are: how much of
the heat lies in boxes around the hands, and how much lower the network scores what is signed once the hottest
twentieth of the clip is blurred. Networks of the same shape with random weights say what both are worth.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch

from dataset.crop import crop_and_resize
from dataset.synthetic.generate import plan_clip, plan_corpus, render_clip
from dataset.synthetic.layouts import SyntheticClip
from dataset.synthetic.render import HEIGHT, WIDTH, Renderer
from dataset.synthetic.signers import SIGNERS, draw_conditions
from evaluation.ctc.forced_alignment import StepSpan
from evaluation.heat.gradcam import trace_layer
from evaluation.heat.heat_map import combine_heat, find_gloss_spans
from evaluation.heat.request import METHODS
from evaluation.inference.recogniser import Recogniser
from evaluation.inference.torch_network import TorchNetwork
from slr_network import SLRModel, build_model
from utils.output import run_command
from utils.progress import show_progress
from utils.table import format_table

BLURRED = 0.05  # the part of a clip's pixels that is blurred, the hottest ones
BLUR = 0.1  # the standard deviation of the blur, in sides of the picture

Score = tuple[float, float]  # the share of the heat in the boxes, and what the score loses by the blur


@dataclass(frozen=True)
class KnownClip:
    """A clip as the network sees it, of which it is known where the hands are.

    Attributes:
        video: (T, 3, S, S) uint8 RGB.
        hands: (T, S, S), the part of each pixel that lies in the box around a hand.
        tokens: the classes of what is signed.
        spans: the output steps (first, last + 1) of each token.
    """

    video: np.ndarray
    hands: np.ndarray
    tokens: tuple[int, ...]
    spans: list[StepSpan]


def find_hand_boxes(clip: SyntheticClip, seed: int) -> np.ndarray:
    """Find left, top, right and bottom of both hands in every frame of a rendered clip, in its pixels: (T, 2, 4)."""
    motion, rng = plan_clip(clip, seed)
    renderer = Renderer(SIGNERS[clip.signer], draw_conditions(rng, HEIGHT, WIDTH), rng)
    return np.stack([renderer.find_hand_boxes(*pose) for pose in zip(motion.hands, motion.face, strict=True)])


def rasterise_boxes(boxes: np.ndarray, side: int) -> np.ndarray:
    """Compute the part of each pixel that lies in a box.

    Args:
        boxes: (T, 2, 4), the left, top, right and bottom of two boxes a frame, in pixels.
        side: the width and height of the frames.

    Returns:
        (T, side, side) from 0 to 1.
    """
    cell = np.arange(side)
    low, high = boxes[..., :2, None], boxes[..., 2:, None]  # (T, 2, 2, 1): x, y
    part = np.clip(np.minimum(cell + 1, high) - np.maximum(cell, low), 0, 1)  # (T, 2, 2, side)
    return (part[:, :, 1, :, None] * part[:, :, 0, None, :]).max(axis=1)


def render_known_clip(recogniser: Recogniser, clip: SyntheticClip, seed: int) -> KnownClip:
    """Render a clip of the built-in corpus as the network sees it, its glosses aligned by that network."""
    transform = recogniser.transform
    frames = [crop_and_resize(frame, recogniser.frame_size) for frame in render_clip(clip, seed)]
    video = recogniser.crop(np.stack(frames))
    plan = transform.plan(len(video), np.random.default_rng())
    boxes = find_hand_boxes(clip, seed)[list(plan.indices)] / (WIDTH, HEIGHT, WIDTH, HEIGHT) * plan.size
    boxes -= (plan.left, plan.top, plan.left, plan.top)
    posteriors = torch.from_numpy(recogniser.network(video)).softmax(-1).numpy()
    spans = find_gloss_spans(posteriors, recogniser.vocabulary, clip.sentence)
    tokens = tuple(recogniser.vocabulary.encode(clip.sentence))
    return KnownClip(video, rasterise_boxes(boxes, video.shape[-1]), tokens, spans)


def enlarge_heat(heat: np.ndarray, side: int) -> np.ndarray:
    """Enlarge heat (T, h, w) linearly to (T, side, side)."""
    return np.stack([cv2.resize(frame, (side, side), interpolation=cv2.INTER_LINEAR) for frame in heat])


def measure_share(heat: np.ndarray, hands: np.ndarray) -> float:
    """Measure the share of heat (T, h, w) that lies in boxes (T, S, S); 0 without any heat."""
    heat = enlarge_heat(heat, hands.shape[-1])
    return float((heat * hands).sum() / max(heat.sum(), 1e-30))


def measure_best_share(hands: np.ndarray, size: Sequence[int]) -> float:
    """Measure the share if the heat were the boxes (T, S, S) themselves, in as few places (h, w) as the layer has."""
    return measure_share(
        np.stack([cv2.resize(frame, tuple(size[::-1]), interpolation=cv2.INTER_AREA) for frame in hands]), hands
    )


def score_clip(network: TorchNetwork, clip: KnownClip, video: np.ndarray) -> float:
    """Compute the mean logit of the clip's tokens at their steps, for a video in the place of its own."""
    logits = network(video)  # (T', V)
    return float(
        np.mean([logits[first:end, k].mean() for k, (first, end) in zip(clip.tokens, clip.spans, strict=True)])
    )


def measure_lost_score(network: TorchNetwork, clip: KnownClip, heat: np.ndarray) -> float:
    """Measure by how much the score falls once the `BLURRED` hottest pixels of the clip are blurred."""
    side = clip.video.shape[-1]
    heat = enlarge_heat(heat, side)
    hot = heat > np.quantile(heat, 1 - BLURRED)
    blurred = np.stack([cv2.GaussianBlur(frame.transpose(1, 2, 0), (0, 0), BLUR * side) for frame in clip.video])
    video = np.where(hot[:, None], blurred.transpose(0, 3, 1, 2), clip.video)
    return score_clip(network, clip, clip.video) - score_clip(network, clip, video)


def measure_layers(
    network: TorchNetwork, model: SLRModel, clip: KnownClip
) -> tuple[dict[tuple[str, str], Score], dict[str, float]]:
    """Measure the heat that a network gives, at every layer by every method.

    Args:
        network: the trained network, which scores.
        model: the network whose heat is measured, that one or another.
        clip: the clip.

    Returns:
        by layer and method how good the heat is, and by layer the best share that there can be.
    """
    scores, best = {}, {}
    for layer in model.conv2d.layers:
        trace = trace_layer(model, network.make_batch(clip.video), layer)
        best[layer] = measure_best_share(clip.hands, trace.maps.shape[2:])
        for method in METHODS:
            heat = combine_heat(trace, clip.tokens, clip.spans, model.spec.stride, method)
            scores[layer, method] = measure_share(heat, clip.hands), measure_lost_score(network, clip, heat)
    return scores, best


def build_random_models(recogniser: Recogniser, count: int) -> list[SLRModel]:
    """Build networks of the same shape that have learnt nothing, in evaluation mode."""
    models = []
    for seed in range(count):
        torch.manual_seed(seed)
        model = build_model(recogniser.config.model_args, recogniser.vocabulary.num_classes, pretrained=False)
        models.append(model.to(recogniser.network.model.device).eval())
    return models


def main(args: argparse.Namespace) -> None:
    """Measure and print the tables."""
    recogniser = Recogniser.from_checkpoint(args.model_path, args.device)
    counts = (args.train, args.dev, args.test)
    clips = [clip for clip in plan_corpus(args.glosses, counts, args.seed) if clip.split == "test"]
    clips = [clips[index] for index in np.linspace(0, len(clips) - 1, min(args.clips, len(clips))).round().astype(int)]
    trained, by_chance = defaultdict(list), defaultdict(list)
    best, areas, whole = defaultdict(list), [], []
    models = build_random_models(recogniser, args.random)
    for clip in show_progress(clips, len(clips), "measuring", "clip"):
        known = render_known_clip(recogniser, clip, args.seed)
        areas.append(known.hands.mean())
        whole.append(score_clip(recogniser.network, known, known.video))
        scores, own_best = measure_layers(recogniser.network, recogniser.network.model, known)
        for key, value in scores.items():
            trained[key].append(value)
        for layer, share in own_best.items():
            best[layer].append(share)
        for model in models:
            for key, value in measure_layers(recogniser.network, model, known)[0].items():
                by_chance[key].append(value)
    rows = []
    for (layer, method), values in trained.items():
        (share, fall), (share_0, fall_0) = np.mean(values, axis=0), np.mean(by_chance[layer, method], axis=0)
        percent = [f"{100 * value:.1f} %" for value in (np.mean(best[layer]), share, share_0)]
        rows.append([f"{layer} {method}", *percent, f"{share / share_0:.2f}", f"{fall:.2f}", f"{fall_0:.2f}"])
    print(format_table(("heat of", "hands, at best", "hands", "random", "ratio", "score lost", "random"), rows))
    print(f"{len(clips)} clips; the boxes are {100 * np.mean(areas):.1f} % of the picture; score {np.mean(whole):.2f}")


def parse_args() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--model_path", default="./work_dir/quickstart/best.pt", help="checkpoint (default %(default)s)"
    )
    parser.add_argument("--device", default="auto")
    parser.add_argument("--clips", type=int, default=20, help="number of clips of the test split (default %(default)s)")
    parser.add_argument(
        "--random", type=int, default=2, help="number of networks with random weights (default %(default)s)"
    )
    for name, value in (("glosses", 12), ("train", 320), ("dev", 40), ("test", 60), ("seed", 0)):
        parser.add_argument(
            f"--{name}", type=int, default=value, help="of the corpus that is rendered (default %(default)s)"
        )
    return parser.parse_args()


if __name__ == "__main__":
    run_command(lambda: main(parse_args()))
