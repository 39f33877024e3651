"""Checkpoints on the Hugging Face Hub: `owner/name` is the name of a repository there, if no such path is here.

The address of its page will do as well, in which a `Path` leaves one slash of two.

What is fetched is kept in the Hub's own cache. Its package is optional: `pip install huggingface_hub`.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from utils.checkpoint_file import CheckpointError
from utils.model_folder import FILES, is_model_folder

NAME = re.compile(
    r"(?:https://?huggingface\.co/)?([a-zA-Z0-9][\w.-]*)/([a-zA-Z0-9_][\w.-]*)(?:@([\w][\w./-]*))?", re.ASCII
)
OF_FILES = {".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".tar", ".bin", ".onnx", ".ts", ".pt2", ".safetensors"}
"""Endings by which a name is that of a file, and no repository's."""
INSTALL = 'python -m pip install "huggingface_hub>=0.30"'


@dataclass(frozen=True)
class Repository:
    """A repository on the Hub, in a branch, tag or commit if one is named."""

    name: str
    revision: str | None = None


def parse_repository(text: str) -> Repository | None:
    """The repository that a name such as `owner/name` or `owner/name@revision` can mean; None if it is a path.

    Raises:
        CheckpointError: it can be both, and its folder is here: then it is taken for a mistyped path.
    """
    found = NAME.fullmatch(text)
    if not found or ".." in text or "--" in found[1] + found[2]:
        return None
    if Path(text).suffix.lower() in OF_FILES or os.path.lexists(text):
        return None
    if os.path.lexists(found[1]):
        raise CheckpointError(
            f"there is no checkpoint {text}; since {found[1]} is here, it was not looked for on the Hugging Face Hub"
        )
    return Repository(f"{found[1]}/{found[2]}", found[3])


def find_checkpoint(path: str | Path) -> Path:
    """Where a checkpoint lies on this machine: the path itself, or, for a repository, its folder in the Hub's cache.

    Raises:
        CheckpointError: nothing of this name can be had; says why.
    """
    repository = parse_repository(str(path))
    if not repository:
        return Path(path)
    folder = fetch(repository)
    if not is_model_folder(folder):
        raise CheckpointError(
            f"{path} on the Hugging Face Hub is no network of this project, as `engine.export --format safetensors` "
            "writes them"
        )
    return folder


@cache  # once for each process: a run that reads its weights several times must get the same ones
def fetch(repository: Repository) -> Path:
    """Fetch the model folder in a repository, as far as the cache does not hold it.

    Returns:
        the folder in the cache.

    Raises:
        CheckpointError: it cannot be fetched; says why.
    """
    name = repository.name
    nowhere = f"there is no file or folder {name} here"
    try:
        from huggingface_hub import errors, snapshot_download  # noqa: PLC0415  an optional package
    except ImportError:
        raise CheckpointError(
            f"{nowhere}; if it is a repository on the Hugging Face Hub, install what fetches it: {INSTALL}"
        ) from None
    try:
        return Path(snapshot_download(name, revision=repository.revision, allow_patterns=list(FILES)))
    except errors.GatedRepoError:
        problem = f"{name} is open only to those who accept its terms: do so on its page, then run `hf auth login`"
    except errors.RepositoryNotFoundError:
        problem = (
            f"{nowhere}, and no repository of this name on the Hugging Face Hub that you may read; check the spelling, "
            "and run `hf auth login` if it is private"
        )
    except errors.RevisionNotFoundError:
        problem = f"{name} on the Hugging Face Hub has no branch, tag or commit {repository.revision}"
    except errors.LocalEntryNotFoundError:
        problem = (
            f"{nowhere}, and the Hugging Face Hub cannot be reached to look for a repository of this name, which was "
            "not fetched before; check the path or the network"
        )
    except Exception as error:  # the network's libraries have errors of many kinds
        problem = f"{name} could not be fetched from the Hugging Face Hub: {' '.join(str(error).split())[:300]}"
    raise CheckpointError(problem)
