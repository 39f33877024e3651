"""The numbers by which a stream is read."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class LiveSettings:
    """How a stream is read. All numbers are slots: moments of the stream, as many a second as the network sees frames.

    Attributes:
        window: the most slots that a reading sees.
        hop: slots from one reading to the next.
        lookahead: slots that must follow a gloss's centre before it is final.
        every: every n-th slot gets a frame of its own; the others repeat it, which costs less.
    """

    window: int
    hop: int
    lookahead: int
    every: int = 1
