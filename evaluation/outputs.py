"""Where transcripts and overlays of one or many clips go."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from dataset.video import Video
from evaluation.overlay import SUFFIX, write_overlay
from evaluation.transcript import Transcript, TranscriptError, check_ctm_ids, check_format, save

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

    def check(self, clips: Mapping[str, Path], source: Path) -> None:
        """Check the names of the files against the clips that are to be read.

        Args:
            clips: by name.
            source: file or folder in which they were found.

        Raises:
            TranscriptError: a suffix names no format, many clips would go to one file, a clip would be overwritten,
                an overlay would be read as a clip the next time, or two clips would have one name in a CTM file.
        """
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
        read = {path.resolve(): path for path in clips.values()}
        for file in {file.replace(NAME, name) for file in (*self.save, self.overlay or "") if file for name in clips}:
            if Path(file).resolve() in read:
                raise TranscriptError(f"{file} is a video that is to be read, and would be lost: choose another name")
        if self.overlay is not None and Path(self.overlay).parent.resolve() == source.resolve():
            raise TranscriptError(
                f"--overlay {self.overlay} lies in {source}, so it would be read as a clip the next time: choose "
                "another folder"
            )
        if self.together:
            check_ctm_ids(clips)

    def write(self, transcript: Transcript, video: Video) -> list[str]:
        """Write the files of one clip; returns a line about each.

        Raises:
            FormatError, OverlayError, OSError: a file cannot be written.
        """
        lines = []
        for file in self.save:
            if not self._holds_many(file):
                path = file.replace(NAME, transcript.name)
                older = save(transcript, path)
                lines.append(f"saved {path}" + (f", the older one is now {older}" if older else ""))
        if self.overlay is not None:
            path = self.overlay.replace(NAME, transcript.name)
            warning = write_overlay(video, transcript.words, path)
            lines += [f"saved {path}", *[f"warning: {warning}"] * bool(warning)]
        return lines

    @property
    def together(self) -> list[str]:
        """The files that hold all clips."""
        return [file for file in self.save if self._holds_many(file)]

    @staticmethod
    def _holds_many(file: str) -> bool:
        return Path(file).suffix.lower() == TOGETHER and NAME not in file
