"""Average the weights of several checkpoints of one training.

python -m engine.average work_dir/run --last 5          the last five epochs of a run that keeps them (save_interval: 1)
python -m engine.average A.pt B.pt --out mean.pt

Weights and BatchNorm's statistics become their mean; then the statistics are estimated anew on training clips, since
those of a mean of networks are not the mean of theirs. What is written is a checkpoint that every command takes. Dev is
evaluated before and after.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from config.schema import Config
from dataset.manifest import available_splits, load_manifest
from dataset.vocabulary import Vocabulary, load_vocabulary
from engine.calibrate import calibrate_checkpoint
from engine.checkpoint_config import load_evaluation_config
from engine.checkpoints import BEST
from engine.mean_checkpoint import average_checkpoints, list_last_checkpoints
from engine.norm_statistics import choose_clips, estimate_statistics
from evaluation.calibration import ClipMeasures
from evaluation.evaluate import EvaluationData, evaluate, load_evaluation_data
from evaluation.evaluation_result import EvaluationResult
from evaluation.load_network import load_network
from evaluation.reporting.certainty import format_comparison
from evaluation.shallow_fusion import load_fusion
from slr_network import load_model
from utils.arguments import MOST_NUMBER, named_path, whole_number
from utils.checkpoint import save_checkpoint
from utils.device import move_to_device, select_device, set_device
from utils.errors import InputError
from utils.files import check_can_be_written, real_path
from utils.output import run_command
from utils.precision import use_precision
from utils.text import plural

CLIPS = 500
"""Training clips for BatchNorm's statistics where nothing else is said: some ten thousand frames."""


def average(
    paths: Sequence[Path], out: Path, overrides: Mapping[str, Any], clips: int
) -> tuple[Config, torch.device]:  # fmt: skip
    """Write the mean of some checkpoints.

    Args:
        paths: the checkpoints, the newest last; the configuration is its.
        out: the file to be written.
        overrides: values of the configuration by key, as a command line gives them.
        clips: the number of training clips for BatchNorm's statistics, at most; 0 keeps the mean of the statistics.

    Returns:
        the configuration with which the mean is evaluated, and the device.

    Raises:
        InputError: the checkpoints cannot be averaged, the training clips or the language model are not there, or
            memory ran out.
    """
    content = average_checkpoints(paths)
    config, _ = load_evaluation_config(None, {"phase": "test", "load_weights": str(paths[-1]), **overrides})
    if "dev" in available_splits(config.prepared):
        load_fusion(config)  # a lost language model is named now, and not when the mean is there
    device = select_device(config.device)
    set_device(device)
    use_precision(config.precision, device)
    if clips:
        if "train" not in available_splits(config.prepared):
            raise InputError(
                f"BatchNorm's statistics are estimated on training clips, and {config.prepared} holds none: say where "
                "the prepared corpus is with --prepared, or take the mean of the statistics with --clips 0"
            )
        vocabulary = load_vocabulary(config.prepared, config.dataset, config.dataset_root)
        model = load_model(content, config.model_args, vocabulary.glosses, name=paths[-1])
        chosen = choose_clips(load_manifest(config.prepared, config.dataset, "train"), config, clips)
        estimate_statistics(move_to_device(model, device), config, chosen, vocabulary)
        content["model_state_dict"] = {name: w.cpu() for name, w in model.state_dict().items()}
        content["averaged"]["clips"] = len(chosen.clips)
    save_checkpoint(out, content)
    return config, device


def evaluate_both(config: Config, before: Path, mean: Path, device: torch.device) -> str:
    """Evaluate a checkpoint and the mean on dev, and calibrate the confidences of the mean.

    Args:
        config: the configuration of the mean.
        before: the checkpoint that it is to be better than.
        mean: the checkpoint of the mean; gets the calibration.
        device: the device.

    Returns:
        a table of both, and a line on their difference.

    Raises:
        InputError: the corpus is not prepared to the end, or of another dictionary, or memory ran out.
    """
    vocabulary = load_vocabulary(config.prepared, config.dataset, config.dataset_root)
    data = load_evaluation_data(config, "dev", vocabulary, device)
    measures = ClipMeasures()
    a = _evaluate(config, before, data, vocabulary, device)
    b = _evaluate(config, mean, data, vocabulary, device, measures)
    calibrate_checkpoint(b, measures, mean, lock=None)
    counts = {name: result.results["sequence"] for name, result in (("A", a), ("B", b))}
    return f"A is {before}, B is {mean}\n{format_comparison('dev', counts)}"


def _evaluate(
    config: Config,
    weights: Path,
    data: EvaluationData,
    vocabulary: Vocabulary,
    device: torch.device,
    measures: ClipMeasures | None = None,
) -> EvaluationResult:
    frame_size = load_manifest(config.prepared, config.dataset, data.split).frame_size
    model = load_network(config, weights, vocabulary, frame_size, device)
    with TemporaryDirectory() as folder:
        return evaluate(config, model, data, vocabulary, Path(folder), measures)


def choose_files(sources: Sequence[Path], last: int | None) -> tuple[list[Path], Path, Path]:
    """What is averaged, the file that the mean gets where none is named, and what it is compared with.

    That is the best checkpoint of the run, or among the files, else the newest.

    Raises:
        InputError: neither a run and a number nor at least two files are named, or the run has kept too few.
    """
    if last is None and len(sources) > 1:
        best_of = [source for source in sources if source.name == BEST]
        return list(sources), sources[0].parent / "average.pt", (best_of or sources)[-1]
    if last is None or len(sources) > 1:
        raise InputError("name the folder of a run with --last N, or without it at least two checkpoints")
    paths = list_last_checkpoints(sources[0], last)
    best = sources[0] / BEST
    return paths, sources[0] / f"average_{last}.pt", best if best.is_file() else paths[-1]


def check_out(out: Path, sources: Sequence[Path], overwrite: bool) -> None:
    """Raise InputError if the mean cannot be written under this name, or a checkpoint would be lost."""
    if real_path(out) in {real_path(source) for source in sources}:
        raise InputError(f"--out {out} is one of the checkpoints themselves, which would be lost: choose another name")
    if out.exists() and not overwrite:
        raise InputError(f"{out} is there already: choose another --out, or add --overwrite, which replaces it")
    check_can_be_written(out)


def main(args: argparse.Namespace) -> None:
    """Average, and say whether it has helped."""
    paths, default, before = choose_files(args.sources, args.last)
    out = args.out or default
    check_out(out, [*paths, before], args.overwrite)
    overrides = {key: str(vars(args)[key]) for key in ("device", "prepared", "lm") if vars(args)[key]}
    config, device = average(paths, out, overrides, args.clips)
    print(f"{out}: the mean of {plural(len(paths), 'checkpoint')}, {', '.join(path.name for path in paths)}")
    if "dev" not in available_splits(config.prepared):
        print(f"{config.prepared} has no dev.json: whether the mean is better is not known, nor is it calibrated")
        return
    print(evaluate_both(config, before, out, device))


def parse_args(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "sources", type=named_path, nargs="+", metavar="RUN | FILE", help="the folder of a run, or checkpoints"
    )
    parser.add_argument("--last", type=whole_number(2, MOST_NUMBER), metavar="N", help="of a run: how many epochs")
    parser.add_argument(
        "--out", type=named_path, metavar="FILE", help="the file to write (default: average_N.pt in the run's folder)"
    )
    parser.add_argument(
        "--clips",
        type=whole_number(0, MOST_NUMBER),
        default=CLIPS,
        metavar="N",
        help="training clips for BatchNorm's statistics, at most; 0: the mean of the statistics (%(default)s)",
    )
    parser.add_argument(
        "--prepared", type=named_path, metavar="DIR", help="the prepared corpus (default: where the training had it)"
    )
    parser.add_argument(
        "--lm", metavar="FILE", help="language model with which dev is evaluated; none: without (default: the run's)"
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, mps, 0, cuda:0, ... (%(default)s)")
    parser.add_argument("--overwrite", action="store_true", help="replace the file of that name")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    run_command(lambda: main(parse_args()))
