"""Train or evaluate MSTFNet, or another system of its family.

python main.py --config ./config/baseline.yaml --device 0
python main.py --config ./config/baseline.yaml --system corrnet --device 0
python main.py --phase test --load-weights FILE --device 0
"""

import argparse
import json
import os
import re
import sys
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from typing import Any

from config.keys import list_keys, may_be_list
from config.load import BASELINE, load_config
from config.older_keys import RENAMED_KEYS
from config.schema import Config
from utils.errors import InputError, take_message
from utils.interruption import Interrupted
from utils.output import run_command
from utils.patience import LOADING, say_if_long

HELP = {
    "phase": "train, test or features",
    "system": "vac, smkd, tlp, corrnet or mstfnet: whose recipe and network count (default: mstfnet)",
    "device": "auto, cpu, mps, 0, cuda:0, ..., or several, as 0,1",
    "work_dir": "folder that everything is written to",
    "load_weights": "checkpoint, model folder or owner/name on the Hugging Face Hub, whose weights are taken; "
    "--phase test lets several read together",
    "tta": "flip: --phase test reads each clip mirrored too, and combines both",
    "load_checkpoints": "last.pt of a run to resume",
    "resume": "go on from work_dir/last.pt, or begin if there is none",
    "overwrite": "move an existing run folder aside",
    "take_over": "take work_dir although another run seems to write to it",
}
"""The keys that --help lists; config/baseline.yaml explains all of them."""
SETTING = re.compile(r"[\w.-]+=")
"""The beginning of a word that sets a key."""


def parse_args(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Parse the command line.

    Returns:
        `config`, the file, or None; `overrides`, the text given for each dotted key; and `words`, the command line as
        it was understood, for the processes that `--device 0,1` starts.
    """
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0],
        allow_abbrev=False,
        epilog="Every key of the configuration can be given as --key value or key=value, sections with dots: "
        "optimizer_args.base_lr=1e-3. config/baseline.yaml explains them all.",
    )
    without = "config/baseline.yaml; to test and for features the checkpoint's own"
    parser.add_argument("--config", metavar="FILE", help=f"YAML file (default: {without})")
    keys: dict[str, tuple[str, bool]] = {}
    for key, default in list_keys():
        names = dict.fromkeys(f"--{name}" for name in (key.replace("_", "-"), key))
        shown = HELP.get(key, argparse.SUPPRESS)
        switch: dict[str, Any] = {"nargs": "?"} if isinstance(default, bool) else {}
        parser.add_argument(*names, dest=key, metavar="VALUE", default=argparse.SUPPRESS, help=shown, **switch)
        keys |= {name: (key, bool(switch)) for name in names}
    for old, renamed in RENAMED_KEYS.items():  # a switch stays one, so that old commands work
        keys |= dict.fromkeys((f"--{old.replace('_', '-')}", f"--{old}"), (old, True in renamed.values))
    parser.add_argument("overrides", nargs="*", metavar="key=value", help="any key of the configuration")
    # argparse alone would lose the order of flags and key=value words.
    words = rewrite_flags(sys.argv[1:] if arguments is None else arguments, keys)
    args, unknown = parser.parse_known_intermixed_args(words)
    for text in args.overrides:
        if "=" not in text:
            parser.error(f"{text!r} is not of the form key=value")
    pairs = [text.removeprefix("--").partition("=") for text in [*args.overrides, *unknown]]
    overrides = {key.replace("-", "_"): value for key, _, value in pairs}
    return argparse.Namespace(config=args.config, overrides=overrides, words=words)


def rewrite_flags(words: Sequence[str], keys: Mapping[str, tuple[str, bool]]) -> list[str]:
    """Write each `--key VALUE` of a command line as `key=VALUE`, so that of two values for one key the later counts.

    A key that may hold a list takes all values that follow: `key=["VALUE", "VALUE"]`, which YAML reads.

    Args:
        words: the command line as it was typed.
        keys: the key of each flag, and whether it is a switch, which needs no value.

    Returns:
        the command line; an unknown flag keeps its value, so that the configuration's check names it.
    """
    out: list[str] = []
    rest = list(words)
    while rest:
        flag, separator, value = rest.pop(0).partition("=")
        key, is_switch = keys.get(flag, ("", False))
        follows = bool(rest) and not rest[0].startswith("--") and not (is_switch and "=" in rest[0])
        if separator or not flag.startswith("--") or flag in {"--config", "--help"}:
            out.append(f"{key or flag}{separator}{value}")
        elif key and (follows or is_switch):
            values = [rest.pop(0) if follows else "true"]
            while may_be_list(key) and rest and not rest[0].startswith("--") and not SETTING.match(rest[0]):
                values.append(rest.pop(0))
            out.append(f"{key}={values[0] if len(values) == 1 else json.dumps(values, ensure_ascii=False)}")
        else:
            out.append(f"{flag}={rest.pop(0)}" if follows and "=" not in rest[0] else flag)
    return out


def choose_config(path: str | None, overrides: Mapping[str, str]) -> tuple[Config, list[str]]:
    """The configuration of a run, and lines for its log; arguments and errors are those of `load_evaluation_config`."""
    trains_nothing = overrides.get("phase") in {"test", "features"}
    if path or not trains_nothing:
        config, notes = load_config(path or BASELINE, overrides)
        if config.phase == "train":
            if not (config.resume or config.load_checkpoints):
                return config, notes
            from engine.resumed_config import load_training_config  # noqa: PLC0415  it brings PyTorch

            return load_training_config(path, overrides)
    from engine.checkpoint_config import load_evaluation_config  # noqa: PLC0415  it too

    return load_evaluation_config(path, overrides)


def main(args: argparse.Namespace) -> None:
    """Run what the command line asks for; exits with one message where that is impossible."""
    try:
        config, notes = choose_config(args.config, args.overrides)
        # These imports bring PyTorch: neither --help nor a misspelt key has to wait for it.
        alone = "LOCAL_RANK" not in os.environ  # else one of several processes, which need not all say the same
        with say_if_long(LOADING) if alone else nullcontext():
            from engine.distributed import run_in_processes, split_device_names  # noqa: PLC0415
            from engine.run import run  # noqa: PLC0415
            from utils.ranks import local_rank  # noqa: PLC0415

        devices = split_device_names(config.device)
        if len(devices) > 1 and local_rank() is None:  # in the processes that this starts there is a local rank
            sys.exit(run_in_processes(devices, [__file__, *args.words]))
        run(config, notes)
    except (InputError, OSError) as error:
        sys.exit(f"error: {take_message(error)}")
    except Interrupted as stop:
        way = "with --resume goes on" if config.phase == "train" else "begins anew"
        print(f"{stop}{', and' if 'saved' in str(stop) else ';'} the same command {way}", file=sys.stderr)
        sys.exit(stop.status)
    except KeyboardInterrupt:
        print("interrupted; a training goes on from what was last saved with --resume", file=sys.stderr)
        sys.exit(130)


if __name__ == "__main__":
    run_command(lambda: main(parse_args()))
