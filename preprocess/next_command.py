"""The command that trains on a prepared corpus, for the user to copy."""

from __future__ import annotations

from pathlib import Path

from config.sections import FeederArgs
from preprocess.options import REPOSITORY, get_default_output
from utils.text import quote_path

SMALLEST_CROP = 64
"""The smallest `feeder_args.input_size`, in pixels."""


def format_training_command(dataset: str, folder: Path, frame_size: int) -> str:
    """Format the command that trains on a prepared corpus, with the options in which it differs from the defaults.

    Args:
        dataset: the name of the corpus.
        folder: the folder that preparation wrote.
        frame_size: the side of the resized frames, in pixels.
    """
    # main.py and the paths in config/ are found from the repository alone; preparation is also run in preprocess/.
    elsewhere = Path.cwd() != REPOSITORY
    command = f"cd {quote_path(REPOSITORY)} && " if elsewhere else ""
    command += f"python main.py --config config/baseline.yaml --dataset {dataset}"
    if folder.absolute() != get_default_output(dataset):
        command += f" --prepared {quote_path(folder.absolute() if elsewhere else folder)}"
    return command + _choose_crop(frame_size)


def _choose_crop(frame_size: int) -> str:
    """The options for frames that are smaller than the usual crop: about 7/8 of their side, as 224 of 256 pixels."""
    if frame_size >= FeederArgs().input_size:
        return ""
    crop = max(SMALLEST_CROP, frame_size * 7 // 8 // 16 * 16)
    enlarge = f" feeder_args.image_scale={crop}" if frame_size < crop else ""
    return f"{enlarge} feeder_args.input_size={crop}"
