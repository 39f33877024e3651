"""Running the doctor on tiny corpora, and what tests do to them first."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from preprocess.corpora.registry import CORPORA
from tests.helpers import corpora as tiny

BUILDERS = {
    "phoenix2014": tiny.phoenix2014,
    "phoenix2014-T": tiny.phoenix2014_t,
    "CSL-Daily": tiny.csl_daily,
    "CSL": tiny.csl,
}
FRAMES = 24
SIZE = 64
PHOENIX = "phoenix-2014-multisigner"
PHOENIX_FRAMES = f"{PHOENIX}/features/fullFrame-210x260px"
DEV_CLIP = "03April_2010_Saturday_heute_default-1"
TRAIN_CLIP = "01April_2010_Thursday_heute_default-1"


@dataclass(frozen=True)
class Diagnosis:
    """What the doctor printed: verdict and text of each row of its table, and the exit status."""

    status: int
    text: str
    verdicts: dict[str, str]
    rows: dict[str, str]

    def of(self, verdict: str) -> set[str]:
        return {check for check, found in self.verdicts.items() if found == verdict}


def parse(status: int, text: str) -> Diagnosis:
    verdicts, rows, last = {}, {}, ""
    for line in text.splitlines():
        row = re.match(r"((?:corpus|prepared)(?:: .+?)?) {2,}(ok|warning|error|not examined) {2,}(.+)", line)
        if row:
            last, verdicts[row[1]], rows[row[1]] = row[1], row[2], row[3]
        elif line.startswith(" ") and last:
            rows[last] += " " + line.strip()
    return Diagnosis(status, text, verdicts, rows)


def sound(dataset: str, root: Path) -> Path:
    """A tiny corpus whose clips are long enough for their labels, and whose images have the released size."""
    BUILDERS[dataset](root)
    width, height = CORPORA[dataset].image_size
    for folder in {path.parent for pattern in ("*.png", "*.jpg") for path in root.rglob(pattern)}:
        suffix = next(folder.iterdir()).suffix
        shutil.rmtree(folder)
        tiny.write_clip(folder, f"images{{:04d}}{suffix}", FRAMES, height, width)
    if dataset == "CSL-Daily":
        edit(root / "video_map.txt", "_T00|4|", f"_T00|{FRAMES}|")
        edit(root / "video_map.txt", "_T01|4|", f"_T01|{FRAMES}|")
    return root


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def images(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.suffix in {".png", ".jpg"})


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-30])


def spoil(path: Path) -> None:
    """Damage the middle of an image; its end stays."""
    data = bytearray(path.read_bytes())
    data[16:-16] = bytes(len(data) - 32)
    path.write_bytes(bytes(data))


def shorten(folder: Path, frames: int) -> None:
    for path in images(folder)[frames:]:
        path.unlink()
