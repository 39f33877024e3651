"""The README's picture: python -m benchmarks.picture

A clip of the quickstart's test split, with the glosses that the network read under the frames in which it read them.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np

from config.load import FOLDER, load_config
from dataset.frames import frame_paths, read_image
from evaluation.ctm import CtmEntry, Reference, read_ctm, read_stm
from evaluation.evaluate import FRAME_RATE
from preprocess.corpora import CORPORA
from utils.files import atomic_path

COLUMNS, ROWS = 10, 2
WIDTH, HEIGHT, BAND, MARGIN = 105, 130, 26, 8
INK, PAPER, CORRECT, WRONG = (40, 40, 40), (255, 255, 255), (46, 125, 50), (198, 40, 40)


def write(image: np.ndarray, text: str, x: int, y: int, colour: tuple[int, int, int]) -> None:
    """Put `text` into the picture, its baseline starting at (x, y)."""
    cv2.putText(image, text, (x, y), cv2.FONT_HERSHEY_SIMPLEX, 0.42, colour, 1, cv2.LINE_AA)


def draw(frames: list[np.ndarray], reference: Reference, entry: CtmEntry) -> np.ndarray:
    """Contact sheet (H, W, 3) uint8 RGB of a clip's frames, the words of `entry` below, the reference on top."""
    shown = np.linspace(0, len(frames) - 1, ROWS * COLUMNS).round().astype(int)
    sheet = np.full((2 * MARGIN + BAND + ROWS * (HEIGHT + BAND), 2 * MARGIN + COLUMNS * WIDTH, 3), 255, np.uint8)
    title = f"{reference.signer}, signed: {' '.join(reference.glosses)}    recognised: {' '.join(entry.glosses)}"
    write(sheet, title, MARGIN, MARGIN + 14, INK)
    correct = entry.glosses == reference.glosses
    for place, frame in enumerate(shown):
        x = MARGIN + place % COLUMNS * WIDTH
        y = MARGIN + BAND + place // COLUMNS * (HEIGHT + BAND)
        sheet[y : y + HEIGHT, x : x + WIDTH] = cv2.resize(frames[frame], (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)
    for word in entry.words:
        place = int(np.searchsorted(shown, word.start * FRAME_RATE))
        place = min(place, len(shown) - 1)
        x = MARGIN + place % COLUMNS * WIDTH
        y = MARGIN + BAND + place // COLUMNS * (HEIGHT + BAND) + HEIGHT
        write(sheet, word.gloss, x + 4, y + 16, CORRECT if correct else WRONG)
    return sheet


def main(args: argparse.Namespace) -> None:
    """Draw the clip and write the picture."""
    config, _ = load_config(args.config, {})
    references = {
        entry.id: entry for entry in read_stm(Path(config.prepared) / f"{config.dataset}-groundtruth-test.stm")
    }
    read = {entry.id: entry for entry in read_ctm(Path(config.work_dir) / "output-hypothesis-test.ctm")}
    name = args.id or max(references, key=lambda key: (references[key].signer, len(references[key].glosses)))
    recordings = CORPORA[config.dataset](Path(config.dataset_root)).splits["test"]
    folder = next(recording.folder for recording in recordings if recording.id == name)
    frames = [read_image(path) for path in frame_paths(folder)]
    sheet = draw(frames, references[name], read.get(name, CtmEntry(name, ())))
    with atomic_path(args.out) as temporary:
        if not cv2.imwrite(str(temporary), cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR)):
            raise OSError(f"cannot write {args.out}")
    print(f"{name}: {args.out}")


def parse_args() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--config", default=str(FOLDER / "quickstart.yaml"), help="whose run")
    parser.add_argument("--id", help="clip (default: the longest sentence of the last signer)")
    parser.add_argument("--out", type=Path, default=Path("docs/quickstart.png"), help="where to (default %(default)s)")
    return parser.parse_args()


if __name__ == "__main__":
    main(parse_args())
