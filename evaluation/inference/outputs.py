"""Where transcripts and overlays of one or many clips go."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from dataset.video import Video
from dataset.write_video import check_video_name
from evaluation.inference.formats import CTM, check_ctm_ids, check_format, save_transcript
from evaluation.inference.overlay import write_overlay
from evaluation.inference.transcript import Transcript, TranscriptError
from utils.files import check_can_be_written, real_path

NAME = "{name}"
"""Stands for the name of the clip in the name of a file."""


@dataclass(frozen=True)
class Outputs:
    """The files that were asked for.

    Attributes:
        save: the files of transcripts, in formats that the suffixes name.
        overlay: the file of the video with its glosses; None for none.
    """

    save: tuple[str, ...] = ()
    overlay: str | None = None

    def check_names(self, clips: Mapping[str, Path], source: Path) -> None:
        """Check the names of the files against the clips that are to be read.

        Before anything is read, since a name that does not serve should not be found out after an hour of reading.

        Args:
            clips: the clips' paths by their names.
            source: the file or folder in which they were found.

        Raises:
            InputError: a file cannot be written where it is to be.
            TranscriptError: a suffix names no format, many clips would go to one file, a clip would be overwritten,
                an overlay would be read as a clip the next time, or two clips would get the same name in a CTM file.
        """
        for file in self.save:
            check_format(file)
        if self.overlay is not None:
            check_video_name(self.overlay)
        if len(clips) > 1:
            self._check_one_file_a_clip(len(clips))
        self._check_nothing_is_lost(clips, source)
        if self.shared_files:
            check_ctm_ids(clips)

    def write_clip(self, transcript: Transcript, video: Video) -> list[str]:
        """Write the files of one clip.

        Returns:
            a line about each file, for the user.

        Raises:
            FormatError, TranscriptError, OSError: a file cannot be written.
        """
        lines = []
        for file in self.save:
            if not _holds_many_clips(file):
                path = file.replace(NAME, transcript.name)
                lines.append(describe_saved(path, save_transcript(transcript, path)))
        if self.overlay is not None:
            path = self.overlay.replace(NAME, transcript.name)
            warning = write_overlay(video, transcript.words, path)
            lines.append(f"saved {path}")
            if warning:
                lines.append(f"warning: {warning}")
        return lines

    @property
    def shared_files(self) -> list[str]:
        """The files that hold all clips."""
        return [file for file in self.save if _holds_many_clips(file)]

    @property
    def _files(self) -> tuple[str, ...]:
        return self.save if self.overlay is None else (*self.save, self.overlay)

    def _check_one_file_a_clip(self, clips: int) -> None:
        for file in self._files:
            if NAME not in file and not _holds_many_clips(file):
                raise TranscriptError(
                    f"{clips} clips cannot all go to {file}: put {NAME} into its name, which becomes that of the clip, "
                    f"as in {Path(file).with_stem(NAME)}"
                )

    def _check_nothing_is_lost(self, clips: Mapping[str, Path], source: Path) -> None:
        read, written = {real_path(path) for path in clips.values()}, set()
        for template in dict.fromkeys(self._files):
            for file in dict.fromkeys(template.replace(NAME, name) for name in clips):
                path = real_path(file)
                if path in read:
                    raise TranscriptError(f"{file} is a video that is to be read, and would be lost: choose another")
                if path in written:
                    raise TranscriptError(f"two of the files would both be {file}: choose other names")
                written.add(path)
                check_can_be_written(file)
            self._check_folder(template, real_path(source), read)

    def _check_folder(self, file: str, source: Path, read: Collection[Path]) -> None:
        """Raise TranscriptError if what is written would be taken for a clip of `source` the next time.

        An overlay is a video, so it would be in a folder of videos. Where the clips are folders of images, any new
        folder beside them would be taken for one.
        """
        folder = real_path(Path(file).parent)
        among_folders = source not in read and all(path.is_dir() for path in read)
        if (file == self.overlay and folder == source) or (among_folders and source in folder.parents):
            raise TranscriptError(
                f"{file} lies in {source}, so it would be read as a clip the next time: choose another folder"
            )


def describe_saved(path: str, older: Path | None, count: str = "") -> str:
    """Say that a file was saved.

    Args:
        path: the file.
        older: where the file went that was there before, if it was kept.
        count: what is in it, as " with 2 of 3 clips".
    """
    kept = "" if older is None else f", the older one is now {older}"
    return f"saved {path}{count}{kept}"


def _holds_many_clips(file: str) -> bool:
    return Path(file).suffix.lower() == CTM and NAME not in file
