"""One tuning, from the run's folder to its file of options and the words at the end."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from config.schema import Config
from dataset.manifest import available_splits
from dataset.vocabulary import Vocabulary
from evaluation.compile_decoder import compile_decoder
from evaluation.decode import Decoder, make_decoder
from evaluation.evaluate import load_evaluation_data
from evaluation.sclite import check_sclite
from evaluation.shallow_fusion import build_fusion, describe_unmapped, doubt_language_model
from evaluation.tuning.decoding_file import FILE_NAME, write_decoding_file
from evaluation.tuning.option_search import SearchOptions, search_options
from evaluation.tuning.scored_split import ScoredSplit, decoding_threads
from evaluation.tuning.tuned_run import TunedRun, load_run_config
from evaluation.tuning.tuning_text import OPTIMISTIC, format_counts, format_options, format_split
from evaluation.wer_result import WerResult
from utils.checkpoint_file import BEST
from utils.device import select_device, set_device
from utils.errors import InputError
from utils.log import LOGGER
from utils.precision import use_precision
from utils.text import plural, quote_path


def tune_run(folder: Path, lm: Path | None, with_test: bool, overrides: Mapping[str, str]) -> None:
    """Choose the options on dev, write them into the run's folder, and score dev and test without and with them.

    Args:
        folder: the run's folder.
        lm: the language model in ARPA; None tunes without one.
        with_test: whether test is scored, if the corpus has one.
        overrides: values of the configuration by dotted key.

    Raises:
        InputError: something that the tuning needs is missing or does not fit; the message says what.
    """
    as_run = load_run_config(folder, overrides)
    off = SearchOptions(beam_width=as_run.beam_width)
    config = choose_beam_search(as_run, off)
    if config.evaluate_tool == "sclite":  # before dev is recognised, and not after
        check_sclite(config.sclite_path)
    device = select_device(config.device)
    set_device(device)
    use_precision(config.precision, device)
    run = TunedRun(folder, config, device)
    dev_data = load_evaluation_data(config, "dev", run.vocabulary, device)
    test_data = None
    if with_test and has_test(config):  # loaded now, so that what is missing is said before the search
        test_data = load_evaluation_data(config, "test", run.vocabulary, device)
    if lm:
        of_corpus = str(lm), config, run.vocabulary
        for line in [*describe_unmapped(*of_corpus), *doubt_language_model(*of_corpus)]:
            LOGGER.info(line)
    make = prepare_decoders(config, lm, run.vocabulary)
    for options in (off, off._replace(blank_penalty=1.0)):  # a search without options has machine code of its own
        compile_decoder(make(options), LOGGER.info)
    with decoding_threads() as pool:
        posteriors = run.recognise_once("dev", dev_data.loader)
        dev = ScoredSplit(dev_data.references, posteriors, run.vocabulary, config, pool)
        if not any(reference.glosses for reference in dev.references):
            raise InputError("no gloss is signed in dev: there is nothing to tune on")
        best = find_best_options(dev, make, off, lm is not None)
        candidates = list(dict.fromkeys([off, best]))
        results = [dev.score(make(options)) for options in candidates]
        LOGGER.info("\n%s\n%s\n", format_split("dev", results), OPTIMISTIC)
        LOGGER.info(write_options(folder, best, lm, results, list_changes(overrides)))
        if test_data:
            posteriors = run.recognise("test", test_data.loader)
            test = ScoredSplit(test_data.references, posteriors, run.vocabulary, config, pool)
            LOGGER.info("\n%s", format_split("test", [test.score(make(options)) for options in candidates]))
    LOGGER.info("\nto use them: %s", format_command(folder, as_run, list_changes(overrides)))


def choose_beam_search(config: Config, off: SearchOptions) -> Config:
    """The configuration with the built-in beam search, the one that has the options, and all of them off."""
    if config.decode_mode != "beam":
        LOGGER.info("this run decodes greedily (decode_mode: %s): what is tuned is the beam search", config.decode_mode)
    elif config.decode_backend != "builtin":
        LOGGER.info("this run decodes by %s: what is tuned is the built-in search", config.decode_backend)
    return replace(config, decode_mode="beam", decode_backend="builtin", lm=None, **off._asdict())


def has_test(config: Config) -> bool:
    """Whether the corpus has a test split; the log says if it has none."""
    if "test" in available_splits(config.prepared):
        return True
    LOGGER.info("%s has no test.json: dev alone is scored", config.prepared)
    return False


def prepare_decoders(config: Config, lm: Path | None, vocabulary: Vocabulary) -> Callable[[SearchOptions], Decoder]:
    """A function that makes the decoder with some options.

    Args:
        config: the configuration, with the beam search and no option.
        lm: the language model; None if there is none.
        vocabulary: the class numbers' glosses.
    """

    def make(options: SearchOptions) -> Decoder:
        named = str(lm) if lm and options.lm_weight else None
        fusion = build_fusion(replace(config, lm=named, **options._asdict()), vocabulary)
        return make_decoder(config.decode_backend, config.decode_mode, options.beam_width, fusion)

    return make


def find_best_options(
    dev: ScoredSplit, make: Callable[[SearchOptions], Decoder], off: SearchOptions, has_lm: bool
) -> SearchOptions:  # fmt: skip
    """Search the options on dev, and say how many were tried and which are the best.

    Args:
        dev: the split.
        make: makes the decoder with some options.
        off: none of them, and the run's beam.
        has_lm: whether there is a language model.
    """
    begun = time.monotonic()
    trials = search_options(lambda options: dev.count_errors(make(options)), off.beam_width, has_lm)
    seconds = time.monotonic() - begun
    duration = f"{seconds:.0f} s" if seconds < 60 else f"{seconds / 60:.1f} minutes"
    tried, clips = plural(len(trials.errors), "combination"), plural(len(dev.references), "clip")
    LOGGER.info("%s of options were tried on the %s of dev in %s", tried, clips, duration)
    LOGGER.info("the best: %s", format_options(trials.best))
    return trials.best


def list_changes(overrides: Mapping[str, str]) -> list[str]:
    """The words `key=value` that a test needs too, to give what the tuning gave: `tta=[flip]`, `prepared=DIR`.

    Those of the device and of the beam to begin with are none of them: the file of the options has a beam.
    """
    return [f"{key}={value}" for key, value in overrides.items() if key not in ("device", *SearchOptions._fields)]


def write_options(
    folder: Path, options: SearchOptions, lm: Path | None, results: Sequence[WerResult], changes: Sequence[str]
) -> str:  # fmt: skip
    """Write the file of the options.

    Args:
        folder: the run's folder.
        options: the chosen options.
        lm: the language model that was tried.
        results: the counts on dev without the options, and with them if they differ.
        changes: what was otherwise than in the run.

    Returns:
        what the user is to know of it.
    """
    remarks = []
    if results[0].wer == results[-1].wer:
        remarks.append("no option makes fewer errors on dev than none")
    elif lm and not options.lm_weight:
        remarks.append(f"the language model {lm} makes no fewer errors on dev with any weight, so it is not used")
    comments = [
        f"Options of the beam search, chosen on dev for {BEST} by `python -m evaluation.tune`"
        f"{' with ' if changes else ''}{' '.join(changes)}.",
        f"dev before: {format_counts(results[0])}",
        f"dev after: {format_counts(results[-1])}; {OPTIMISTIC}",
    ]
    path = folder / FILE_NAME
    aside = write_decoding_file(path, options, lm if options.lm_weight else None, [*comments, *remarks])
    return "\n".join([*remarks, f"options: {path}{f' (the older file is {aside} now)' if aside else ''}"])


def format_command(folder: Path, as_run: Config, changes: Sequence[str]) -> str:
    """The command that tests a run with its file of options, and with the `changes` with which it was tuned."""
    ways = [
        f"--{key.replace('_', '-')} {value}"
        for key, value in (("decode_mode", "beam"), ("decode_backend", "builtin"))
        if getattr(as_run, key) != value
    ]
    words = [f"--load-weights {quote_path(folder / BEST)}", f"--decoding {quote_path(folder / FILE_NAME)}"]
    words += [*map(quote_path, changes), *ways]  # of two values the later counts
    return f"python main.py --phase test {' '.join(words)}"
