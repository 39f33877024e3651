"""Writing the folder in which a network is shared (`utils.model_folder`); it is read back before it gets its name."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from math import isinf
from pathlib import Path, PurePath
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from config.decoding import drop_language_model
from config.layers import list_corpora
from config.load import parse_stored_config, to_dict, to_yaml
from config.schema import Config
from dataset.vocabulary import Vocabulary
from engine.checkpoint_config import OF_TRAINING
from evaluation.inference.recogniser import Recogniser
from evaluation.inference.torch_network import TorchNetwork
from utils.errors import InputError
from utils.files import atomic_folder, atomic_path, check_can_be_written, set_aside, write_json, write_text
from utils.model_folder import (
    CARD,
    CARRIED,
    CONFIG,
    DIGEST,
    FORMAT,
    GLOSSES,
    RECOGNITION,
    WEIGHTS,
    compute_digest,
    is_model_folder,
    read_model_folder,
)
from utils.text import show_text

OF_MACHINE = OF_TRAINING | {"num_worker", "loader_timeout"}
"""Keys of a configuration that say how a training was started and on which machine: nobody else has a use for them."""


@dataclass(frozen=True)
class Shared:
    """What a model folder holds beside its card.

    Attributes:
        weights: the weights by their names in `state_dict()`, on the CPU.
        config: the configuration, without what concerns one machine alone.
        glosses: the glosses in id order.
        notes: the entries of a checkpoint that recognition needs besides, as plain values.
    """

    weights: dict[str, Tensor]
    config: Config
    glosses: tuple[str, ...]
    notes: dict[str, Any]


def collect_shared(recogniser: Recogniser[TorchNetwork], content: Mapping[str, Any]) -> Shared:
    """What is to be shared of a network.

    Args:
        recogniser: the network, with its configuration and vocabulary.
        content: what its checkpoint holds.
    """
    state = recogniser.network.model.state_dict()
    # Copies: safetensors refuses weights that share memory, or that lie in it in another order.
    weights = {key: w.cpu().clone(memory_format=torch.contiguous_format) for key, w in state.items()}
    notes = {key: content[key] for key in CARRIED if key in content}
    if isinf(notes.get("train_state", {}).get("best_wer", 0.0)):  # not evaluated yet; JSON has no infinity
        notes["train_state"] = {key: value for key, value in notes["train_state"].items() if key != "best_wer"}
    plain = json.loads(json.dumps(notes))
    return Shared(weights, remove_machine(recogniser.config), recogniser.vocabulary.stored, plain)


def remove_machine(config: Config) -> Config:
    """A configuration without names of folders outside the clone, and without what only one machine needs.

    A language model is a file of its own, and what was chosen for it goes with it. It is of the phase `test`: others
    recognise with it, and one for features would need weights to train.
    """
    whole = drop_language_model(to_dict(config))
    kept = {key: value for key, value in whole.items() if key not in OF_MACHINE}
    for key in ("dataset_root", "prepared"):
        if not lies_in_clone(kept[key]):
            del kept[key]  # the corpus's own file says where it lies
    if config.dataset not in list_corpora():
        name = PurePath(config.dataset).name
        kept = {"dataset_root": f"./dataset/{name}", "prepared": f"./preprocess/{name}"} | kept
    for section, key in (("feeder_args", "features"), ("model_args", "pretrained")):
        value = kept[section][key]
        if value and not lies_in_clone(value):
            kept[section] = kept[section] | {key: show_text(PurePath(value).name)}
    return parse_stored_config(kept | {"phase": "test"}, "the checkpoint")


def lies_in_clone(path: str) -> bool:
    """Whether a path of a configuration tells nothing of the machine: it leads down from the folder of the clone."""
    parts = PurePath(path).parts
    return not PurePath(path).is_absolute() and not {"..", "~"} & set(parts) and show_text(path) == path


def check_place(out: Path, overwrite: bool) -> None:
    """Check, before anything is written, that a model folder can be.

    Raises:
        InputError: something is there that would be lost, or nothing can be written there.
    """
    if out.is_dir() and any(out.iterdir()):
        if not is_model_folder(out):
            raise InputError(f"--out {out} is a folder with other files in it: choose another name")
        if not overwrite:
            raise InputError(
                f"{out} is there already: choose another --out, or add --overwrite, which moves the old one aside"
            )
    check_can_be_written(out / WEIGHTS)


def write_model_folder(shared: Shared, card: str, out: Path) -> Path | None:
    """Write a model folder; it appears only if what is read back from it is what was to be written, bit by bit.

    Args:
        shared: what it is to hold.
        card: the text of its card.
        out: the folder. A model folder that is there is moved aside.

    Returns:
        the new name of the folder that was there, if one was.

    Raises:
        InputError: what was read back is something else.
        OSError: the disk is full, or `out` is taken by other files.
    """
    aside = None
    with atomic_folder(out) as folder:
        with atomic_path(folder / WEIGHTS) as file:
            save_file(shared.weights, file, metadata={"format": "pt"})
        write_text(folder / CONFIG, to_yaml(shared.config))
        Vocabulary(shared.glosses).save(folder / GLOSSES)
        digest = compute_digest(folder / WEIGHTS, shared.glosses)
        write_json(folder / RECOGNITION, {"format": FORMAT, DIGEST: digest} | shared.notes)
        write_text(folder / CARD, card)
        changed = find_changes(shared, folder)
        if changed:
            raise InputError(f"read back, the folder holds other {', '.join(changed)}; {out} was not written")
        if out.is_dir() and is_model_folder(out):
            aside = set_aside(out, "{stem}{suffix}-before-{number}")
    return aside


def find_changes(shared: Shared, folder: Path) -> list[str]:
    """What a model folder holds otherwise than it should: names of its files; none if it is equal."""
    found = read_model_folder(folder, folder)
    weights = found["model_state_dict"]
    same = {
        WEIGHTS: weights.keys() == shared.weights.keys()
        and all(are_same_bits(weights[key], weight) for key, weight in shared.weights.items()),
        CONFIG: parse_stored_config(found["config"], folder) == shared.config,
        GLOSSES: tuple(found["glosses"]) == shared.glosses,
        RECOGNITION: {key: found[key] for key in CARRIED if key in found} == shared.notes,
    }
    return [name for name, is_same in same.items() if not is_same]


def are_same_bits(one: Tensor, other: Tensor) -> bool:
    """Whether two tensors have one type, one shape and the same bytes."""
    if one.dtype != other.dtype or one.shape != other.shape:
        return False
    return torch.equal(one.reshape(-1).view(torch.uint8), other.reshape(-1).view(torch.uint8))
