"""What a checkpoint of this project holds, entry by entry; a file may come from anywhere, so every entry is checked.

The configuration is checked by `config.load`, weights by `utils.checkpoint`, and the optimiser's tensors by
`engine.optimizer_state`, which know what they must fit.
"""

from __future__ import annotations

import reprlib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field, InstanceOf, TypeAdapter, ValidationError
from torch import Tensor
from typing_extensions import NotRequired, TypedDict

from utils.arguments import LARGEST_SIDE
from utils.checkpoint_file import CheckpointError
from utils.plain_pickle import find_excess

# Strict, so that "16" or true is a mistake and not a number. Numbers end where a float64 still counts one by one.
Count = Annotated[int, Field(strict=True, ge=0, le=2**53)]
Positive = Annotated[int, Field(strict=True, ge=1, le=2**53)]
Finite = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Rate = Annotated[float, Field(strict=True, ge=0)]  # infinity, but not NaN
Text = Annotated[str, Field(strict=True, min_length=1, max_length=1000)]

MOST_BYTES = 2**30  # of tensors that claim more than the file has: equal numbers may be stored once


class EpochEntry(TypedDict):
    """An epoch of the learning curve, as `evaluation.reporting.history.EpochRecord` has it."""

    epoch: Positive
    loss: Finite
    learning_rate: Finite
    seconds: Finite
    wer: NotRequired[Rate | None]
    conv_wer: NotRequired[Rate | None]
    gradient_norm: NotRequired[Finite | None]
    skipped: NotRequired[Count]
    dev: NotRequired[Text | None]
    waiting: NotRequired[Finite | None]


class ProgressEntry(TypedDict, total=False):
    """How far the epoch under way has come, as `engine.train_state.EpochProgress` has it."""

    batches: Count
    steps: Count
    loss: Finite
    gradient_norm: Finite
    learning_rate: Finite
    skipped: Count
    seconds: Finite
    waiting: Finite


class TrainStateEntry(TypedDict, total=False):
    """How far the training has come, as `engine.train_state.TrainState` has it."""

    epoch: Count
    step: Count
    best_wer: Rate
    best_epoch: Count
    seconds: Finite
    skipped: Count
    progress: ProgressEntry
    history: tuple[EpochEntry, ...]


class GroupEntry(TypedDict):
    """A group of the optimiser's weights; its settings beside them are those of the configuration."""

    params: tuple[Count, ...]


class OptimizerEntry(TypedDict):
    """What PyTorch's optimisers keep for each weight, by its number."""

    state: dict[Count, dict[Text, Any]]
    param_groups: tuple[GroupEntry, ...]


class RandomEntry(TypedDict, total=False):
    """The states of one process's random generators, as `utils.seed.get_random_states` gives them."""

    python: tuple[Count, tuple[Count, ...], Finite | None]
    numpy: tuple[Text, tuple[Count, ...], Count, Count, Finite]
    torch: InstanceOf[Tensor]
    cuda: Any  # checked where such a device is
    mps: Any


class ClipsEntry(TypedDict):
    """Which clips were trained on."""

    clips: Count
    digest: Text


class CalibrationEntry(TypedDict):
    """A `Calibration`, with bounds that keep its curve finite."""

    slope: Annotated[float, Field(strict=True, gt=0, le=1e6)]
    offset: Annotated[float, Field(strict=True, ge=-1e6, le=1e6)]
    least_energy: Finite
    least_motion: Finite
    clips: Positive
    glosses: Count


class AveragedEntry(TypedDict):
    """What a mean of checkpoints was made of, as `engine.average` has it."""

    files: Annotated[tuple[Text, ...], Field(min_length=2)]
    clips: Count


class CheckpointEntry(TypedDict, total=False):
    """A checkpoint. Files of older versions lack the later entries."""

    model_state_dict: dict[Text, Any]
    raw_state_dict: dict[Text, Any]
    averaged_steps: Count
    averaged: AveragedEntry
    optimizer_state_dict: OptimizerEntry
    scheduler_state_dict: dict[Text, Any]
    scaler_state_dict: dict[Text, Finite]
    train_state: TrainStateEntry
    random_states: RandomEntry
    random_states_of_others: tuple[RandomEntry, ...]
    processes: Positive
    config: dict[Text, Any]
    precision: Literal["tf32", "fp32", "bf16", "fp16"]
    glosses: Annotated[tuple[Text, ...], Field(min_length=1)]
    frame_size: Annotated[int, Field(strict=True, ge=1, le=LARGEST_SIDE)]
    frame_rate: Annotated[float, Field(strict=True, gt=0, le=1000, allow_inf_nan=False)]
    calibration: CalibrationEntry
    rendered: bool
    trained_on: ClipsEntry


FOR_ALL = (
    "glosses", "frame_size", "frame_rate", "calibration", "rendered", "train_state", "averaged_steps", "averaged",
)  # fmt: skip
"""Entries that are read in a file without a configuration too."""


def check_content(content: Any, path: str | Path) -> dict[Any, Any]:
    """Check what was read from the file of a checkpoint, of this project or another.

    Args:
        content: what the file holds.
        path: the file, whose size also bounds the tensors in it.

    Returns:
        the content.

    Raises:
        CheckpointError: it is no dictionary, its containers or tensors are endless, or an entry has the wrong type.
    """
    if not isinstance(content, dict):
        raise CheckpointError(f"{path} holds {type(content).__name__}, not a dictionary of weights")
    problem = find_excess(content)
    most_bytes = Path(path).stat().st_size + MOST_BYTES
    if not problem and _claims_too_much(content, most_bytes):
        problem = f"its tensors claim more than {most_bytes:,} bytes, which the file does not have"
    if problem:
        raise CheckpointError(f"{path} is refused: {problem}")
    known = content if "config" in content else {key: content[key] for key in FOR_ALL if key in content}
    check_entries(known, path)
    return content


def check_entries(entries: Mapping[Any, Any], path: str | Path) -> None:
    """Raise CheckpointError if an entry of this project that was read from a file has the wrong type."""
    try:
        TypeAdapter(CheckpointEntry).validate_python(dict(entries))
    except ValidationError as error:
        raise CheckpointError(f"{path} is damaged or was changed: {_describe_mistake(error)}") from None


def _claims_too_much(content: Any, most_bytes: int) -> bool:
    """Whether the tensors in containers that are not endless have more bytes than this together."""
    stack, size, seen = [content], 0, set()
    while stack:
        value = stack.pop()
        if isinstance(value, Mapping):
            stack += value.values()
        elif isinstance(value, (list, tuple)):
            stack += value
        elif isinstance(value, (Tensor, np.ndarray)) and id(value) not in seen:
            seen.add(id(value))
            size += value.numel() * value.element_size() if isinstance(value, Tensor) else value.nbytes
    return size > most_bytes


def _describe_mistake(error: ValidationError) -> str:
    """The first mistake as a sentence."""
    first = error.errors()[0]
    place = ".".join(str(part)[:80] for part in first["loc"])
    if first["type"] == "missing":
        return f"it lacks {place}"
    return f"{place} is {reprlib.repr(first['input'])}, where {first['msg'].lower().replace('tuple', 'list')}"
