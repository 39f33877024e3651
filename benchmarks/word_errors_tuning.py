"""Chooses options of the beam search on dev, for `benchmarks.word_errors`.

`python -m evaluation.tune` does it for one network and all options; here some are searched alone, and several networks
may read together.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Collection, Sequence

import torch

from dataset.manifest import load_manifest
from dataset.vocabulary import load_vocabulary
from engine.checkpoint_config import load_evaluation_config
from evaluation.evaluate import load_evaluation_data, prepare_network
from evaluation.load_network import load_networks
from evaluation.tuning.decoding_file import write_decoding_file
from evaluation.tuning.kept_posteriors import keep_posteriors
from evaluation.tuning.option_search import SearchOptions, search_options
from evaluation.tuning.scored_split import ScoredSplit, decoding_threads
from evaluation.tuning.tune_run import prepare_decoders
from evaluation.tuning.tuned_run import compute_posteriors
from utils.arguments import named_path
from utils.device import select_device
from utils.output import run_command
from utils.precision import use_precision


@torch.inference_mode()
def main(args: argparse.Namespace) -> None:
    """Search the options with the fewest errors on dev, and write them into a file for the key `decoding`."""
    config = load_evaluation_config(None, dict(word.split("=", 1) for word in args.overrides))[0]
    device = select_device(config.device)
    use_precision(config.precision, device)
    vocabulary = load_vocabulary(config.prepared, config.dataset, config.dataset_root)
    data = load_evaluation_data(config, "dev", vocabulary, device)
    size = load_manifest(config.prepared, config.dataset, "dev").frame_size
    network = prepare_network(load_networks(config, config.weight_files, vocabulary, size, device), config)
    posteriors = keep_posteriors(compute_posteriors(network, data.loader, "recognising dev"))
    make = prepare_decoders(config, args.lm, vocabulary)
    off = SearchOptions(beam_width=config.beam_width)
    with decoding_threads() as pool:
        dev = ScoredSplit(data.references, posteriors, vocabulary, config, pool)
        count = count_searched(lambda options: dev.count_errors(make(options)), off, args.search)
        trials = search_options(count, off.beam_width, args.lm is not None)
    best = trials.best
    lm = args.lm if best.lm_weight else None
    write_decoding_file(args.out, best, lm, [f"chosen on dev, {trials.errors[best]} errors"])


def count_searched(
    count: Callable[[SearchOptions], int], off: SearchOptions, searched: Collection[str]
) -> Callable[[SearchOptions], int]:  # fmt: skip
    """The errors with some options, for a search that is to leave all but `searched` as they are in `off`.

    Args:
        count: the errors with any options.
        off: the options without any that is searched.
        searched: the names of those that are.
    """

    def count_or_refuse(options: SearchOptions) -> int:
        kept = off._replace(**{name: getattr(options, name) for name in searched})
        return count(options) if options == kept else sys.maxsize

    return count_or_refuse


def parse_args(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("overrides", nargs="+", metavar="key=value", help="the configuration of the reading")
    parser.add_argument("--search", nargs="+", choices=SearchOptions._fields, required=True, metavar="NAME",
                        help=f"which options: of {', '.join(SearchOptions._fields)}")  # fmt: skip
    parser.add_argument("--lm", type=named_path, metavar="FILE", help="the language model")
    parser.add_argument("--out", type=named_path, required=True, metavar="FILE", help="the file to write")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    run_command(lambda: main(parse_args()))
