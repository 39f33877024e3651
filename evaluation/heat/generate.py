"""From a clip that a person names to its heat map in a folder."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from dataset.video import Video, list_clips, open_video
from evaluation.heat.clip import find_clip, show_video
from evaluation.heat.draw import FRAMES, SHEET, VIDEO, write_all
from evaluation.heat.explain import explain
from evaluation.heat.request import CamError, HeatRequest, Source
from evaluation.inference.recogniser import Recogniser
from evaluation.inference.transcribe import Reading
from utils.errors import is_out_of_memory


def draw_heat(
    recogniser: Recogniser, source: Source, reading: Reading, request: HeatRequest, folder: Path
) -> list[str]:  # fmt: skip
    """Read a clip and write its heat map.

    Args:
        recogniser: the network.
        source: the clip.
        reading: how its frames are taken.
        request: whose heat.
        folder: to write to.

    Returns:
        a line about each thing done.

    Raises:
        CamError: the clip would be overwritten, or memory runs out.
        InputError: of the kinds that `open_video`, `find_clip`, `explain` and `write_all` raise.
    """
    recogniser, video, name, signed = find(recogniser, source)
    check_kept(video, folder)
    try:
        clip = show_video(recogniser, video, reading, name, signed)
        result = explain(recogniser, clip, request)
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        raise CamError(
            f"memory ran out on {video.num_frames} frames, of which {reading.max_frames} at most are taken, from "
            f"{request.layer} on: take a later layer or fewer frames (--max_frames_num), or another --device"
        ) from error
    return [f"{clip.name}: {' '.join(result.recognised) or '(nothing)'}", *clip.notes, *write_all(clip, result, folder)]


def find(recogniser: Recogniser, source: Source) -> tuple[Recogniser, Video, str, tuple[str, ...] | None]:
    """The clip, its name, its glosses if they are known, and the recogniser for it.

    For a clip of a prepared corpus that is one for frames of that corpus' size, as the evaluation has it.
    """
    rate = recogniser.config.frame_rate
    if source.video is not None:
        path = source.video.resolve()
        if not path.is_file() and len(clips := list_clips(path)) > 1:
            raise CamError(f"{path} holds {len(clips)} clips ({', '.join(list(clips)[:3])}, ...): name one of them")
        return recogniser, open_video(path, rate), path.stem if path.is_file() else path.name, None
    manifest, clip = find_clip(recogniser, source)
    recogniser = replace(recogniser, frame_size=manifest.frame_size)
    return recogniser, open_video(manifest.clip_folder(clip), rate), clip.id, clip.glosses


def check_kept(video: Video, folder: Path) -> None:
    """Raise CamError if what is written to `folder` would overwrite the clip, or come to lie among its images."""
    written = {(folder / part).resolve() for part in ("", FRAMES, SHEET, VIDEO)}
    if video.path.resolve() in written:
        raise CamError(f"--out {folder} would put the heat map over its clip {video.path}: choose another folder")
