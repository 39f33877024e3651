"""From a clip that a person names to its heat map in a folder."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from dataset.frame_rate import choose_frame_rate
from dataset.video import Video, list_clips, open_video
from evaluation.heat.draw import FRAMES, SHEET, VIDEO, save_pictures
from evaluation.heat.heat_map import compute_heat_map, get_network
from evaluation.heat.load_clip import find_corpus_clip, load_shown_clip
from evaluation.heat.request import ClipChoice, HeatRequest
from evaluation.heat.windows import draw_windows
from evaluation.inference.reading import Reading, ReadingError
from evaluation.inference.recogniser import Recogniser
from utils.errors import describe_out_of_memory
from utils.files import check_can_be_written, real_path
from utils.text import shorten, show_name
from utils.unicode import find_on_disk


@dataclass(frozen=True)
class ChosenClip:
    """A clip before its frames are read, and who reads it.

    Attributes:
        recogniser: the recogniser for frames of this clip.
        video: the clip's video.
        name: the clip's name.
        signed: the glosses that were signed; None if they are not known.
    """

    recogniser: Recogniser
    video: Video
    name: str
    signed: tuple[str, ...] | None


def generate_heat_map(
    recogniser: Recogniser, choice: ClipChoice, reading: Reading, request: HeatRequest, folder: Path
) -> list[str]:  # fmt: skip
    """Read a clip and write its heat map.

    Args:
        recogniser: the network with its decoder.
        choice: which clip.
        reading: how the frames of the clip are taken.
        request: whose heat is drawn.
        folder: the folder to write to.

    Returns:
        a line about each thing done, for the user.

    Raises:
        ReadingError: the clip would be overwritten, or memory runs out.
        InputError: what `open_video`, `find_corpus_clip`, `compute_heat_map` and `save_pictures` raise.
    """
    get_network(recogniser, request)  # before the clip is read
    chosen = open_chosen_clip(recogniser, choice)
    video = chosen.video
    check_clip_is_kept(video, folder)
    check_can_be_written(folder / SHEET)
    sampling = reading.sample_frames(video.times)
    try:
        if reading.windows and len(sampling) > reading.max_frames:
            return draw_windows(chosen.recogniser, video, sampling, reading, request, chosen.name, folder)
        clip = load_shown_clip(chosen.recogniser, video, reading, chosen.name, chosen.signed)
        heat_map = compute_heat_map(chosen.recogniser, clip, request)
    except Exception as error:
        if not (said := describe_out_of_memory(error)):
            raise
        raise ReadingError(
            f"{said} on {video.num_frames} frames, of which {reading.max_frames} at most are taken, from "
            f"{request.layer} on: take a later layer or fewer frames (--max_frames_num), or another --device"
        ) from error
    recognised = " ".join(heat_map.recognised) or "(nothing)"
    return [f"{clip.name}: {recognised}", *clip.notes, *save_pictures(clip, heat_map, folder)]


def open_chosen_clip(recogniser: Recogniser, choice: ClipChoice) -> ChosenClip:
    """Open the video or the clip of a prepared corpus that was chosen.

    Raises:
        ReadingError: a folder of several clips was named, or the corpus has no such clip.
        FrameError, ConfigError, ManifestError: the video or the corpus cannot be read.
    """
    if choice.video is not None:
        path = real_path(find_on_disk(choice.video))
        if not path.is_file() and len(clips := list_clips(path)) > 1:
            raise ReadingError(f"{path} holds {len(clips)} clips ({shorten(clips, 3)}): name one of them")
        video = open_video(path, recogniser.frame_rate, choice.allow_truncated)
        return ChosenClip(recogniser, video, show_name(path.stem if path.is_file() else path.name), None)
    manifest, clip = find_corpus_clip(recogniser, choice)
    # With the size of this corpus's frames, as the evaluation has it, whatever size the network was trained on.
    recogniser = replace(recogniser, frame_size=manifest.frame_size)
    video = open_video(manifest.clip_folder(clip), choose_frame_rate(manifest.frame_rate, recogniser.frame_rate))
    return ChosenClip(recogniser, video, clip.id, clip.glosses)


def check_clip_is_kept(video: Video, folder: Path) -> None:
    """Raise ReadingError if what is written to `folder` would overwrite the clip, or come to lie among its images."""
    written = {real_path(folder / part) for part in ("", FRAMES, SHEET, VIDEO)}
    if real_path(video.path) in written:
        raise ReadingError(f"--out {folder} would put the heat map over its clip {video.path}: choose another folder")
