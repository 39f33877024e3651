"""How long decoding takes: python -m benchmarks.decode

Measures the built-in beam search in milliseconds for a sequence, on one core and on all of them, and compares it with
the same search in plain Python. Then it compares the search without and with a language model, which is estimated on
drawn sentences. At last it evaluates clips with a small network, decoding one batch behind, as evaluation does, and
decoding each batch before the next is computed.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from functools import partial
from itertools import groupby
from typing import Any, cast
from unittest import mock

import numpy as np
import torch
from torch.utils.data import DataLoader

from benchmarks.drawn_sentences import draw_sentences
from benchmarks.plain_search import search_in_plain_python
from dataset.batch import Collate, Sample
from dataset.vocabulary import Vocabulary
from evaluation import recognise
from evaluation.ctc.confidence import compute_confidences
from evaluation.ctc.ngram_table import build_table
from evaluation.ctc.search_arrays import Fusion
from evaluation.decode import BeamDecoder
from evaluation.language_model.estimate import estimate
from evaluation.language_model.ngram_model import NgramModel
from evaluation.one_behind import OneBehind
from slr_network import SLRModel, for_recognition
from utils.device import select_device
from utils.output import run_command
from utils.table import format_table
from utils.workers import available_cores

KINDS = {"peaky": (14.0, 0.1), "unsure": (8.0, 0.7), "flat": (0.0, 0.0)}
"""The amount added to the logit of what is signed at a step, and the largest part of it that a rival class gets."""
HEADER = ("ms a sequence", "one core", "batch", "speed-up", "confidences", "plain Python", "ratio")
FUSED_HEADER = ("ms a sequence, one core", "without", "language model", "ratio", "with bonus and penalty", "ratio")


def sample_posteriors(kind: str, steps: int, classes: int, seed: int) -> np.ndarray:
    """Posteriors (1, T', V) float32 as a CTC network gives them: a gloss every few steps, held for one to three.

    Args:
        kind: a key of `KINDS`.
        steps: the number of output steps T'.
        classes: the number of classes V; class 0 is the blank.
        seed: the seed of the draws.
    """
    peak, rival = KINDS[kind]
    rng = np.random.default_rng(seed)
    logits = rng.normal(0.0, 1.0, (steps, classes))
    step = 0
    while step < steps:
        signed, held, pause = int(rng.integers(1, classes)), int(rng.integers(1, 4)), int(rng.integers(1, 5))
        for label, run in ((signed, held), (0, pause)):
            logits[step : step + run, label] += peak
            for place in range(step, min(step + run, steps)):
                logits[place, rng.integers(classes)] += peak * rival * rng.random()
            step += run
    p = np.exp(logits - logits.max(axis=1, keepdims=True))
    return (p / p.sum(axis=1, keepdims=True)).astype(np.float32)[None]


def measure_median_ms(work: Callable[[], object], repeats: int) -> float:
    """The median time of a call of `work`, in milliseconds."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return 1e3 * float(np.median(times))


def measure_kind(kind: str, args: argparse.Namespace) -> list[str]:
    """Measure a kind of posteriors.

    Args:
        kind: a key of `KINDS`.
        args: the command line.

    Returns:
        the row of the table.

    Raises:
        RuntimeError: the two searches do not agree about the best sequence of every example.
    """
    decoder = BeamDecoder(args.beam)
    singles = [sample_posteriors(kind, args.steps, args.classes, seed) for seed in range(args.batch)]  # B x (1, T', V)
    batch, lengths = np.concatenate(singles), [args.steps for _ in singles]
    found = decoder(batch, lengths)
    # A fast search that finds something else would be no gain, so this is checked before anything is timed.
    for rows, hypotheses in zip(batch, found, strict=True):
        if search_in_plain_python(rows, args.beam, decoder.cutoff_top_n)[0] != hypotheses[0].tokens:
            raise RuntimeError(f"{kind}: the two searches found different sequences")
    lists = [([h.tokens for h in hypotheses], [h.score for h in hypotheses]) for hypotheses in found]
    # Given one sequence at a time, the decoder uses one thread.
    one = measure_median_ms(lambda: [decoder(rows, [args.steps]) for rows in singles], args.repeats) / args.batch
    every = measure_median_ms(lambda: decoder(batch, lengths), args.repeats) / args.batch
    shares = measure_median_ms(lambda: [compute_confidences(*entry) for entry in lists], args.repeats) / args.batch
    plain = measure_median_ms(
        lambda: search_in_plain_python(batch[0], args.beam, decoder.cutoff_top_n), max(1, args.repeats // 5)
    )
    return [
        kind,
        f"{one:.2f}",
        f"{every:.2f}",
        f"{one / every:.1f}x",
        f"{100 * shares / one:.1f} %",
        f"{plain:.0f}",
        f"{plain / one:.1f}x",
    ]


def measure_fusion(kind: str, model: NgramModel, args: argparse.Namespace) -> list[str]:
    """Measure what a language model costs for a kind of posteriors; the ways take turns.

    Args:
        kind: a key of `KINDS`.
        model: the language model.
        args: the command line.

    Returns:
        the row of the table.

    Raises:
        RuntimeError: the search does not find what the one in plain Python finds.
    """
    vocabulary = Vocabulary([f"GLOSS{number}" for number in range(1, args.classes)])
    table = build_table(model, vocabulary, "none")
    settings = (None, Fusion(table, 0.5, 0.0, 0.0, True), Fusion(table, 0.5, 1.0, 1.0, True))
    decoders = [BeamDecoder(args.beam, fusion=fusion) for fusion in settings]
    singles = [sample_posteriors(kind, args.steps, args.classes, seed) for seed in range(args.batch)]  # B x (1, T', V)

    def add(tokens: tuple[int, ...], ends: bool) -> float:
        words = [vocabulary.glosses[token - 1] for token, _ in groupby(tokens)]
        return 0.5 * np.log(10) * model.score(words, end=ends) + len(words)

    def read_one_by_one(decoder: BeamDecoder) -> None:
        for rows in singles:
            decoder(rows, [args.steps])

    plain = search_in_plain_python(singles[0][0], args.beam, decoders[2].cutoff_top_n, add, 1.0)
    if plain[0] != decoders[2](singles[0], [args.steps])[0][0].tokens:
        raise RuntimeError(f"{kind}: the two searches with a language model found different sequences")
    times: list[list[float]] = [[] for _ in decoders]
    for _ in range(args.repeats):
        for decoder, taken in zip(decoders, times, strict=True):
            taken.append(measure_median_ms(partial(read_one_by_one, decoder), 1))
    without, fused, whole = (float(np.median(taken)) / args.batch for taken in times)
    return [kind, f"{without:.2f}", f"{fused:.2f}", f"{fused / without:.2f}", f"{whole:.2f}", f"{whole / without:.2f}"]


class AtOnce(OneBehind):
    """Does the work at once, in the caller's thread."""

    def give(self, *item: Any) -> None:
        """Call `work(*item)`."""
        self.work(*item)


def measure_evaluation(args: argparse.Namespace) -> str:
    """Measure an evaluation in both ways, which take turns.

    Args:
        args: the command line. A clip has four times as many frames as a sequence has steps.

    Returns:
        a line with the times of a batch.

    Raises:
        RuntimeError: the two ways do not give the same.
    """
    torch.manual_seed(0)
    network = SLRModel(args.classes, backbone="resnet18", hidden_size=256, width=16).to(select_device(args.device))
    network, rng = for_recognition(network, "fp32"), np.random.default_rng(0)
    frames = [network.spec.stride * args.steps - number % 8 for number in range(args.clips)]
    clips = [Sample(f"clip{i}", rng.integers(0, 256, (n, 3, 64, 64), np.uint8), ()) for i, n in enumerate(frames)]
    batches = [Collate(network.spec)(clips[i : i + args.test_batch]) for i in range(0, len(clips), args.test_batch)]
    vocabulary = Vocabulary([f"GLOSS{number}" for number in range(1, args.classes)])
    decoder, found = BeamDecoder(args.beam), {}
    times: dict[type[OneBehind], list[float]] = {OneBehind: [], AtOnce: []}
    for turn in range(1 + args.repeats):  # the first one warms up
        for way in times:
            with mock.patch.object(recognise, "OneBehind", way):
                start = time.perf_counter()
                found[way] = recognise.recognise_clips(network, cast(DataLoader, batches), decoder, vocabulary, 0.04)
            times[way] += [time.perf_counter() - start] * (turn > 0)
    if found[OneBehind] != found[AtOnce]:
        raise RuntimeError("decoding one batch behind gives something else")
    behind, at_once = (1e3 * float(np.median(taken)) / len(batches) for taken in times.values())
    return (
        f"evaluation on {network.device}, {len(batches)} batches of {args.test_batch} clips: {behind:.0f} ms a batch "
        f"decoded one batch behind, {at_once:.0f} ms decoded at once, ratio {behind / at_once:.2f}"
    )


def main(args: argparse.Namespace) -> None:
    """Print what is measured and the table."""
    first = measure_median_ms(lambda: BeamDecoder(args.beam)(sample_posteriors("peaky", 2, 4, 0), [2]), 1)
    print(f"first call {first / 1e3:.1f} s: compiles, or loads what an earlier run compiled")
    top = BeamDecoder().cutoff_top_n
    print(f"{args.steps} steps of {args.classes} classes, beam {args.beam}, {top} classes a step")
    print(
        f"batch of {args.batch}, {available_cores()} cores; medians of {args.repeats}, plain Python of a fifth of that"
    )
    print(format_table(HEADER, [measure_kind(kind, args) for kind in KINDS]))
    model = estimate(draw_sentences(args.classes - 1, args.sentences), args.order, lambda _: None)
    print(
        f"language model of order {args.order}, {sum(map(len, model.ngrams)):,} n-grams, of {args.sentences} sentences"
    )
    print(format_table(FUSED_HEADER, [measure_fusion(kind, model, args) for kind in KINDS]))
    print(measure_evaluation(args))


def parse_args(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, default, what in (
        ("classes", 1297, "number of classes, the blank among them"),
        ("steps", 60, "number of steps in a sequence"),
        ("beam", 10, "number of prefixes kept"),
        ("batch", 16, "number of sequences"),
        ("repeats", 25, "number of repeats of each measurement"),
        ("order", 4, "words in the longest n-grams of the language model"),
        ("sentences", 2500, "number of sentences that the language model is estimated on"),
        ("clips", 16, "number of clips that are evaluated"),
        ("test-batch", 2, "number of clips in a batch of the evaluation"),
    ):
        parser.add_argument(f"--{name}", type=int, default=default, help=f"{what} (default %(default)s)")
    parser.add_argument("--device", default="cpu", help="where the network evaluates (default %(default)s)")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    run_command(lambda: main(parse_args()))
