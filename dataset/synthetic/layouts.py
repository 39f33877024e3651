"""The trees and annotation files of the public corpora, traps included, for clips of the built-in corpus."""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import cv2
import numpy as np

from dataset.synthetic.layout import Layout, Lengths, SyntheticClip, join_lines, name_signer, select_split
from dataset.synthetic.lexicon import LEXICON
from dataset.synthetic.own_corpus import OwnCorpus
from utils.files import write_text

_CHINESE = {sign.gloss: sign.chinese for sign in LEXICON}
_JPEG = (cv2.IMWRITE_JPEG_QUALITY, 88)


class Phoenix2014(Layout):
    """RWTH-PHOENIX-Weather 2014, multisigner; the root plays `phoenix2014-release`."""

    def name_clip(self, clip: SyntheticClip) -> str:
        """Make the name of a date and a running number, as in the corpus."""
        return f"{_format_day(clip)}_studio_default-{clip.number % 5}"

    def locate_frame(self, clip: SyntheticClip, frame: int) -> PurePosixPath:
        """Place it at `<name>/1/<day>.avi_pid0_fn000000-0.png` under the split."""
        folder = (
            PurePosixPath("phoenix-2014-multisigner/features/fullFrame-210x260px") / clip.split / self.name_clip(clip)
        )
        return folder / "1" / f"{_format_day(clip)}_studio.avi_pid0_fn{frame:06d}-0.png"

    def write_annotations(self, root: Path, lengths: Lengths) -> None:
        """Write one CSV a split; as in the corpus, some labels of train hold a double space."""
        for split in self.splits:
            rows = ["id|folder|signer|annotation"]
            for clip in select_split(lengths, split):
                name, label = self.name_clip(clip), " ".join(clip.sentence)
                if split == "train" and clip.index % 7 == 2:  # rare, yet there in the smallest of corpora
                    label = label.replace(" ", "  ", 1)
                rows.append(f"{name}|{name}/1/*.png|{name_signer(clip)}|{label}")
            write_text(root / f"phoenix-2014-multisigner/annotations/manual/{split}.corpus.csv", join_lines(rows))


class Phoenix2014T(Layout):
    """RWTH-PHOENIX-Weather 2014-T: the table speaks of a folder `1` that does not exist."""

    def name_clip(self, clip: SyntheticClip) -> str:
        """Make the name of a date and a running number, as in the corpus."""
        return f"{_format_day(clip)}_studio-{clip.number}"

    def locate_frame(self, clip: SyntheticClip, frame: int) -> PurePosixPath:
        """Place it at `<name>/images0001.png` under the split."""
        folder = PurePosixPath("features/fullFrame-210x260px") / clip.split / self.name_clip(clip)
        return folder / f"images{frame + 1:04d}.png"

    def write_annotations(self, root: Path, lengths: Lengths) -> None:
        """Write one CSV a split, with translations that hold UTF-8 and lone quotes, as the corpus has them."""
        for split in self.splits:
            rows = ["name|video|start|end|speaker|orth|translation"]
            for clip in select_split(lengths, split):
                name, orth = self.name_clip(clip), " ".join(clip.sentence)
                text = f"für die nächsten tage heißt es {orth.lower().replace('sued', 'süd')} ."
                if clip.index % 3 == 1:
                    text = text.replace("heißt es ", 'heißt es "')
                rows.append(f"{name}|{name}/1/*.png|-1|-1|{name_signer(clip)}|{orth}|{text}")
            write_text(root / f"annotations/manual/PHOENIX-2014-T.{split}.corpus.csv", join_lines(rows))


class ChineseLayout(Layout):
    """A corpus of Chinese sign language."""

    def translate_label(self, clip: SyntheticClip) -> tuple[str, ...]:
        """Give the clip's label, in Chinese."""
        return tuple(_CHINESE[gloss] for gloss in clip.sentence)


class CSLDaily(ChineseLayout):
    """CSL-Daily: 512x512 JPEG, Chinese glosses, and one row of `split_1.txt` that names a clip which isn't there."""

    encoding = _JPEG
    missing, meant = "S000005_P0004_T00", "S000007_P0003_T00"

    def name_clip(self, clip: SyntheticClip) -> str:
        """Make the name of sentence, signer and take; the first clip of train is the one that the wrong row means."""
        if clip.number == 0:
            return self.meant
        return f"S{clip.number + 9:06d}_P{clip.signer:04d}_T00"

    def locate_frame(self, clip: SyntheticClip, frame: int) -> PurePosixPath:
        """Place it at `sentence/frames_512x512/<name>/000000.jpg`."""
        return PurePosixPath("sentence/frames_512x512") / self.name_clip(clip) / f"{frame:06d}.jpg"

    def convert_picture(self, frame: np.ndarray) -> np.ndarray:
        """Widen the frame to a square by its border, 512x512."""
        return cv2.resize(_widen(frame, frame.shape[0]), (512, 512), interpolation=cv2.INTER_LINEAR)

    def write_annotations(self, root: Path, lengths: Lengths) -> None:
        """Write `video_map.txt` and `split_1.txt`."""
        labels, splits = ["index|name|length|gloss|char|word|postag"], ["name|split"]
        for index, (clip, length) in enumerate(lengths.items(), start=1):
            glosses = self.translate_label(clip)
            characters = " ".join(gloss if gloss.isascii() else " ".join(gloss) for gloss in glosses)
            tags = " ".join(["n"] * len(glosses) + ["w"])
            name, label = self.name_clip(clip), " ".join(glosses)
            labels.append(f"{index}|{name}|{length}|{label}|{characters} 。|{label} 。|{tags}")
            splits.append(f"{self.missing if name == self.meant else name}|{clip.split}")
        write_text(root / "video_map.txt", join_lines(labels))
        write_text(root / "split_1.txt", join_lines(splits))


class CSL(ChineseLayout):
    """CSL (2015): 1280x720 JPEG, no test split, and lists that carry another machine's absolute paths."""

    splits = ("train", "dev")
    encoding = _JPEG
    elsewhere = "/home/recordings/CSL"

    def name_clip(self, clip: SyntheticClip) -> str:
        """Make the name of the video folder, signer first."""
        return f"color/{clip.number // 50:03d}/P{clip.signer + 1:02d}_s1_{clip.number % 50:02d}_0"

    def map_ids(self, clips: Sequence[SyntheticClip]) -> dict[SyntheticClip, str]:
        """Take the name of the video folder; where several clips share it, with those of the folders above."""
        folders = {clip: PurePosixPath(self.name_clip(clip)) for clip in clips}
        times = Counter(folder.name for folder in folders.values())
        return {c: folder.name if times[folder.name] == 1 else "_".join(folder.parts) for c, folder in folders.items()}

    def locate_frame(self, clip: SyntheticClip, frame: int) -> PurePosixPath:
        """Place it at `color/000/P01_s1_00_0/000000.jpg`."""
        return PurePosixPath(self.name_clip(clip)) / f"{frame:06d}.jpg"

    def convert_picture(self, frame: np.ndarray) -> np.ndarray:
        """Widen the frame by its border and enlarge it to 1280x720."""
        wide = _widen(frame, round(frame.shape[0] * 1280 / 720))
        return cv2.resize(wide, (1280, 720), interpolation=cv2.INTER_LINEAR)

    def write_annotations(self, root: Path, lengths: Lengths) -> None:
        """Write `train.txt`, `dev.txt` and the dictionary `voc.txt`."""
        for split in self.splits:
            rows = []
            for clip in select_split(lengths, split):
                rows.append(f"{self.elsewhere}/{self.name_clip(clip)}|{' '.join(self.translate_label(clip))}")
            write_text(root / f"{split}.txt", join_lines(rows))
        used = {gloss for clip in lengths for gloss in clip.sentence}
        write_text(root / "voc.txt", join_lines([sign.chinese for sign in LEXICON if sign.gloss in used]))


LAYOUTS: dict[str, Layout] = {
    "phoenix2014": Phoenix2014(),
    "phoenix2014-T": Phoenix2014T(),
    "CSL-Daily": CSLDaily(),
    "CSL": CSL(),
    "custom": OwnCorpus(),
}

_MONTHS = ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
           "December")  # fmt: skip
_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def _format_day(clip: SyntheticClip) -> str:
    # Spelled out here because strftime speaks the language of the machine.
    day = datetime.date(2021, 1, 1) + datetime.timedelta(days=clip.number // 5)
    return f"{day.day:02d}{_MONTHS[day.month - 1]}_{day.year}_{_WEEKDAYS[day.weekday()]}"


def _widen(frame: np.ndarray, width: int) -> np.ndarray:
    spare = width - frame.shape[1]
    return cv2.copyMakeBorder(frame, 0, 0, spare // 2, spare - spare // 2, cv2.BORDER_REPLICATE)
