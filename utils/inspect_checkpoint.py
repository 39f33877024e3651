"""Say what a checkpoint holds: python -m utils.inspect_checkpoint FILE [--glosses] [--keys]

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

from utils.architecture import as_yaml, detect_architecture, detect_foreign_system
from utils.checkpoint import extract_weights, load_checkpoint
from utils.errors import InputError
from utils.hub import find_checkpoint
from utils.model_folder import WEIGHTS, is_model_folder
from utils.output import run_command
from utils.systems import describe_system
from utils.table import format_table
from utils.text import plural, shorten

EXPLAINED = {
    "model_state_dict",
    "raw_state_dict",
    "averaged_steps",
    "averaged",
    "train_state",
    "epoch",
    "config",
    "glosses",
    "frame_size",
    "frame_rate",
    "rendered",
    "calibration",
}
"""Entries of a checkpoint that are described in a line of their own."""


def inspect_checkpoint(path: str | Path) -> list[tuple[str, str]]:
    """Describe what a checkpoint holds, as (label, text) of each line.

    Raises:
        CheckpointError: the file cannot be read, is refused, or holds no weights.
    """
    content = load_checkpoint(path)
    weights = extract_weights(content, str(path))
    local = find_checkpoint(path)
    shared = is_model_folder(local)
    size = (local / WEIGHTS if shared else local).stat().st_size
    lines = [
        ("folder" if shared else "file", f"{path}, {size / 2**20:.1f} MiB"),
        ("kind", "a model folder of this project" if shared else describe_kind(content)),
    ]
    lines += describe_training(content)
    lines += describe_average(content)
    lines += describe_network(weights)
    lines += describe_vocabulary(content)
    lines += [("frames", describe_frames(content)), ("confidences", describe_calibration(content))]
    types = Counter(str(w.dtype).removeprefix("torch.") for w in weights.values())
    numbers = sum(w.numel() for w in weights.values())
    by_type = ", ".join(f"{count} {name}" for name, count in types.most_common())
    lines.append(("weights", f"{numbers:,} numbers in {len(weights)} tensors ({by_type})"))
    others = [f"{cut(key)} ({describe_value(value)})" for key, value in content.items() if is_other(content, key)]
    return [*lines, ("also holds", ", ".join(others) or "nothing")]


def describe_kind(content: Mapping[str, Any]) -> str:
    """Which program wrote such a file."""
    if "config" in content and "model_state_dict" in content:
        return "a checkpoint of this project"
    if "model_state_dict" in content:
        return "a checkpoint as this family of repositories publishes them"
    return "a bare state dict"


def describe_training(content: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Corpus, epoch and best WER, as far as the file says."""
    state, config = (content[key] if isinstance(content.get(key), Mapping) else {} for key in ("train_state", "config"))
    wer = (
        f"{state['best_wer']:.2f} % on dev, in epoch {state['best_epoch']}"
        if state.get("best_epoch") and "best_wer" in state
        else "not recorded"
    )
    layout = "built-in rendered corpus, in the layout of " if content.get("rendered") else ""
    return [
        ("corpus", layout + cut(config.get("dataset", "not recorded"))),
        ("epoch", cut(state.get("epoch", content.get("epoch", "not recorded")))),
        ("best WER", wer),
    ]


def describe_average(content: Mapping[str, Any]) -> list[tuple[str, str]]:
    """That the weights are an average; nothing where they are those that were trained."""
    if "averaged" in content:
        files, clips = content["averaged"]["files"], content["averaged"]["clips"]
        by = f"from {plural(clips, 'training clip')}" if clips else "averaged too"
        return [("average", f"the mean of {len(files)} files: {shorten(map(cut, files))}; BatchNorm's statistics {by}")]
    if "raw_state_dict" not in content:
        return []
    over = f" over {plural(content['averaged_steps'], 'step')}" if "averaged_steps" in content else ""
    config = content["config"] if isinstance(content.get("config"), Mapping) else {}
    text = f"the weights are a moving average{over}, ema {cut(config.get('ema', 'not recorded'))}"
    return [("average", f"{text}; the trained ones stand in raw_state_dict, for resuming")]


def describe_network(weights: Mapping[str, Tensor]) -> list[tuple[str, str]]:
    """The system, and the settings of the network, as its weights tell them."""
    foreign = detect_foreign_system(weights)
    if foreign:
        return [("system", f"{foreign}, which is not supported")]
    architecture = detect_architecture(weights)
    told = {key: "not told by the weights" if v is None else as_yaml(v) for key, v in vars(architecture).items()}
    return [("system", describe_system(architecture)), *((key.replace("_", " "), text) for key, text in told.items())]


def describe_frames(content: Mapping[str, Any]) -> str:
    """The size of the frames, and how many a second there were in training."""
    size, rate = content.get("frame_size"), content.get("frame_rate")
    known = f"{size}x{size} before the crop" if size else "size not recorded"
    return f"{known}, {rate:.4g} a second" if rate else known


def describe_calibration(content: Mapping[str, Any]) -> str:
    """Whether the network's confidences are probabilities, and by what."""
    held = content.get("calibration")
    if not held:
        return "not calibrated: shares of the n-best list"
    return f"calibrated on {plural(held['clips'], 'clip')} and {plural(held['glosses'], 'gloss', 'glosses')} of dev"


def describe_vocabulary(content: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The number of glosses and the first of them."""
    held: Sequence[str] | None = content.get("glosses")
    if not held:
        return [("glosses", "none: the dictionary must be given with --dict")]
    return [("glosses", f"{len(held)}: {shorten(map(cut, held), most=8)}")]


def is_other(content: Mapping[str, Any], key: Any) -> bool:
    """Whether an entry is neither explained nor one of a bare state dict's weights."""
    # The weights of a bare state dict stand beside one another; they are counted in a line of their own.
    return key not in EXPLAINED and ("model_state_dict" in content or not isinstance(content[key], Tensor))


def describe_value(value: Any) -> str:
    """A value in a word or two."""
    if isinstance(value, Mapping) and len(value) > 6:
        return f"{len(value)} entries"
    if isinstance(value, Mapping):
        return ", ".join(map(cut, value)) or "empty"
    return cut(value) if isinstance(value, (bool, int, float, str)) else type(value).__name__


def cut(value: object) -> str:
    """A value as text of at most 60 characters: a file may hold anything."""
    text = str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def format_weights(path: str | Path) -> str:
    """Format a table of every weight: name, shape and type."""
    weights = extract_weights(load_checkpoint(path), str(path))
    rows = [(cut(name), str(tuple(w.shape)), str(w.dtype).removeprefix("torch.")) for name, w in weights.items()]
    return format_table(("weight", "shape", "type"), rows)


def main(args: argparse.Namespace) -> None:
    """Print what the file holds; exits with one message where it cannot be read."""
    try:
        lines = inspect_checkpoint(args.file)
        print("\n".join(f"{label:<17} {text}" for label, text in lines))
        if args.glosses:
            held = load_checkpoint(args.file).get("glosses") or ()
            print("", *(f"{number:>5} {gloss}" for number, gloss in enumerate(held, start=1)), sep="\n")
        if args.keys:
            print(f"\n{format_weights(args.file)}")
    except InputError as error:
        sys.exit(f"error: {error}")


def parse_args(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", metavar="FILE", help="checkpoint, model folder, or repository on the Hugging Face Hub")
    parser.add_argument("--glosses", action="store_true", help="list every gloss that the network knows")
    parser.add_argument("--keys", action="store_true", help="list every weight with its shape")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    run_command(lambda: main(parse_args()))
