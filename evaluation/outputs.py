"""Where transcripts and overlays of one or many clips go."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from dataset.video import Video
from evaluation.overlay import SUFFIX, write_overlay
from evaluation.transcript import Transcript, TranscriptError, check_format, save_all

NAME = "{name}"
"""Stands for the name of the clip in the name of a file."""

TOGETHER = ".ctm"
"""Suffix of files that may hold many clips."""


@dataclass(frozen=True)
class Outputs:
    """The files that were asked for.

    Attributes:
        save: transcripts, in formats that the suffixes name.
        overlay: the video with its glosses; None for none.
    """

    save: tuple[str, ...] = ()
    overlay: str | None = None

    def check(self, clips: Collection[str]) -> None:
        """Raise TranscriptError for a suffix that names no format, and for a file that many clips would go to."""
        for file in self.save:
            check_format(file)
        if self.overlay is not None and Path(self.overlay).suffix.lower() != SUFFIX:
            raise TranscriptError(f"--overlay {self.overlay} must end in {SUFFIX}")
        files = [file for file in self.save if not self._holds_many(file)] + [self.overlay] * (self.overlay is not None)
        one = [file for file in files if NAME not in file]
        if len(clips) > 1 and one:
            raise TranscriptError(
                f"{len(clips)} clips cannot all go to {one[0]}: put {NAME} into its name, which becomes that of the "
                f"clip, as in {Path(one[0]).with_stem(NAME)}"
            )

    def write(self, transcript: Transcript, video: Video) -> list[str]:
        """Write the files of one clip; returns a line about each.

        Raises:
            FormatError, OverlayError, OSError: a file cannot be written.
        """
        lines = []
        for file in self.save:
            if not self._holds_many(file):
                path = file.replace(NAME, transcript.name)
                save_all([transcript], path)
                lines.append(f"saved {path}")
        if self.overlay is not None:
            path = self.overlay.replace(NAME, transcript.name)
            warning = write_overlay(video, transcript.words, path)
            lines += [f"saved {path}", *[f"warning: {warning}"] * bool(warning)]
        return lines

    def write_together(self, transcripts: Sequence[Transcript]) -> list[str]:
        """Write the files that hold all clips; returns a line about each. Raises as `write` does."""
        together = [file for file in self.save if self._holds_many(file)]
        for file in together:
            save_all(transcripts, file)
        return [f"saved {file}" for file in together]

    @staticmethod
    def _holds_many(file: str) -> bool:
        return Path(file).suffix.lower() == TOGETHER and NAME not in file
