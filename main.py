"""Train or evaluate MSTFNet.

python main.py --config ./config/baseline.yaml --device 0
python main.py --config ./config/baseline.yaml --device 0 --load-weights FILE --phase test
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Any

from config.load import leaf_keys, load_config
from utils.errors import InputError

HELP = {
    "phase": "train or test",
    "device": "auto, cpu, mps, 0, cuda:0, ...",
    "work_dir": "folder that everything is written to",
    "load_weights": "checkpoint to take weights from",
    "load_checkpoints": "last.pt of a run to resume",
    "overwrite": "move an existing run folder aside",
}


def parse_args(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line: `config`, and `overrides`, which maps dotted keys to the text given for them."""
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0],
        allow_abbrev=False,
        epilog="Every key of the configuration can be given as --key value or key=value, sections with dots: "
        "optimizer_args.base_lr=1e-3. config/baseline.yaml explains them all.",
    )
    parser.add_argument("--config", metavar="FILE", default="config/baseline.yaml", help="YAML file (%(default)s)")
    for key, default in leaf_keys():
        names = dict.fromkeys(f"--{name}" for name in (key.replace("_", "-"), key))
        shown = HELP.get(key, argparse.SUPPRESS)
        switch: dict[str, Any] = {"nargs": "?", "const": "true"} if isinstance(default, bool) else {}
        parser.add_argument(*names, dest=key, metavar="VALUE", default=argparse.SUPPRESS, help=shown, **switch)
    parser.add_argument("overrides", nargs="*", metavar="key=value", help="any key of the configuration")
    args, unknown = parser.parse_known_intermixed_args(arguments)
    given = vars(args)
    overrides = {key: given[key] for key, _ in leaf_keys() if key in given}
    overrides |= dict(split_override(text, parser) for text in [*args.overrides, *unknown])
    return argparse.Namespace(config=args.config, overrides=overrides)


def split_override(text: str, parser: argparse.ArgumentParser) -> tuple[str, str]:
    """("key", "value") of `key=value` or of an unknown `--key=value`; the configuration refuses unknown keys."""
    key, separator, value = text.partition("=")
    if not separator and not text.startswith("--"):
        parser.error(f"{text!r} is not of the form key=value")
    return key.removeprefix("--").replace("-", "_"), value


def main(args: argparse.Namespace) -> None:
    """Run what the command line asks for; exits with one message where that is impossible."""
    try:
        config, notes = load_config(args.config, args.overrides)
        from engine.run import run  # noqa: PLC0415  brings PyTorch, for which neither --help nor a typing error waits

        run(config, notes)
    except InputError as error:
        # An error in a worker process arrives with that process's traceback before its message.
        sys.exit(f"error: {str(error).rpartition(f'{type(error).__name__}: ')[2].strip()}")
    except KeyboardInterrupt:
        sys.exit("interrupted; --load-checkpoints WORK_DIR/last.pt goes on after the last whole epoch")


if __name__ == "__main__":
    main(parse_args())
