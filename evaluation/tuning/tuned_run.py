"""The run that is tuned: its best network, its corpus, and the posteriors of a split."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader

from config.keys import merge_sections
from config.load import nest_overrides, parse_stored_config, read_stored_config, to_dict
from config.mistakes import describe_mistakes
from config.older_keys import rename_keys
from config.schema import Config
from dataset.features import FeatureSource
from dataset.manifest import Manifest, load_manifest
from dataset.vocabulary import Vocabulary, load_vocabulary
from evaluation.ctc.posteriors import check_finite
from evaluation.ensemble import Ensemble
from evaluation.load_network import load_networks, prepare_network
from evaluation.recognise import LESS_MEMORY
from evaluation.tuning.kept_posteriors import KeptPosteriors, keep_posteriors
from evaluation.tuning.posteriors_file import read_posteriors, write_posteriors
from slr_network import SLRModel
from utils.checkpoint import load_checkpoint
from utils.checkpoint_file import BEST
from utils.errors import InputError, ParseError, explain_out_of_memory
from utils.log import LOGGER
from utils.precision import resolve_precision
from utils.progress import show_progress
from utils.temporal import TemporalSpec

OF_NETWORK = ("model_args", "system", "load_weights")
"""Keys and sections that are the checkpoint's, whatever is said."""
SEARCHED = ("lm", "lm_weight", "insertion_bonus", "blank_penalty", "decoding")
"""Keys that say what a tuning is to find out."""
SEEN = ("datatype", "features", "frame_interval", "image_scale", "input_size")
"""Keys of `feeder_args` that say what the network sees of a clip."""


def load_run_config(folder: Path, overrides: Mapping[str, str]) -> Config:
    """The configuration with which a run's best network is evaluated.

    Args:
        folder: the run's folder.
        overrides: values by dotted key, as the command line gives them.

    Raises:
        InputError: the folder holds no trained network, or the checkpoint no configuration.
        ConfigError: a key or value is wrong, or of the network.
        CheckpointError: the checkpoint cannot be read.
    """
    weights = folder / BEST
    if not weights.is_file():
        raise InputError(f"there is no {weights}: --run names the folder of a training that has evaluated an epoch")
    content = load_checkpoint(weights)
    if content.get("config") is None:
        raise InputError(f"{weights} holds no configuration: only runs of this project can be tuned")
    mistakes: list[str] = []
    typed = rename_keys(nest_overrides(overrides, mistakes), [], mistakes)
    mistakes += [f"{key}: the network is that of {weights}" for key in OF_NETWORK if key in typed]
    mistakes += [f"{key}: this is searched; a language model is named by --lm" for key in SEARCHED if key in typed]
    if mistakes:
        raise describe_mistakes(mistakes, [], " on the command line")
    trained = to_dict(read_stored_config(content, weights))
    # A file that others wrote must not choose which program is run, and the device is this machine's.
    here = {"phase": "test", "load_weights": str(weights), "sclite_path": None, "device": "auto"}
    return parse_stored_config(merge_sections(trained | here, typed), weights)


@dataclass(frozen=True)
class TunedRun:
    """A run whose best network recognises splits of its corpus.

    Attributes:
        folder: the run's folder.
        config: its configuration.
        device: the device to recognise on.
    """

    folder: Path
    config: Config
    device: torch.device

    @cached_property
    def vocabulary(self) -> Vocabulary:
        """The class numbers' glosses."""
        return load_vocabulary(self.config.prepared, self.config.dataset, self.config.dataset_root)

    @cached_property
    def network(self) -> SLRModel | Ensemble:
        """The best network, for recognition, and as an ensemble if it is to see mirrored clips too."""
        size = load_manifest(self.config.prepared, self.config.dataset, "dev").frame_size
        model = load_networks(self.config, [self.folder / BEST], self.vocabulary, size, self.device)
        return prepare_network(model, self.config)

    def recognise(self, split: str, loader: DataLoader) -> KeptPosteriors:
        """Compute the posteriors of a split.

        Args:
            split: its name.
            loader: its batches, in the order of the references.

        Raises:
            RecognitionError: the network's output is not finite.
            InputError: memory ran out.
            CheckpointError: the weights do not fit.
        """
        with explain_out_of_memory(lambda: f"while {split} was recognised; {LESS_MEMORY}"):
            return keep_posteriors(compute_posteriors(self.network, loader, f"recognising {split}"))

    def recognise_once(self, split: str, loader: DataLoader) -> KeptPosteriors:
        """The posteriors of a split, from the run's folder if they are there; else they are computed and kept there.

        The arguments are those of `recognise`.

        Raises:
            InputError: as `recognise` does.
            OSError: they cannot be written.
        """
        path = self.folder / f"posteriors-{split}.npz"
        manifest = load_manifest(self.config.prepared, self.config.dataset, split)
        source = self.describe_source(manifest)
        spec, interval = TemporalSpec(self.config.model_args.conv_type), self.config.feeder_args.frame_interval
        steps = [spec.output_length(-(-clip.num_frames // interval)) for clip in manifest.clips]
        try:
            kept = read_posteriors(path, source, steps, self.vocabulary.num_classes, 2 if self.config.tta else 1)
        except FileNotFoundError:
            pass
        except ParseError as error:
            LOGGER.info("%s: %s is recognised again", error, split)
        else:
            LOGGER.info("%s is not recognised again: its posteriors are in %s", split, path)
            return kept
        computed = self.recognise(split, loader)
        write_posteriors(path, computed, source)
        LOGGER.info("the posteriors of %s are kept in %s for the next time", split, path)
        return computed

    def describe_source(self, manifest: Manifest) -> dict[str, Any]:
        """What the posteriors of a split depend on, in plain values by what a message calls them."""
        config, feeder = self.config, to_dict(self.config.feeder_args)
        # Whoever prepares a corpus again, or extracts its features, writes these files again.
        written = [manifest.home / f"{manifest.split}.json"]
        if feeder["datatype"] == "features":
            written.append(Path(feeder["features"]) / FeatureSource.FILE)
        of_batch = [] if config.model_args.mask_padding else [config.test_batch_size]
        return {
            "checkpoint": _compute_digest(self.folder / BEST),
            "network": [to_dict(config.model_args), config.tta, *of_batch],
            "corpus": [config.dataset, manifest.split, manifest.digest(), manifest.frame_size],
            "dictionary": hashlib.sha256(json.dumps(self.vocabulary.stored).encode()).hexdigest(),
            "preparation": [_read_time(path) for path in written],
            "clip transform": [feeder[key] for key in SEEN],
            "precision": [resolve_precision(config.precision, self.device), self.device.type],
        }


def _compute_digest(path: Path) -> str:
    """The SHA-256 of a file."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while part := file.read(2**20):
            digest.update(part)
    return digest.hexdigest()


def _read_time(path: Path) -> int:
    """When a file was last written; 0 if it is not there, which others complain of."""
    with suppress(OSError):
        return path.stat().st_mtime_ns
    return 0


@torch.inference_mode()
def compute_posteriors(network: SLRModel | Ensemble, loader: DataLoader, label: str) -> Iterator[np.ndarray]:
    """The posteriors (M, T', V) float32 of the sequence head, clip by clip in the order of the loader.

    Args:
        network: the network for recognition, as `for_recognition` gives it, or M views of several.
        loader: the batches.
        label: the title of the progress bar.

    Raises:
        RecognitionError: the network's output is not finite.
    """
    for batch in show_progress(loader, len(loader), label, "batch"):
        output = network(batch.to(network.device).video, batch.lengths)
        logits = output.sequence_logits.float()
        logits = logits.reshape(-1, *logits.shape[-3:])  # (M, T', B, V)
        posteriors = logits.softmax(-1).permute(2, 0, 1, 3).cpu().numpy()  # (B, M, T', V)
        for clip_id, own, length in zip(batch.ids, posteriors, output.lengths.tolist(), strict=True):
            check_finite(own[:, :length], clip_id)
            yield own[:, :length]
