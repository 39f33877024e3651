"""Manifests, dictionaries and loaders as the configuration of a test asks for them."""

from __future__ import annotations

import torch
from torch.utils.data import DataLoader

from config.schema import Config
from dataset import loader, manifest, vocabulary
from dataset.manifest import Manifest
from dataset.vocabulary import Vocabulary
from utils.temporal import TemporalSpec


def load_manifest(config: Config, split: str) -> Manifest:
    """The manifest of a split of the configuration's corpus."""
    return manifest.load_manifest(config.prepared, config.dataset, split)


def load_vocabulary(config: Config) -> Vocabulary:
    """The dictionary of the configuration's corpus."""
    return vocabulary.load_vocabulary(config.prepared, config.dataset, config.dataset_root)


def build_loader(
    config: Config, clips: Manifest, glosses: Vocabulary, training: bool, device: torch.device = loader.CPU
) -> DataLoader:  # fmt: skip
    """The loader that the configuration asks for."""
    spec = TemporalSpec(config.model_args.conv_type)
    return loader.build_run_loader(config, clips, glosses, spec, device, training)
