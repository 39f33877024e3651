"""Where transcripts and overlays of one or many clips go."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from dataset.video import Video
from evaluation.inference.overlay import SUFFIX, write_overlay
from evaluation.inference.transcript import Transcript, TranscriptError, check_ctm_ids, check_format, save

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
        read, written = {path.resolve() for path in clips.values()}, set()
        for template in dict.fromkeys((*self.save, *[self.overlay] * (self.overlay is not None))):
            for file in dict.fromkeys(template.replace(NAME, name) for name in clips):
                path = Path(file).resolve()
                if path in read:
                    raise TranscriptError(f"{file} is a video that is to be read, and would be lost: choose another")
                if path in written:
                    raise TranscriptError(f"two of the files would both be {file}: choose other names")
                written.add(path)
            self._check_place(template, source.resolve(), read)
        if self.together:
            check_ctm_ids(clips)

    def _check_place(self, file: str, source: Path, read: Collection[Path]) -> None:
        """Raise TranscriptError if what is written would be taken for a clip of `source` the next time."""
        folder = Path(file).parent.resolve()
        among_folders = source not in read and all(path.is_dir() for path in read)
        if (file == self.overlay and folder == source) or (among_folders and source in folder.parents):
            raise TranscriptError(
                f"{file} lies in {source}, so it would be read as a clip the next time: choose another folder"
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
