"""Load the page's server: python -m benchmarks.page_load --model_path work_dir/quickstart/best.pt --video_path clip.mp4

Starts `python -m page`, and opens several pages at once, which send the video again and again; every fourth one plays
it to the server as a camera instead. Counts the answers, what was said about places in the queue, and what went wrong,
and watches the memory of the server.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import re
import signal
import struct
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
from websockets.sync.client import ClientConnection, connect

from dataset.video import open_video
from utils.arguments import named_path, whole_number
from utils.errors import InputError
from utils.output import run_command
from utils.table import format_table

CAMERA_EVERY = 4
"""Of so many pages one is a camera."""
LONGEST_WAIT = 300.0
"""Seconds after the end in which answers that are due must have come."""


class LoadPage:
    """One page that sends again and again.

    Attributes:
        counts: how often what came.
        places: the places in the queue that it was told.
    """

    def __init__(self, port: int, video: bytes, pictures: Sequence[tuple[float, bytes]] | None) -> None:
        """`pictures` are those of a camera with their seconds; None: the video is sent."""
        self.counts: Counter[str] = Counter()
        self.places: Counter[int] = Counter()
        self._port = port
        self._video = video
        self._pictures = pictures

    def run(self, until: float) -> None:
        """Send until a time of the monotonic clock; what goes wrong is counted."""
        try:
            with connect(f"ws://127.0.0.1:{self._port}/api/session", open_timeout=60) as talk:
                id = json.loads(talk.recv(60))["id"]
                while time.monotonic() < until:
                    if self._pictures is None:
                        self._send_video(id)
                    else:
                        self._play(talk, self._pictures)
                    self.counts[self._wait_for(talk, "transcript", "failed")["type"]] += 1
        except Exception as error:  # whatever it is: the table shows it
            self.counts[f"{type(error).__name__}: {error}"[:60]] += 1

    def _send_video(self, id: str) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=LONGEST_WAIT)
        connection.request("POST", f"/api/session/{id}/video", self._video, {"X-File-Name": "clip.mp4"})
        status = connection.getresponse().status
        connection.close()
        if status != 202:
            raise InputError(f"the upload was refused with {status}")

    def _play(self, talk: ClientConnection, pictures: Sequence[tuple[float, bytes]]) -> None:
        talk.send('{"type": "camera", "action": "start"}')
        self._wait_for(talk, "camera")
        begin = time.monotonic()
        for seconds, jpeg in pictures:
            time.sleep(max(0.0, begin + seconds - time.monotonic()))
            talk.send(struct.pack("<d", seconds) + jpeg)
        talk.send('{"type": "camera", "action": "stop"}')

    def _wait_for(self, talk: ClientConnection, *kinds: str) -> dict[str, Any]:
        while True:
            message: dict[str, Any] = json.loads(talk.recv(LONGEST_WAIT))
            if message["type"] == "queue":
                self.places[message["place"]] += 1
            if message["type"] in kinds:
                return message


@contextmanager
def start_server(model: Path) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Start the server; gives its process and its port."""
    command = [sys.executable, "-m", "page", "--model_path", str(model), "--port", "0"]
    with subprocess.Popen(command, cwd=Path(__file__).parents[1], text=True, stdout=subprocess.PIPE) as process:
        try:
            for line in process.stdout or ():
                if found := re.search(r"the page is at http://\S+?:(\d+)/", line):
                    yield process, int(found[1])
                    break
            else:
                raise InputError("the server did not start")
        finally:
            process.send_signal(signal.SIGINT)


def read_memory(process: int) -> float:
    """The MiB that a process has in memory, as Linux counts them."""
    pages = int(Path(f"/proc/{process}/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def load_pictures(path: Path) -> list[tuple[float, bytes]]:
    """The frames of a video as JPEG, each with the second at which it comes on."""
    video = open_video(path, 25.0)
    frames = video.frames(range(video.num_frames))
    encoded = [cv2.imencode(".jpg", frame[..., ::-1])[1].tobytes() for frame in frames]
    return list(zip(video.times[:-1].tolist(), encoded, strict=True))


def main(args: argparse.Namespace) -> int:
    """Load the server and print a table; the status is 1 if anything went wrong."""
    video, pictures = args.video_path.read_bytes(), load_pictures(args.video_path)
    with start_server(args.model_path) as (process, port):
        is_camera = [number % CAMERA_EVERY == CAMERA_EVERY - 1 for number in range(args.pages)]
        pages = [LoadPage(port, video, pictures if camera else None) for camera in is_camera]
        until = time.monotonic() + args.seconds
        threads = [threading.Thread(target=page.run, args=[until], daemon=True) for page in pages]
        for thread in threads:
            thread.start()
        memory = [read_memory(process.pid)]
        while any(thread.is_alive() for thread in threads) and time.monotonic() < until + LONGEST_WAIT:
            time.sleep(0.5)
            if process.poll() is not None:
                raise InputError(f"the server ended with {process.returncode} under load")
            memory.append(read_memory(process.pid))
    rows = [
        [f"{number + 1}{' (camera)' if camera else ''}", str(page.counts["transcript"]), describe(page.places),
         describe(page.counts - Counter(transcript=page.counts["transcript"])) or "nothing"]
        for number, (page, camera) in enumerate(zip(pages, is_camera, strict=True))
    ]  # fmt: skip
    print(format_table(["page", "answers", "place in the queue: how often", "went wrong"], rows))
    third = max(1, len(memory) // 3)
    growth = max(memory[-third:]) - max(memory[third : 2 * third] or memory)
    print(f"memory: {memory[0]:.0f} MiB at first, {max(memory):.0f} at most, {memory[-1]:.0f} at the end")
    print(f"the highest of the last third is {growth:+.0f} MiB from that of the second")
    wrong = any(row[-1] != "nothing" for row in rows) or any(thread.is_alive() for thread in threads)
    return int(wrong or not all(page.counts["transcript"] for page in pages))


def describe(counts: Counter[Any]) -> str:
    """What was counted, in order."""
    return ", ".join(f"{what}: {count}" for what, count in sorted(counts.items(), key=lambda item: str(item[0])))


def parse_args(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model_path", type=named_path, required=True, metavar="FILE", help="the network")
    parser.add_argument("--video_path", type=named_path, required=True, metavar="FILE", help="a short video")
    parser.add_argument("--pages", type=whole_number(1, 30), default=8, help="open at once (%(default)s)")
    parser.add_argument("--seconds", type=whole_number(1, 3600), default=60, help="of load (%(default)s)")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    run_command(lambda: main(parse_args()))
