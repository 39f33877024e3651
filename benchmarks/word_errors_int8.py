"""Reads dev and test with an exported network in 8-bit integers, for `benchmarks.word_errors`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from benchmarks.programs import REPORT
from engine.int8 import configure_reading, count_word_errors
from evaluation.evaluate import load_evaluation_data
from evaluation.inference.onnx_network import load_onnx
from evaluation.wer_result import counts_to_dict
from utils.arguments import named_path
from utils.files import write_json
from utils.output import run_command


def main(args: argparse.Namespace) -> None:
    """Read and count; the file has of a run's report what a comparison of word errors needs."""
    recogniser = load_onnx(args.model)
    config = configure_reading(recogniser.config, args.prepared)
    splits = {}
    for split in ("dev", "test"):
        data = load_evaluation_data(config, split, recogniser.vocabulary)
        found = count_word_errors(recogniser, data, "int8")
        counts = [{"id": of.id, "signer": of.signer, **counts_to_dict(of)} for of in found.sentences]
        splits[split] = {"wer": found.wer, "sentences": counts}
    write_json(args.out / REPORT, {"splits": splits})


def parse_args(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, required=True, metavar="FILE", help="the exported network")
    parser.add_argument("--prepared", type=named_path, required=True, metavar="DIR", help="the prepared corpus")
    parser.add_argument("--out", type=named_path, required=True, metavar="DIR", help="the folder of what it counts")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    run_command(lambda: main(parse_args()))
