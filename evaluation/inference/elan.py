"""The writer of ELAN's annotation files, .eaf."""

from __future__ import annotations

import mimetypes
import os
from pathlib import Path

from pympi.Elan import Eaf

from evaluation.inference.transcript import Transcript, round_to_milliseconds
from utils.files import real_path
from utils.text import show_name

GLOSS_TIER, CONFIDENCE_TIER, WARNING_TIER = "gloss", "confidence", "warning"


def write_eaf(transcript: Transcript, path: Path) -> None:
    """Write ELAN's annotation file: a tier of glosses, a tier that has the confidence of each, and the video linked.

    What was warned of is a tier too, with one annotation over the whole clip.
    """
    eaf = Eaf(author="mstfnet")
    eaf.header = {"MEDIA_FILE": "", "TIME_UNITS": "milliseconds"}
    if transcript.video.is_file():  # ELAN cannot play a folder of images
        _link_video(eaf, transcript.video, path)
    eaf.add_tier(GLOSS_TIER)
    eaf.remove_tier("default")  # pympi begins every file with it
    eaf.add_linguistic_type(CONFIDENCE_TIER, constraints="Symbolic_Association", timealignable=False)
    eaf.add_tier(CONFIDENCE_TIER, ling=CONFIDENCE_TIER, parent=GLOSS_TIER)
    for word, start, end in round_to_milliseconds(transcript.words):
        eaf.add_annotation(GLOSS_TIER, start, end, word.gloss)
        if word.confidence is not None:
            # pympi finds the gloss that it belongs to by a moment: the middle, since glosses that touch share an end.
            eaf.add_ref_annotation(CONFIDENCE_TIER, GLOSS_TIER, (start + end) // 2, f"{word.confidence:.2f}")
    if transcript.warnings:
        eaf.add_tier(WARNING_TIER)
        eaf.add_annotation(WARNING_TIER, 0, max(1, round(transcript.duration * 1000)), "; ".join(transcript.warnings))
    eaf.properties = [("lastUsedAnnotationId", eaf.maxaid)]  # ELAN numbers on from there
    path.unlink(missing_ok=True)  # pympi would rename a file that is there to .bak, and leave it lying about
    eaf.to_file(path)


def _link_video(eaf: Eaf, video: Path, path: Path) -> None:
    """Link the video to the annotation file at `path` in both ways that the format has.

    The absolute address serves as long as the video stays where it is; the one relative to the annotation file still
    holds once both have been moved.
    """
    near = os.path.relpath(real_path(video), real_path(path).parent).replace(os.sep, "/")
    if not near.startswith("../"):
        near = f"./{near}"
    near = show_name(near)
    address = "file:///" + show_name(real_path(video).as_posix()).lstrip("/")  # spaces and all, as ELAN writes it
    eaf.add_linked_file(address, relpath=near, mimetype=mimetypes.guess_type(video.name)[0] or "video/*")
