"""Reading a stream, with a line for each gloss as soon as it is final."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from evaluation.ctm import CtmWord
from evaluation.inference.formats import save_transcript
from evaluation.inference.frame_source import FrameSource
from evaluation.inference.live import Event, LiveRecogniser
from evaluation.inference.live_speed import MEASURING, choose_settings, measure_speed
from evaluation.inference.notes import UNCALIBRATED
from evaluation.inference.outputs import NAME, describe_saved
from evaluation.inference.reading import Reading
from evaluation.inference.recogniser import Recogniser
from evaluation.inference.transcript import WARNING, Transcript
from utils.errors import InputError
from utils.interruption import Interrupted, Interruption
from utils.patience import say, say_if_long
from utils.progress import is_terminal
from utils.table import measure_width

IDLE = 0.02
"""Seconds between two looks at a stream of which nothing is to be read yet."""
HEAD = f"{'start':>8} {'end':>8} {'confidence':>10}  gloss"


class LiveScreen:
    """Shows the glosses of a stream: final ones on lines of their own, on standard output.

    What may still change stands in one line under them, and only on a terminal.

    Attributes:
        notices: what was to be noticed until now, as sentences.
    """

    def __init__(self) -> None:
        self.notices: list[str] = []
        self._shown = 0  # columns of the line of provisional glosses

    def show(self, events: Iterable[Event], provisional: Sequence[CtmWord]) -> None:
        """Print what is final, or to be noticed, and the glosses that are provisional now."""
        for event in events:
            if event.kind == "final" and event.word is not None:
                self.clear()
                print(format_word(event.word), flush=True)
            elif event.kind == "notice":
                self.clear()
                self.notices.append(f"at {event.time:.1f} s: {event.message}")
                say(self.notices[-1])
        if is_terminal():
            self._show_provisional([word.gloss for word in provisional])

    def clear(self) -> None:
        """Remove the line of provisional glosses."""
        if self._shown:
            print("\r" + " " * self._shown, end="\r", file=sys.stderr, flush=True)
            self._shown = 0

    def _show_provisional(self, glosses: list[str]) -> None:
        room = shutil.get_terminal_size().columns - 1
        while glosses and measure_width(" ".join(["...", *glosses])) > room:
            glosses = glosses[1:]  # the newest ones are of interest
        self.clear()
        if glosses:
            line = " ".join(["...", *glosses])
            print(line, end="", file=sys.stderr, flush=True)
            self._shown = measure_width(line)


def format_word(word: CtmWord) -> str:
    """The line of a gloss: start and end in seconds, confidence, gloss."""
    confidence = "-" if word.confidence is None else f"{word.confidence:.2f}"
    return f"{word.start:8.2f} {word.start + word.duration:8.2f} {confidence:>10}  {word.gloss}"


def make_live(
    recogniser: Recogniser, reading: Reading, window: int | None, hop: int | None, lookahead: int | None
) -> LiveRecogniser:  # fmt: skip
    """Measure how fast this machine is, say it, and make what reads a stream in windows that it keeps up with.

    Args:
        recogniser: the network.
        reading: how the pictures are cropped, and which glosses are left out.
        window, hop, lookahead: what the user has chosen, as for `choose_settings`.

    Raises:
        ReadingError: what the user has chosen does not serve.
    """
    if recogniser.calibration is None:
        say(UNCALIBRATED)
    with say_if_long(MEASURING):
        speed = measure_speed(recogniser)
    settings, lines = choose_settings(recogniser, speed, window, hop, lookahead)
    live = LiveRecogniser(recogniser, settings, reading.min_confidence, reading.crop)
    for line in lines:
        say(line)
    return live


def read_live(live: LiveRecogniser, source: FrameSource, save: Sequence[str]) -> None:
    """Read a stream until it ends or the user stops it, print what is final, and save it.

    Args:
        live: what reads it.
        source: where its frames come from; it is closed at the end.
        save: the files of the transcript, in formats that the suffixes name.

    Raises:
        Interrupted: the user stopped it; what was read is saved.
        InputError, OSError: the source ended by an error, or a file could not be written; all else was saved.
    """
    screen = LiveScreen()

    def save_read() -> list[str]:
        """Save what was read, however often the user asks meanwhile to stop; returns what could not be written."""
        with interruption.hold_back():
            source.close()
            screen.clear()
            transcript = live.transcript(source.name, source.path)
            warnings = (f"{WARNING}{notice}" for notice in screen.notices)
            return save_all(replace(transcript, notes=(*transcript.notes, *warnings)), save)

    with Interruption() as interruption:
        try:
            print(HEAD, flush=True)
            follow(live, source, screen.show, lambda: bool(interruption.requested))
        except BaseException:  # whatever stops it, what was read until then is saved
            for failure in save_read():
                say(f"error: {failure}")
            raise
        failures = save_read()
    if source.problem is not None:
        failures.insert(0, str(source.problem))
        if not isinstance(source.problem, (InputError, OSError)):
            raise source.problem
    if failures:
        raise InputError("\n  ".join(failures))
    if interruption.requested:
        raise Interrupted(interruption.requested, saved=bool(save))


def follow(
    live: LiveRecogniser,
    source: FrameSource,
    show: Callable[[list[Event], Sequence[CtmWord]], None],
    is_stopped: Callable[[], bool],
) -> None:
    """Read a stream until it ends or is stopped; all that was read is final then.

    Args:
        live: what reads it.
        source: where its frames come from; it is started, and closed.
        show: called after each reading with what happened and the glosses that are provisional now.
        is_stopped: asked between readings.
    """

    def read_due(now: float | None) -> bool:
        """Read what is due and show it; returns whether there was anything."""
        before = live.readings
        events = live.poll(now)
        if events or live.readings != before:
            show(events, live.provisional)
        return live.readings != before

    source.start(live.feed)
    while not (is_stopped() or source.ended):
        if not read_due(source.now()):
            time.sleep(IDLE)
    source.close()
    while read_due(None):  # what came while the last window was read; that no more comes is no news
        pass
    show(live.finish(), ())


def save_all(transcript: Transcript, files: Sequence[str]) -> list[str]:
    """Write a transcript to all files and print a line about each; returns why one could not be written."""
    failures = []
    for file in files:
        path = file.replace(NAME, transcript.name)
        try:
            print(describe_saved(path, save_transcript(transcript, path)), flush=True)
        except (InputError, OSError) as error:
            failures.append(f"{path}: {error}")
    return failures
