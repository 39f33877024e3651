"""Estimating BatchNorm's statistics anew, for weights that no training has had."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.optim.swa_utils import update_bn

from config.schema import Config
from dataset.batch import Batch
from dataset.loader import build_run_loader, drop_short_clips
from dataset.manifest import Manifest
from dataset.vocabulary import Vocabulary
from engine.optim import freeze_unused
from engine.pad_to import settle_pad_to
from modules.batch_norm import find_batch_norms
from slr_network import SLRModel
from utils.errors import explain_out_of_memory
from utils.precision import select_dtype
from utils.progress import show_progress
from utils.seed import seed_everything
from utils.temporal import TemporalSpec


class LearntNorms(nn.Module):
    """Layers of BatchNorm, and how a batch gets to them: what `update_bn` needs to know of a network.

    It sets back every layer that it finds, and gives the network one argument. Here it finds no frozen layer, and the
    network gets a whole batch with its lengths.

    Args:
        norms: the layers whose statistics are to be estimated.
        compute: passes a batch through their network.
    """

    def __init__(self, norms: list[_BatchNorm], compute: Callable[[Batch], object]) -> None:
        super().__init__()
        self.norms = nn.ModuleList(norms)
        self.compute = compute

    def forward(self, batch: Batch) -> None:
        """Compute a batch."""
        self.compute(batch)


def estimate_statistics(model: SLRModel, config: Config, clips: Manifest, vocabulary: Vocabulary) -> None:
    """Give each BatchNorm that a training does not freeze the mean of its statistics over batches of clips.

    The batches are as the training makes them: its size of a batch, its transforms, HFAM where it learns. The same call
    gives the same again.

    Args:
        model: the network, on its device; it is in evaluation mode afterwards, and those of its weights are frozen that
            a training would not change.
        config: the configuration of the training.
        clips: the clips.
        vocabulary: the network's glosses.

    Raises:
        ConfigError: the crop is larger than the frames, or memory that processes share has no room for a batch.
        FrameError: frames or features are missing.
        InputError: memory ran out.
    """
    config = settle_pad_to(config, model.device)
    freeze_unused(model, config.loss_weights, config.feeder_args.datatype == "features", config.freeze_bn)
    norms = [norm for norm in find_batch_norms([model]) if norm.weight.requires_grad]
    loader = build_run_loader(config, clips, vocabulary, model.spec, model.device, training=True)
    loader.sampler.set_position(1, 0)
    seed_everything(config.random_seed)  # HFAM has dropout before its BatchNorm
    model.autocast = select_dtype(config.precision, model.device)
    scales = None if config.loss_weights.AuxCTC else False
    shown = show_progress(loader, len(loader), "estimating BatchNorm's statistics", "batch")
    with explain_out_of_memory(lambda: "while BatchNorm's statistics were estimated; lower batch_size"):
        model.train()
        update_bn(shown, LearntNorms(norms, lambda batch: model(batch.video, batch.lengths, scales)), model.device)
        model.eval()
    model.autocast = torch.float32  # as in every network that is loaded


def choose_clips(clips: Manifest, config: Config, most: int) -> Manifest:
    """At most so many clips of the training split, drawn by the configuration's seed, each long enough for CTC.

    Raises:
        ManifestError: there are clips that are too short for their label, and the configuration does not skip them.
    """
    spec = TemporalSpec(config.model_args.conv_type)
    usable = drop_short_clips(clips, spec, config.feeder_args.frame_interval, config.feeder_args.skip_short)
    order = np.random.default_rng(config.random_seed).permutation(len(usable.clips))
    return replace(usable, clips=tuple(usable.clips[index] for index in sorted(order[:most])))
