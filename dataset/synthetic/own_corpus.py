"""The layout of a corpus of one's own: the example that docs/own-corpus.md walks through."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from itertools import chain
from pathlib import Path, PurePosixPath

import numpy as np
from pympi.Elan import Eaf

from dataset.synthetic.layout import Layout, Lengths, SyntheticClip, name_signer
from dataset.synthetic.motion import FPS
from dataset.video import open_video
from dataset.write_video import write_video
from utils.files import write_text


class OwnCorpus(Layout):
    """Videos, a table of them, and in the folder `elan` a longer video with ELAN's annotations."""

    usual = (12, 6, 2, 2)

    def name_clip(self, clip: SyntheticClip) -> str:
        """Number the clips."""
        return f"clip{clip.number:02d}"

    def locate_frame(self, clip: SyntheticClip, frame: int) -> PurePosixPath:  # noqa: ARG002  all are in one file
        """Place it in `clip00.mp4`."""
        return PurePosixPath(f"{self.name_clip(clip)}.mp4")

    def write_clip(self, root: Path, clip: SyntheticClip, frames: Iterable[np.ndarray]) -> int:
        """Write the video of a clip; returns the number of its frames."""
        pictures = list(frames)
        write_video(root / self.locate_frame(clip, 0), pictures, np.arange(len(pictures) + 1) / FPS)
        return len(pictures)

    def write_annotations(self, root: Path, lengths: Lengths) -> None:
        """Write `corpus.csv`."""
        out = io.StringIO()
        table = csv.writer(out, lineterminator="\n")
        table.writerow(["id", "path", "signer", "glosses", "split"])
        for clip in lengths:
            path, label = self.locate_frame(clip, 0), " ".join(clip.sentence)
            table.writerow([self.name_clip(clip), path, name_signer(clip), label, clip.split])
        write_text(root / "corpus.csv", out.getvalue())

    def write_extras(self, root: Path, lengths: Lengths) -> None:
        """Join the clips of train to `elan/recording.mp4`; the annotations beside it say where each sentence is."""
        clips = {clip: length for clip, length in lengths.items() if clip.split == "train"}
        recording = root / "elan" / "recording.mp4"
        videos = [open_video(root / self.locate_frame(clip, 0), FPS) for clip in clips]
        frames = chain.from_iterable(video.frames(range(video.num_frames)) for video in videos)
        write_video(recording, frames, np.arange(sum(clips.values()) + 1) / FPS)
        eaf = Eaf(author="mstfnet")
        eaf.add_linked_file(f"file:///{recording.name}", relpath=f"./{recording.name}", mimetype="video/mp4")
        eaf.add_tier("sentence")
        eaf.adocument["DATE"] = "2021-01-01T00:00:00+00:00"  # as always the same bytes are written
        eaf.remove_tier("default")  # pympi begins every file with it
        start = 0
        for clip, length in clips.items():
            end = start + length * 1000 // FPS
            eaf.add_annotation("sentence", start, end, " ".join(clip.sentence))
            start = end
        eaf.to_file(recording.with_suffix(".eaf"))
