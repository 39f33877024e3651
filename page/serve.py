"""Running the server: its port, its network, its folder, and its end."""

from __future__ import annotations

import argparse
import asyncio
import errno
import logging
import socket
import tempfile

import uvicorn

from evaluation.inference.live_speed import MEASURING, choose_settings, measure_speed
from evaluation.inference.read_clips import load_chosen
from page.app import make_app
from page.guests import Connection
from page.model import LoadedModel, take_stamp
from page.site import Site
from preprocess.corpora.registry import LANGUAGES
from utils.errors import InputError
from utils.files import real_path
from utils.patience import say_if_long

EVERYWHERE = {"0.0.0.0", "::"}  # all addresses of this machine, and none that a browser could open
MOST_CONNECTIONS = 256
LONGEST_MESSAGE = 4 * 2**20  # bytes of a message of a WebSocket: a picture of a 4K camera is smaller
GRACE = 5  # seconds that open requests get at the end


def serve(args: argparse.Namespace) -> None:
    """Load the network and serve the page until the process is interrupted.

    Raises:
        InputError: the network cannot be had, or the address is not free.
        KeyboardInterrupt: the end that the user wanted.
    """
    with open_port(args.host, args.port) as listening:  # before the network, which takes long to load
        model = load_model(args)
        # Its path without links, which messages about videos name.
        with tempfile.TemporaryDirectory(prefix="mstfnet-page-", ignore_cleanup_errors=True) as folder:
            site = Site(model, real_path(folder), args.max_upload * 2**20)
            for line in describe_address(args, listening.getsockname()[1]):
                print(line, flush=True)
            try:
                make_server(site, args.host, args.token).run(sockets=[listening])
            finally:
                site.queue.stop()


def open_port(host: str, port: int) -> socket.socket:
    """Listen on a port.

    Raises:
        InputError: it is taken, not allowed, or the address is not this machine's.
    """
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        listening = socket.create_server((host, port), family=family)
        # What is sent goes out at once: connections have this from here, and asyncio sets it only for sockets that
        # name their protocol. Else every second small message waits 40 ms for the browser to say that it has the first.
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return listening
    except OSError as error:
        remedy = f"choose another --port: {error.strerror}"
        if error.errno == errno.EADDRINUSE:
            remedy = "another program uses it, perhaps this one in another window: end that, or choose another --port"
        elif isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL:
            remedy = f"the address is not one of this machine's ({error.strerror}): choose another --host"
        raise InputError(f"port {port} of {host} cannot be opened: {remedy}") from error


def load_model(args: argparse.Namespace) -> LoadedModel:
    """Load the network, or several, as `test_one_video.py` does."""
    stamp = take_stamp(args.model_path)
    recogniser = load_chosen(args, LANGUAGES)
    with say_if_long(MEASURING):
        live, lines = choose_settings(recogniser, measure_speed(recogniser))
    print(*lines, sep="\n", flush=True)
    return LoadedModel(recogniser, tuple(args.model_path), stamp, live, tuple(lines))


def describe_address(args: argparse.Namespace, port: int) -> list[str]:
    """Say where the page is, and to whom it is open."""
    shown = socket.gethostname() if args.host in EVERYWHERE else f"[{args.host}]" if ":" in args.host else args.host
    address = f"http://{shown}:{port}/" + (f"?token={args.token}" if args.token else "")
    lines = [f"the page is at {address}", "Ctrl-C ends it"]
    if args.token:
        lines.insert(
            0,
            "warning: whoever can reach this machine and knows the token can use the page. What is sent is not "
            "encrypted: use it in a network that you trust, or through an SSH tunnel (docs/page.md)",
        )
    return lines


def is_worth_saying(record: logging.LogRecord) -> bool:
    """Whether a line of uvicorn's log is for the terminal: that the end cuts off answers not taken in time is not."""
    cut = record.exc_info is not None and isinstance(record.exc_info[1], asyncio.CancelledError)
    return not cut and not record.getMessage().startswith("Cancel ")


def make_server(site: Site, host: str, token: str | None) -> uvicorn.Server:
    """Make the server, which then runs on an open port until the process is interrupted."""
    logging.getLogger("uvicorn.error").addFilter(is_worth_saying)
    config = uvicorn.Config(
        make_app(site, host, token),
        loop="asyncio",
        http=Connection,
        ws_max_size=LONGEST_MESSAGE,
        ws_per_message_deflate=False,  # pictures are compressed, and a small message cannot become a large one
        lifespan="off",
        log_config=None,
        log_level="error",
        access_log=False,  # addresses hold the token
        proxy_headers=False,
        server_header=False,
        limit_concurrency=MOST_CONNECTIONS,
        timeout_graceful_shutdown=GRACE,
    )
    return uvicorn.Server(config)
