"""Writing a trained backbone's features of every frame, for trainings that leave the backbone as it is."""

from __future__ import annotations

from pathlib import Path

import torch

from config.schema import Config
from dataset.features import FeatureSource, feature_file, write_features
from dataset.loader import build_run_loader
from dataset.manifest import SPLITS, available_splits, load_manifest
from dataset.vocabulary import load_vocabulary
from evaluation.load_network import build_feature_source, warn_of_other_frames
from evaluation.recognise import LESS_MEMORY
from slr_network import SLRModel, for_recognition, load_model
from utils import ranks
from utils.checkpoint import load_checkpoint
from utils.device import move_to_device
from utils.errors import explain_out_of_memory
from utils.log import LOGGER
from utils.progress import show_progress
from utils.text import plural


def extract_features(config: Config, weights: str | Path, folder: Path, device: torch.device) -> Path:
    """Write the features of every clip of every split to `folder`/features/<split>/<id>.npz.

    A file holds `features` (T_pad, C) float32, the clip's padding included, and `frames`, the number before padding.
    Clips are cropped as in evaluation; nothing is drawn at random. `features.json` says what computed them.

    Args:
        config: the run's configuration.
        weights: the checkpoint with the backbone's weights.
        folder: the run's folder.
        device: the device to compute on.

    Returns:
        `folder`/features.

    Raises:
        ManifestError: the corpus is not prepared to the end.
        CheckpointError: unreadable, of another network, or of another dictionary.
        InputError: memory ran out.
    """
    vocabulary = load_vocabulary(config.prepared, config.dataset, config.dataset_root)
    content = load_checkpoint(weights)
    model = move_to_device(load_model(content, config.model_args, vocabulary.glosses, name=weights), device)
    network = for_recognition(model, config.precision, frame_chunk=config.frame_chunk, compiled=config.compile)
    out = folder / "features"
    # features.json goes first and comes last, so that an extraction that was interrupted never looks complete.
    (out / FeatureSource.FILE).unlink(missing_ok=True)
    ranks.all_gather(None)  # none writes before the old ones are declared incomplete
    # Train and dev have to be there: where one is not, reading its manifest says what to do.
    splits = SPLITS if "test" in available_splits(config.prepared) else ("train", "dev")
    for split in splits:
        manifest = load_manifest(config.prepared, config.dataset, split)
        loader = build_run_loader(config, manifest, vocabulary, model.spec, device, training=False)
        _extract_split(network, loader, out, split, device)
        LOGGER.info("%s: features of %s", split, plural(len(manifest.clips), "clip"))
    ranks.all_gather(None)  # all have written their share
    warn_of_other_frames(content, weights, manifest.frame_size)
    if ranks.rank() == 0:
        build_feature_source(config.feeder_args, model, manifest.frame_size).save(out)
    return out


@torch.inference_mode()
def _extract_split(
    model: SLRModel, loader: torch.utils.data.DataLoader, out: Path, split: str, device: torch.device
) -> None:
    with explain_out_of_memory(lambda: f"while features of {split} were computed; {LESS_MEMORY}"):
        for batch in show_progress(loader, len(loader), f"features of {split}", "batch", hidden=ranks.rank() > 0):
            computed = model.frame_features(batch.to(device).video, batch.lengths)  # (B, T_pad, C)
            features = computed.float().cpu().numpy()
            for clip_id, frames, own in zip(batch.ids, batch.lengths.tolist(), features, strict=True):
                # Cut to the clip's own padding, so that a file does not depend on the batch that the clip was in.
                write_features(feature_file(out, split, clip_id), own[: model.spec.padded_length(frames)], frames)
