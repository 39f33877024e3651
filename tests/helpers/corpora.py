"""Corpora of a few four-frame clips in exactly the layouts of the released ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np

from tests.helpers.videos import make_video

PHOENIX_CSV = "phoenix-2014-multisigner/annotations/manual/{}.corpus.csv"
T_CSV = "annotations/manual/PHOENIX-2014-T.{}.corpus.csv"
"""The tables of labels, to be formatted with the name of a split."""
PHOENIX_TRAIN = (
    ("01April_2010_Thursday_heute_default-1", "Signer04", "loc-NORD WETTER  REGEN"),
    ("01April_2010_Thursday_heute_default-2", "Signer01", "REGEN __EMOTION__ HEUTE"),
    ("13April_2011_Wednesday_tagesschau_default-14", "Signer05", "BROKEN"),
    ("02April_2010_Friday_heute_default-9", "Signer04", "WIE AUSSEHEN MORGEN"),
)
PHOENIX_DEV = (("03April_2010_Saturday_heute_default-1", "Signer04", "REGEN SONNE"),)
PHOENIX_TEST = (
    ("04April_2010_Sunday_heute_default-1", "Signer02", "SCHNEE"),
    ("04April_2010_Sunday_heute_default-2", "Signer02", "HEUTE"),
)

T_SPLITS: Mapping[str, Sequence[tuple[str, str, str, str]]] = {
    "train": (
        ("11August_2010_Wednesday_tagesschau-2", "Signer08", "DRUCK TIEF", "tiefer luftdruck in den nächsten tagen"),
        ("11August_2010_Wednesday_tagesschau-3", "Signer08", "MEIN ABEND", 'ihnen "noch einen abend'),
    ),
    "dev": (("12August_2010_Thursday_tagesschau-1", "Signer01", "TIEF", "„tief“\u2028und zwar"),),
    "test": (("13August_2010_Friday_tagesschau-1", "Signer03", "DRUCK", "druck"),),
}


def image(seed: int, height: int, width: int) -> np.ndarray:
    """A smooth random uint8 (H, W, 3) RGB image."""
    noise = np.random.default_rng(seed).integers(0, 256, (height // 8 + 2, width // 8 + 2, 3), dtype=np.uint8)
    return cv2.resize(noise, (width, height), interpolation=cv2.INTER_LINEAR)


def write_clip(
    folder: Path, pattern: str = "images{:04d}.png", frames: int = 4, height: int = 52, width: int = 42
) -> Path:
    """Write `frames` images of the given size, named by `pattern`, numbered from 1."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(1, frames + 1):
        bgr = cv2.cvtColor(image(number, height, width), cv2.COLOR_RGB2BGR)
        if not cv2.imwrite(str(folder / pattern.format(number)), bgr):
            raise OSError(f"no image written to {folder}")
    return folder


def write_lines(path: Path, *lines: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def phoenix2014(root: Path, frames: int = 16) -> Path:
    """A `phoenix2014-release` with 3 (and the broken one) / 1 / 2 recordings; the broken one has no frames."""
    base = root / "phoenix-2014-multisigner"
    for split, recordings in (("train", PHOENIX_TRAIN), ("dev", PHOENIX_DEV), ("test", PHOENIX_TEST)):
        rows = [f"{name}|{name}/1/*.png|{signer}|{label}" for name, signer, label in recordings]
        write_lines(base / f"annotations/manual/{split}.corpus.csv", "id|folder|signer|annotation", *rows)
        for name, _, label in recordings:
            if label != "BROKEN":
                folder = base / f"features/fullFrame-210x260px/{split}/{name}/1"
                write_clip(folder, name.split("_default")[0] + ".avi_pid0_fn{:06d}-0.png", frames)
    return root


def phoenix2014_t(root: Path, level: str = "") -> Path:
    """A `PHOENIX-2014-T` with 2 / 1 / 1 recordings; `level` is the last folder of a clip, `/1` in the table only."""
    for split, recordings in T_SPLITS.items():
        rows = [f"{name}|{name}/1/*.png|-1|-1|{signer}|{orth}|{text}" for name, signer, orth, text in recordings]
        table = root / f"annotations/manual/PHOENIX-2014-T.{split}.corpus.csv"
        write_lines(table, "name|video|start|end|speaker|orth|translation", *rows)
        for name, *_ in recordings:
            write_clip(root / f"features/fullFrame-210x260px/{split}/{name}" / level)
    return root


def phoenix2014_si5(root: Path) -> Path:
    """`phoenix2014` with Signer05 in dev and for one of the two test recordings."""
    phoenix2014(root)
    for split, old in (("dev", "|Signer04|"), ("test", "|Signer02|HEUTE")):
        table = root / f"phoenix-2014-multisigner/annotations/manual/{split}.corpus.csv"
        table.write_text(table.read_text().replace(old, old.replace(old[1:9], "Signer05")))
    return root


CSL_DAILY_ROWS = (
    ("S000020_P0000_T00", "他 今天 年龄 4"),
    ("S000007_P0003_T00", "APP 好 好"),
    ("S000021_P0001_T00", "他 \u201c好\u201d"),
    ("S000022_P0009_T01", "今天 11"),
)


def csl_daily(root: Path, labels: str = "video_map.txt", splits: str = "split_1.txt") -> Path:
    """A CSL-Daily with 2 / 1 / 1 recordings whose `split_1.txt` has the wrong row of the released one."""
    rows = [
        f'{index}|{name}|4|{gloss}|他 今 年 "四 岁 。|他 今年 四 岁 。|r t m q w'
        for index, (name, gloss) in enumerate(CSL_DAILY_ROWS)
    ]
    write_lines(root / labels, "index|name|length|gloss|char|word|postag", *rows)
    names = ("S000020_P0000_T00|train", "S000005_P0004_T00|train", "S000021_P0001_T00|dev", "S000022_P0009_T01|test")
    write_lines(root / splits, "name|split", *names)
    for name, _ in CSL_DAILY_ROWS:
        write_clip(root / "sentence/frames_512x512" / name, "{:06d}.jpg", height=64, width=64)
    return root


def csl(root: Path) -> Path:
    """A CSL with 2 / 1 recordings and lists that carry the absolute paths of another machine."""
    write_lines(root / "voc.txt", "我们", "你", "喜欢", "不用")
    train = ("/mnt/data/CSL/color/000/P01_s1_00_0|我们 喜欢 你", "/mnt/data/CSL/color/001/P02_s1_01_0|你 你")
    write_lines(root / "train.txt", *train)
    write_lines(root / "dev.txt", "/mnt/data/CSL/color/000/P03_s1_00_0|我们 喜欢")
    for folder in ("color/000/P01_s1_00_0", "color/001/P02_s1_01_0", "color/000/P03_s1_00_0"):
        write_clip(root / folder, "{:06d}.jpg", height=36, width=64)
    return root


def custom(root: Path) -> Path:
    """An own corpus of folders of frames, 2 / 1 / 1, its CSV as a spreadsheet writes it."""
    rows = (
        "a,frames/a,Anna,HALLO DU,train",
        'b,"frames/b",Ben,DU,train',
        "c,frames/c,Anna,ICH,dev",
        "d,frames/d,Ben,DU,test",
    )
    write_lines(root / "labels.csv", "id,path,signer,glosses,split", *rows)
    for name in "abcd":
        write_clip(root / "frames" / name, "{:d}.png")
    return root


def write_video(path: Path, frames: int = 12, height: int = 48, width: int = 64) -> Path:
    """A video of as many different frames."""
    frames_of_clip = (image(number, height, width) for number in range(frames))
    return make_video(path, frames_of_clip, "mjpeg" if path.suffix == ".avi" else "mpeg4")


BUILDERS = {
    "phoenix2014": phoenix2014,
    "phoenix2014-SI5": phoenix2014_si5,
    "phoenix2014-T": phoenix2014_t,
    "CSL-Daily": csl_daily,
    "CSL": csl,
    "custom": custom,
}
