"""The checkpoints in a run folder: written whole, pruned, and taken up again."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from config.load import parse_stored_config, to_dict
from config.schema import Config
from dataset.manifest import Manifest
from utils.checkpoint import CheckpointError, check_glosses, load_checkpoint, save_checkpoint
from utils.files import atomic_path
from utils.log import LOGGER

LAST, BEST = "last.pt", "best.pt"
NEEDED = ("optimizer_state_dict", "scheduler_state_dict", "train_state", "random_states", "config", "glosses")
LEARNING = {
    "dataset", "batch_size", "accumulate", "random_seed", "sync_batchnorm", "on_nonfinite", "on_bad_clip", "precision",
    "freeze_bn",
}  # fmt: skip
SCORING = {"normalise", "merge_repeats", "decode_mode", "beam_width", "decode_backend", "evaluate_tool"}
DECISIVE = LEARNING | SCORING
"""Keys outside the sections that decide what is learnt, or which epoch counts as the best; in the sections all do."""

SAME_FRAMES = (("video", "lmdb"), ("lmdb", "video"))  # of feeder_args.datatype


@dataclass(frozen=True)
class Checkpoints:
    """The checkpoints of one run.

    Attributes:
        folder: of the run.
        keep: how many of epoch_N.pt stay; 0 keeps all. The best and the last one always stay.
    """

    folder: Path
    keep: int = 0

    def save(self, content: Mapping[str, Any], names: Sequence[str]) -> None:
        """Write one checkpoint under each of these names.

        A program that is killed at any moment leaves under each name the older checkpoint or the new one, whole.

        Raises:
            CheckpointError: the disk is full; the older ones are whole.
        """
        save_checkpoint(self.folder / names[0], content)
        for name in names[1:]:
            try:
                with atomic_path(self.folder / name) as temporary:
                    shutil.copyfile(self.folder / names[0], temporary)
            except OSError as error:
                raise CheckpointError(f"cannot write the checkpoint {self.folder / name}: {error}") from error

    def prune(self) -> None:
        """Delete all but the `keep` newest of epoch_N.pt."""
        numbered = {int(match[1]): path for path in self.folder.iterdir() if (match := _numbered(path))}
        for epoch in sorted(numbered)[: -self.keep] if self.keep else ():
            numbered[epoch].unlink()

    def sweep(self) -> None:
        """Delete what a program that was killed while it wrote a checkpoint left behind."""
        for path in self.folder.glob(".*.pt"):
            LOGGER.info("deleted %s, half of a checkpoint", path)
            path.unlink()


def load_resumable(path: str | Path, glosses: tuple[str, ...]) -> dict[str, Any]:
    """What is in a checkpoint of this project, all that resuming needs.

    Raises:
        CheckpointError: damaged (the message names others in its folder), without some of it, or of other glosses.
    """
    try:
        content = load_checkpoint(path)
    except CheckpointError as error:
        others = sorted(str(other) for other in Path(path).parent.glob("*.pt") if other != Path(path))
        remedy = f". Others are there: {', '.join(others)}" if others and Path(path).exists() else ""
        raise CheckpointError(f"{error}{remedy}") from error
    missing = [key for key in NEEDED if key not in content]
    if missing:
        raise CheckpointError(
            f"{path} cannot be resumed, it lacks {', '.join(missing)}; to start from its weights use --load-weights"
        )
    check_glosses(content, path, glosses)
    return content


def check_changes(
    content: Mapping[str, Any], path: str | Path, config: Config, clips: Manifest, processes: int
) -> list[str]:
    """The decisive settings, and the clips, in which a run differs from the one in a checkpoint that it resumes.

    Args:
        content: of the checkpoint; one of an older version does not say what its clips were.
        path: of it, for the message.
        config: of this run.
        clips: to train on.
        processes: that train together.

    Raises:
        CheckpointError: there are some, and `allow_changes` is off; lists them.
    """
    before, after = to_dict(parse_stored_config(content["config"], path)), to_dict(config)
    changed = list_changed_settings(before, after)
    trained_by = content.get("processes", 1)
    changed += [f"processes: {trained_by} -> {processes}"] * (trained_by != processes)
    changed += list_changed_clips(content, clips)
    if changed and not config.allow_changes:
        raise CheckpointError(
            f"{path} was trained with other settings or clips, so this would be another experiment: "
            f"{'; '.join(changed)}. Resume with the same, or with these and --allow-changes, or start a new run from "
            "its weights with --load-weights"
        )
    return changed


def list_changed_settings(before: Mapping[str, Any], after: Mapping[str, Any], prefix: str = "") -> list[str]:
    """Decisive settings that differ: "key: old -> new"."""
    found = []
    for key, value in after.items():
        if isinstance(value, Mapping):
            found += list_changed_settings(before[key], value, f"{prefix}{key}.")
        elif (key in DECISIVE or prefix) and before[key] != value and (before[key], value) not in SAME_FRAMES:
            found.append(f"{prefix}{key}: {before[key]} -> {value}")
    return found


def identify_clips(clips: Manifest) -> dict[str, Any]:
    """What a checkpoint says of the clips trained on."""
    return {"clips": len(clips.clips), "digest": clips.digest()}


def list_changed_clips(content: Mapping[str, Any], clips: Manifest) -> list[str]:
    """How the clips differ from those that a checkpoint was trained on, as far as it says."""
    here, found = identify_clips(clips), []
    there, size = content.get("trained_on", here), content.get("frame_size", clips.frame_size)
    if there != here:
        numbers = f"{there['clips']} clips then, {here['clips']} now"
        found.append(f"the training clips are others, in number, order, ids, lengths or labels: {numbers}")
    if size != clips.frame_size:
        found.append(f"the prepared frames' size: {size} -> {clips.frame_size}")
    return found


def _numbered(path: Path) -> re.Match[str] | None:
    return re.fullmatch(r"epoch_(\d+)\.pt", path.name)
