"""Show the glosses of videos and of a camera on a page in the browser, read by a trained network on this machine.

python -m page --model_path work_dir/quickstart/best.pt
python -m page --model_path best.pt --host 0.0.0.0 --token SECRET
"""

import argparse
import importlib.util
import ipaddress
import re
import secrets
import signal
import sys
from collections.abc import Sequence
from typing import NoReturn

from evaluation.inference.options import add_decoding_options, add_network_options, add_option
from preprocess.corpora.registry import LANGUAGES
from utils.arguments import whole_number
from utils.errors import InputError
from utils.output import run_command
from utils.patience import LOADING, say_if_long

PACKAGES = ("starlette", "uvicorn", "websockets")
"""What requirements-page.txt installs for the server."""
SHORTEST_TOKEN = 12
TOKEN = re.compile(r"[A-Za-z0-9_~.-]+")  # what stands in an address as it is
MOST_UPLOAD = 1 << 20  # MiB


def parse_args(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m page",
        description=__doc__.splitlines()[0],
        allow_abbrev=False,
        epilog="Uploaded videos and recordings of a camera lie in a temporary folder until their page is closed. "
        "Ctrl-C ends the server.",
    )
    add_network_options(parser, LANGUAGES, several=True)
    add_decoding_options(parser)
    add_option(
        parser,
        "host",
        default="127.0.0.1",
        metavar="ADDRESS",
        help="the address to listen on (%(default)s: this machine alone); another one needs --token",
    )
    port = whole_number(0, 65535)
    add_option(parser, "port", type=port, default=8000, metavar="N", help="the port; 0: any (%(default)s)")
    add_option(
        parser,
        "token",
        metavar="SECRET",
        help="let in only those who know it: it is part of the address that is printed",
    )
    add_option(
        parser,
        "max_upload",
        type=whole_number(1, MOST_UPLOAD),
        default=512,
        metavar="MIB",
        help="the size of an uploaded video, and of what is kept of a camera, in MiB, at most (%(default)s)",
    )
    args = parser.parse_args(arguments)
    check_token(parser, args)
    return args


def check_token(parser: argparse.ArgumentParser, args: argparse.Namespace) -> None:
    """End with a message if the server would be open to other machines without a token that is hard to guess."""
    example = f"such as --token {secrets.token_urlsafe(16)}"
    if args.token is None:
        if not is_local(args.host):
            parser.error(f"--host {args.host} lets other machines in: give a secret that they must know, {example}")
    elif len(args.token) < SHORTEST_TOKEN or not TOKEN.fullmatch(args.token):
        parser.error(f"--token must have {SHORTEST_TOKEN} or more of the characters A-Z a-z 0-9 - _ . ~, {example}")


def is_local(host: str) -> bool:
    """Whether only this machine reaches an address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def main(args: argparse.Namespace) -> None:
    """Serve the page until Ctrl-C; exits with one message where that is impossible."""
    missing = [name for name in PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        sys.exit(
            f"error: the page needs packages that are missing ({', '.join(missing)}): "
            "python -m pip install -r requirements-page.txt"
        )
    signal.signal(signal.SIGTERM, interrupt)
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is signal.SIG_DFL:  # nohup lets it go on
        signal.signal(signal.SIGHUP, lambda *_: signal.raise_signal(signal.SIGTERM))
    try:
        # Imported here because it brings PyTorch, which takes seconds: a mistake in typing is answered at once.
        with say_if_long(LOADING):
            from page.serve import serve  # noqa: PLC0415

        serve(args)
    except (InputError, OSError) as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        print("stopped")


def interrupt(*_: object) -> NoReturn:
    """End as by Ctrl-C."""
    raise KeyboardInterrupt


if __name__ == "__main__":
    run_command(lambda: main(parse_args()))
