"""What the sections compute on: networks with random weights of which all count, and batches of clips."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import cv2
import numpy as np
import torch

from benchmarks.gpu.recipe import Recipe
from benchmarks.random_network import draw_identities
from dataset.batch import Batch, Collate, Sample
from dataset.synthetic.grammar import draw_sentences
from dataset.synthetic.lexicon import take_signs
from dataset.synthetic.motion import plan_motion
from dataset.synthetic.render import HEIGHT, WIDTH, Renderer
from dataset.synthetic.signers import SIGNERS, draw_conditions
from engine.training_step import TrainingStep, build_step, prepare_network
from slr_network import SLRModel
from utils.temporal import TemporalSpec

NARROW = {"backbone": "resnet18", "width": 16, "hidden_size": 32}
"""The network of comparisons with the CPU, and of the small form."""
GLOSSES = 8
BLOCK = 4  # pixels


def build_network(classes: int = GLOSSES + 1, **switches: Any) -> SLRModel:
    """Build a network on the CPU, the same one for the same arguments; fusion and lift pooling count in it."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = SLRModel(classes, **{**NARROW, **switches})
        draw_identities(model, 0.2)
    return model


def build_training_step(model: SLRModel, device: torch.device, recipe: Recipe, steps_per_epoch: int) -> TrainingStep:
    """Build the training step of a network, which is moved to the device and set to training."""
    config = cast(Any, recipe)  # it has what these functions read of a `Config`
    model.to(device).train()
    network = prepare_network(config, model, device)
    return build_step(network, model, config.loss_weights, config.optimizer_args, device, steps_per_epoch, skip=False)


def draw_batch(lengths: Sequence[int], size: int = 64, seed: int = 0, glosses: int = 2) -> Batch:
    """Draw a batch of random pictures, in blocks of one colour: of noise all frames would have almost equal features.

    Args:
        lengths: the real frames of each clip.
        size: the side of a frame in pixels, a multiple of 4.
        seed: the seed of pictures and labels.
        glosses: the length of each label.
    """
    rng = np.random.default_rng(seed)
    samples = []
    for number, length in enumerate(lengths):
        coarse = rng.integers(0, 256, (length, 3, size // BLOCK, size // BLOCK), dtype=np.uint8)
        video = coarse.repeat(BLOCK, axis=2).repeat(BLOCK, axis=3)  # (T, 3, size, size)
        target = tuple(int(label) for label in rng.permutation(GLOSSES)[:glosses] + 1)
        samples.append(Sample(f"clip{number}", video, target))
    return Collate(TemporalSpec())(samples)


def render_batches(batches: int, size: int, interval: int) -> list[Batch]:
    """Render signed sentences, two in a batch.

    Args:
        batches: the number of batches.
        size: the side of a frame in pixels; whole frames are scaled to it.
        interval: of so many frames one is taken.
    """
    signs = take_signs(GLOSSES)
    numbers = {sign.gloss: number for number, sign in enumerate(signs, start=1)}
    samples = []
    for index, sentence in enumerate(draw_sentences(signs, 2 * batches, held_out=False, seed=0, stream=0)):
        rng, signer = np.random.default_rng(index), SIGNERS[index % len(SIGNERS)]
        motion = plan_motion(sentence, signer, rng)
        renderer = Renderer(signer, draw_conditions(rng, HEIGHT, WIDTH), rng)
        poses = list(zip(motion.hands, motion.face, strict=True))[::interval]
        frames = [
            cv2.resize(renderer.render_frame(*pose), (size, size), interpolation=cv2.INTER_AREA) for pose in poses
        ]
        video = np.stack(frames).transpose(0, 3, 1, 2)  # (T, 3, H, W)
        samples.append(Sample(f"sentence{index}", video, tuple(numbers[gloss] for gloss in sentence)))
    collate = Collate(TemporalSpec())
    return [collate(samples[index : index + 2]) for index in range(0, len(samples), 2)]
