"""A split whose posteriors are known: decoded and scored with any decoder, on all cores."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np

from config.schema import Config
from dataset.vocabulary import Vocabulary
from evaluation.ctm import Reference
from evaluation.decode import Decoder, decode_members
from evaluation.normalise import merge_repeated_glosses, normalise
from evaluation.tuning.kept_posteriors import KeptPosteriors
from evaluation.wer import score_hypotheses, score_with_tool
from evaluation.wer_result import WerResult
from utils.workers import available_cores


@dataclass(frozen=True)
class ScoredSplit:
    """A split that is decoded and scored as the run's configuration says, but for the decoder.

    Attributes:
        references: the glosses signed in each clip.
        posteriors: those of the clips, in the same order.
        vocabulary: the class numbers' glosses.
        config: the run's configuration, of which the rules, `merge_repeats` and the scorer count.
        pool: the threads that decode.
    """

    references: tuple[Reference, ...]
    posteriors: KeptPosteriors
    vocabulary: Vocabulary
    config: Config
    pool: ThreadPoolExecutor
    _errors: dict[tuple[int, tuple[int, ...]], int] = field(default_factory=dict, init=False, repr=False)

    def count_errors(self, decoder: Decoder) -> int:
        """The errors with a decoder, S + D + I, by the built-in scorer."""
        return sum(self.pool.map(lambda clip: self._count_clip(clip, decoder), range(len(self.references))))

    def score(self, decoder: Decoder) -> WerResult:
        """The counts with a decoder, by the configuration's scorer."""
        found = self.pool.map(lambda clip: self._spell(self._decode(clip, decoder)), range(len(self.references)))
        ids = [reference.id for reference in self.references]
        hypotheses = dict(zip(ids, found, strict=True))
        return score_with_tool(self.references, hypotheses, self.config.evaluate_tool, self.config.sclite_path)

    def _decode(self, clip: int, decoder: Decoder) -> tuple[int, ...]:
        own = self.posteriors.restore(clip)  # (M, T', V)
        return decode_members(decoder, own[:, None], np.array([own.shape[1]]))[0][0].tokens

    def _spell(self, tokens: tuple[int, ...]) -> tuple[str, ...]:
        """The glosses that are scored, as `evaluation.evaluate` makes them."""
        glosses = list(self.vocabulary.decode(tokens))
        if self.config.merge_repeats:
            glosses = merge_repeated_glosses(glosses)
        return tuple(normalise(glosses, self.config.normalise))

    def _count_clip(self, clip: int, decoder: Decoder) -> int:
        # Most options change few sentences, and counting takes longer than decoding.
        tokens = self._decode(clip, decoder)
        if (clip, tokens) not in self._errors:
            reference = self.references[clip]
            counts = score_hypotheses([reference], {reference.id: self._spell(tokens)})
            self._errors[clip, tokens] = counts.sentences[0].errors
        return self._errors[clip, tokens]


@contextmanager
def decoding_threads() -> Iterator[ThreadPoolExecutor]:
    """As many threads as this process has cores: the compiled search holds no lock of the interpreter."""
    pool = ThreadPoolExecutor(available_cores(), thread_name_prefix="decoding")
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)  # an interruption does not wait for clips that nobody needs
