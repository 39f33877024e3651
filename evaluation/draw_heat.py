"""From a clip that a person names to its heat map in a folder."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch

from dataset.video import open_video
from evaluation.cam_clip import ShownClip, find_clip, show_video
from evaluation.cam_request import CamError, HeatRequest, Source
from evaluation.heat import explain
from evaluation.heat_map import write_all
from evaluation.recogniser import Recogniser
from evaluation.transcribe import Reading


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
        InputError: of the kinds that `open_video`, `find_clip`, `explain` and `write_all` raise.
    """
    if source.video is not None:
        path = source.video.resolve()
        name = path.stem if path.is_file() else path.name
        clip = show_video(recogniser, open_video(path, recogniser.config.frame_rate), reading, name)
    else:
        recogniser, clip = show_prepared(recogniser, source, reading)
    try:
        result = explain(recogniser, clip, request)
    except torch.OutOfMemoryError as error:
        raise CamError(
            f"the device has too little memory for {len(clip.pictures)} frames from {request.layer} on: take a later "
            "layer, fewer frames (--max_frames_num) or --device cpu"
        ) from error
    return [f"{clip.name}: {' '.join(result.recognised) or '(nothing)'}", *clip.notes, *write_all(clip, result, folder)]


def show_prepared(recogniser: Recogniser, source: Source, reading: Reading) -> tuple[Recogniser, ShownClip]:
    """A clip of a prepared corpus, and the recogniser for frames of that corpus' size, as the evaluation has it."""
    manifest, clip = find_clip(recogniser, source)
    recogniser = replace(recogniser, frame_size=manifest.frame_size)
    video = open_video(manifest.clip_folder(clip), recogniser.config.frame_rate)
    return recogniser, show_video(recogniser, video, reading, clip.id, clip.glosses)
