"""What a checkpoint holds: python -m utils.inspect_checkpoint FILE [--keys]

Nothing in the file is run; one that would run code is refused.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from utils.architecture import architecture_of, shown
from utils.checkpoint import extract_weights, load_checkpoint
from utils.errors import InputError
from utils.table import format_table

EXPLAINED = {"model_state_dict", "train_state", "epoch", "config", "glosses", "frame_size"}
"""Entries of a checkpoint that have a line of their own."""


def inspect(path: str | Path) -> list[tuple[str, str]]:
    """What a file holds, as (label, text).

    Raises:
        CheckpointError: it cannot be read, is refused, or holds no weights.
    """
    content = load_checkpoint(path)
    weights = extract_weights(content, str(path))
    lines = [("file", f"{path}, {Path(path).stat().st_size / 2**20:.1f} MiB"), ("kind", kind(content))]
    lines += training(content)
    lines += network(weights)
    lines += vocabulary(content)
    frame_size = content.get("frame_size")
    lines.append(("frames", f"{frame_size}x{frame_size} before the crop" if frame_size else "size not said"))
    types = Counter(str(w.dtype).removeprefix("torch.") for w in weights.values())
    numbers = sum(w.numel() for w in weights.values())
    listed = ", ".join(f"{count} {name}" for name, count in types.most_common())
    lines.append(("weights", f"{numbers:,} numbers in {len(weights)} tensors ({listed})"))
    others = [f"{key} ({described(value)})" for key, value in content.items() if is_other(content, key)]
    return [*lines, ("also holds", ", ".join(others) or "nothing")]


def kind(content: Mapping[str, Any]) -> str:
    """Whose file it is."""
    if "config" in content and "model_state_dict" in content:
        return "a checkpoint of this project"
    if "model_state_dict" in content:
        return "a checkpoint as this family of repositories publishes them"
    return "a bare state dict"


def training(content: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Corpus, epoch and best WER, as far as the file says."""
    state, config = (content[key] if isinstance(content.get(key), Mapping) else {} for key in ("train_state", "config"))
    wer = f"{state['best_wer']:.2f} % on dev, in epoch {state['best_epoch']}" if state.get("best_epoch") else "not said"
    return [
        ("corpus", str(config.get("dataset", "not said"))),
        ("epoch", str(state.get("epoch", content.get("epoch", "not said")))),
        ("best WER", wer),
    ]


def network(weights: Mapping[str, Tensor]) -> list[tuple[str, str]]:
    """The network, as its weights tell it."""
    found = vars(architecture_of(weights))
    return [(key.replace("_", " "), "not told by the weights" if v is None else shown(v)) for key, v in found.items()]


def vocabulary(content: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Number of glosses and the first of them."""
    held: Sequence[str] | None = content.get("glosses")
    if not held:
        return [("glosses", "none: the dictionary must be given with --dict")]
    return [("glosses", f"{len(held)}: {', '.join(held[:8])}{', ...' if len(held) > 8 else ''}")]


def is_other(content: Mapping[str, Any], key: Any) -> bool:
    """Whether an entry is neither explained nor one of a bare state dict's weights."""
    return key not in EXPLAINED and ("model_state_dict" in content or not isinstance(content[key], Tensor))


def described(value: Any) -> str:
    """A value in a word or two."""
    if isinstance(value, Mapping):
        return f"{len(value)} entries" if len(value) > 6 else ", ".join(map(str, value)) or "empty"
    return str(value) if isinstance(value, (bool, int, float, str)) else type(value).__name__


def keys(path: str | Path) -> str:
    """A table of every weight: name, shape and type."""
    weights = extract_weights(load_checkpoint(path), str(path))
    rows = [(name, str(tuple(w.shape)), str(w.dtype).removeprefix("torch.")) for name, w in weights.items()]
    return format_table(("weight", "shape", "type"), rows)


def main(args: argparse.Namespace) -> None:
    """Print what the file holds; exits with one message where it cannot be read."""
    try:
        lines = inspect(args.file)
        print("\n".join(f"{label:<17} {text}" for label, text in lines))
        if args.keys:
            print(f"\n{keys(args.file)}")
    except InputError as error:
        sys.exit(f"error: {error}")


def parse_args(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", metavar="FILE", help="checkpoint")
    parser.add_argument("--keys", action="store_true", help="list every weight with its shape")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main(parse_args())
