"""Estimate a language model on the training glosses of a corpus, or measure how well one guesses a split.

python -m evaluation.language_model train --dataset phoenix2014 --order 4 --out lm.arpa
python -m evaluation.language_model perplexity lm.arpa --dataset phoenix2014 --split dev
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from config.layers import list_corpora
from config.load import load_config
from config.schema import Config
from dataset.manifest import SPLITS
from dataset.vocabulary import load_vocabulary
from evaluation.language_model.arpa import read_arpa, write_arpa
from evaluation.language_model.estimate import estimate
from evaluation.language_model.ngram_model import UNKNOWN, NgramModel
from evaluation.language_model.perplexity import Perplexity, doubt_corpus, measure_perplexity
from evaluation.language_model.sentences import find_unmapped, load_sentences
from utils.arguments import named_path, whole_number
from utils.files import check_can_be_written
from utils.output import run_command
from utils.text import plural

LARGEST_ORDER = 10


def parse_args(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m evaluation.language_model", description="N-gram language models of glosses."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    train = commands.add_parser("train", help="estimate a model on the training glosses of a prepared corpus")
    train.add_argument(
        "--order", type=whole_number(1, LARGEST_ORDER), default=4, metavar="N", help="words of an n-gram (default: 4)"
    )
    train.add_argument(
        "--out", type=named_path, required=True, metavar="FILE", help="the ARPA file; compressed if it ends in .gz"
    )
    perplexity = commands.add_parser("perplexity", help="measure the perplexity of a model on a split")
    perplexity.add_argument("lm", type=named_path, metavar="LM", help="an ARPA file, compressed by gzip or not")
    perplexity.add_argument("--split", choices=SPLITS, default="dev", help="the split (default: dev)")
    for command in (train, perplexity):
        corpus = command.add_mutually_exclusive_group(required=True)
        corpus.add_argument("--dataset", choices=sorted(list_corpora()), help="the corpus, with its own rules")
        corpus.add_argument("--config", metavar="FILE", help="a configuration that names the corpus and the rules")
        command.add_argument(
            "--prepared", type=named_path, metavar="DIR", help="where it is prepared (default: as configured)"
        )
    return parser.parse_args(arguments)


def main(args: argparse.Namespace) -> None:
    """Do what the command line says.

    Raises:
        InputError: the corpus is not prepared, the model cannot be read, or the file cannot be written.
    """
    overrides = {key: str(getattr(args, key)) for key in ("dataset", "prepared") if getattr(args, key)}
    config = load_config(args.config, overrides)[0]
    if args.command == "train":
        train(config, args.order, args.out)
    else:
        print_perplexity(config, args.split, args.lm)


def train(config: Config, order: int, out: Path) -> None:
    """Estimate a model on the training glosses of a corpus, write it, and say what it is.

    Args:
        config: names the corpus, where it is prepared, and its rules.
        order: the largest length of n-grams.
        out: the ARPA file.
    """
    check_can_be_written(out)
    load_vocabulary(config.prepared, config.dataset, config.dataset_root)  # its message where nothing is prepared
    sentences = load_sentences(config, "train")
    model = estimate(sentences, order)
    write_arpa(model, out)
    merged = ", equal neighbours merged" if config.merge_repeats else ""
    print(
        f"{out}: {describe_model(model)}\n"
        f"estimated on {config.dataset} train, {describe_size(measure_perplexity(model, sentences))} "
        f"(normalise: {config.normalise}{merged})"
    )


def print_perplexity(config: Config, split: str, path: Path) -> None:
    """Print the perplexity of a model on a split, and what of the dictionary and of the model is not in the other.

    Args:
        config: names the corpus, where it is prepared, and its rules.
        split: the name of the split.
        path: the ARPA file.
    """
    vocabulary = load_vocabulary(config.prepared, config.dataset, config.dataset_root)
    sentences = load_sentences(config, split)
    model = read_arpa(path)
    measured = measure_perplexity(model, sentences)
    print(f"{path}: {describe_model(model)}\n{config.dataset} {split}: {describe_size(measured)}")
    print(f"perplexity, ends of sentences included: {measured.with_unknown:,.2f}")
    if measured.unknown:
        print(f"without the {plural(measured.unknown, 'unknown word')}: {measured.without_unknown:,.2f}")
        if UNKNOWN not in model:
            print(f"(the model has no {UNKNOWN}: an unknown word counts as its rarest one)")
    print(f"if every gloss and the end were equally probable: {len(vocabulary) + 1:,}")
    for line in find_unmapped(model, vocabulary.glosses, config.normalise).describe():
        print(line)
    if doubt := doubt_corpus(measured, len(vocabulary), f"{config.dataset} {split}"):
        print(doubt, file=sys.stderr)


def describe_model(model: NgramModel) -> str:
    """The order of a model and the numbers of its n-grams."""
    sizes = ", ".join(f"{len(ngrams):,} {length}-grams" for length, ngrams in enumerate(model.ngrams, start=1))
    return f"order {model.order}, {sizes}"


def describe_size(measured: Perplexity) -> str:
    """How many sentences and words there are, and how many of these the model does not know."""
    size = f"{plural(measured.sentences, 'sentence')}, {plural(measured.words, 'word')}"
    return f"{size}, {measured.unknown:,} of them unknown" if measured.unknown else size


if __name__ == "__main__":
    run_command(lambda: main(parse_args()))
