"""What was read, as the page gets it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from evaluation.ctm import CtmWord
from evaluation.inference.transcript import Guess, Transcript

MOST_GUESSES = 10
"""The n-best of a stretch of the video that are shown."""
OPTION = r"(?<![\w-])--[a-z]"
OPTIONS = re.compile(rf" \([^()]*{OPTION}[^()]*\)|(?:[;:]|, or)(?:(?!, or )[^;:()])*{OPTION}[^;]*")
"""The parts of a text that name options of the command line: what is in brackets, or a remedy at its end."""


def describe_words(words: Iterable[CtmWord]) -> list[dict[str, Any]]:
    """Glosses with start and end in seconds."""
    return [
        {
            "gloss": word.gloss,
            "start": round(word.start, 3),
            "end": round(word.start + word.duration, 3),
            "confidence": None if word.confidence is None else round(word.confidence, 4),
        }
        for word in words
    ]


def leave_out_options(text: str) -> str:
    """A note or an error without what it says of options of the command line: users of the page have none."""
    return OPTIONS.sub("", text)


def describe_transcript(transcript: Transcript, has_pictures: bool) -> dict[str, Any]:
    """The message with all that was read.

    Args:
        transcript: what was read.
        has_pictures: whether there are pictures of it, for heat maps and the video with glosses.
    """
    return {
        "type": "transcript",
        "transcript": {
            "name": transcript.name,
            "duration": round(transcript.duration, 3),
            "rate": transcript.rate,
            "words": describe_words(transcript.words),
            "pictures": has_pictures,
            "nbest": describe_guesses(transcript.nbest),
            "notes": [leave_out_options(note) for note in transcript.notes],
        },
    }


def describe_guesses(guesses: Iterable[Guess]) -> list[dict[str, Any]]:
    """The best guesses by the stretch of the video that they are of, best first."""
    stretches: dict[tuple[float, float], list[dict[str, Any]]] = {}
    for guess in guesses:
        found = stretches.setdefault((guess.start, guess.end), [])
        if len(found) < MOST_GUESSES:
            found.append({"glosses": list(guess.glosses), "score": round(guess.score, 4)})
    return [
        {"start": round(start, 3), "end": round(end, 3), "guesses": found} for (start, end), found in stretches.items()
    ]
