"""A split that is decoded and scored with options whose effect is known by construction."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest

from config.load import load_config
from dataset.vocabulary import Vocabulary
from evaluation import wer
from evaluation.ctm import Reference
from evaluation.decode import BeamDecoder
from evaluation.tuning.kept_posteriors import keep_posteriors
from evaluation.tuning.option_search import SearchOptions
from evaluation.tuning.scored_split import ScoredSplit, decoding_threads
from evaluation.tuning.tune_run import find_best_options, prepare_decoders
from evaluation.wer import score_hypotheses

GLOSSES = "ABCD"
ARPA = """\\data\\
ngram 1=6
ngram 2=5

\\1-grams:
-99 <s> 0
-0.7 </s>
-0.7 A 0
-0.7 B 0
-0.7 C 0
-0.7 D 0

\\2-grams:
-0.01 <s> A
-0.04576 A B
-1 A C
-0.01 B </s>
-0.01 C </s>

\\end\\
"""
"""B after A is nine times as probable as C."""


def step(**shares: float) -> list[float]:
    """The posteriors of a step; what is not named shares the rest evenly. `_` is the blank."""
    names = ["_", *GLOSSES]
    rest = (1 - sum(shares.values())) / (len(names) - len(shares))
    return [shares.get(name, rest) for name in names]


def clip(*steps: list[float]) -> np.ndarray:
    return np.array(steps, np.float32)


GAP = step(_=0.999)
SURE = {gloss: step(**{gloss: 0.999}) for gloss in GLOSSES}


@pytest.fixture
def pool():
    with decoding_threads() as threads:
        yield threads


@pytest.fixture
def build(pool):
    """A split of (signed, posteriors), scored as a configuration with these changes says."""

    def make(*clips, glosses=tuple(GLOSSES), **changes):
        references = tuple(Reference(f"clip{i}", "Ann", tuple(signed.split())) for i, (signed, _) in enumerate(clips))
        config = replace(load_config(None, {"dataset": "phoenix2014", "normalise": "none"})[0], **changes)
        return ScoredSplit(
            references, keep_posteriors(own[None] for _, own in clips), Vocabulary(glosses), config, pool
        )

    return make


def tune(split: ScoredSplit, lm=None) -> SearchOptions:
    off = SearchOptions(beam_width=10)
    return find_best_options(split, prepare_decoders(split.config, lm, split.vocabulary), off, lm is not None)


def test_every_clip_is_decoded_by_itself_and_scored_in_the_order_of_the_references(build):
    split = build(("A B", clip(SURE["A"], GAP, SURE["B"])), ("C", clip(SURE["D"])), ("A", clip(GAP, GAP)))
    result = split.score(BeamDecoder(10))
    assert [(of.id, of.correct, of.substitutions, of.deletions) for of in result.sentences] == [
        ("clip0", 2, 0, 0),
        ("clip1", 0, 1, 0),
        ("clip2", 0, 0, 1),
    ]
    assert split.count_errors(BeamDecoder(10)) == 2


def test_repeats_are_merged_before_the_rules_as_in_the_evaluation(build):
    twice = clip(SURE["A"], GAP, SURE["A"])
    assert build(("A", twice), merge_repeats=True).count_errors(BeamDecoder(10)) == 0
    assert build(("A", twice), merge_repeats=False).count_errors(BeamDecoder(10)) == 1
    # loc-A becomes A by the rules, after the merging: the two stay two.
    near = ("A A", clip(SURE["A"], SURE["B"]))
    spelt = build(near, glosses=("A", "loc-A", "C", "D"), merge_repeats=True, normalise="phoenix2014")
    assert spelt.count_errors(BeamDecoder(10)) == 0


def test_the_scorer_of_the_configuration_counts_in_the_end_and_the_built_in_one_in_the_search(build, monkeypatch):
    asked = []

    def count_by_python(references, hypotheses, require_all, path):
        asked.append(path)
        return score_hypotheses(references, hypotheses, require_all)

    monkeypatch.setattr(wer, "score_with_sclite", count_by_python)
    split = build(("A", clip(SURE["A"])), evaluate_tool="sclite", sclite_path="/my/sclite")
    assert split.count_errors(BeamDecoder(10)) == 0
    assert asked == []
    assert split.score(BeamDecoder(10)).correct == 1
    assert asked == ["/my/sclite"]


def test_a_penalty_of_the_blank_repairs_deletions_and_no_bonus_does(build):
    # B is left out unless the blank's lead of 0.699 to 0.3 is gone: ln(0.699 / 0.3) = 0.85. A bonus of as much would
    # also put a C into the second clip, whose rival is no blank: ln(0.649 / 0.35) = 0.62.
    split = build(
        ("A B", clip(SURE["A"], GAP, step(_=0.699, B=0.3))),
        ("A", clip(SURE["A"], step(A=0.649, C=0.35))),
    )
    assert split.count_errors(BeamDecoder(10)) == 1
    assert tune(split) == SearchOptions(0.0, 0.0, 1.0, 5)


def test_a_bonus_repairs_deletions_that_no_penalty_does(build):
    # The rival of B is a longer A: ln(0.649 / 0.35) = 0.62. The second clip gets a C from ln(0.79 / 0.2) = 1.37 on.
    split = build(
        ("A B", clip(SURE["A"], step(A=0.649, B=0.35))),
        ("A", clip(SURE["A"], GAP, step(_=0.79, C=0.2))),
    )
    assert split.count_errors(BeamDecoder(10)) == 1
    assert tune(split) == SearchOptions(0.0, 0.75, 0.0, 5)


def test_a_language_model_repairs_a_confusion_with_the_least_weight_that_does(build, tmp_path):
    # 0.45 * 9^w > 0.548 from w = 0.09 on; of the values tried 0.125 is the first.
    (tmp_path / "lm.arpa").write_text(ARPA, encoding="utf-8")
    split = build(("A B", clip(SURE["A"], GAP, step(C=0.548, B=0.45))))
    assert split.count_errors(BeamDecoder(10)) == 1
    assert tune(split, tmp_path / "lm.arpa") == SearchOptions(0.125, 0.0, 0.0, 5)
    assert tune(split).lm_weight == 0


def test_where_all_is_right_everything_stays_off(build, tmp_path):
    (tmp_path / "lm.arpa").write_text(ARPA, encoding="utf-8")
    split = build(("A B", clip(SURE["A"], GAP, SURE["B"])))
    assert tune(split, tmp_path / "lm.arpa") == SearchOptions(0.0, 0.0, 0.0, 5)


def test_an_interruption_does_not_wait_for_all_clips(build):
    split, decoded = build(*[("A", clip(SURE["A"]))] * 50), []

    def interrupt(posteriors, lengths):
        decoded.append(len(posteriors))
        time.sleep(0.02)  # else all may be done before the first error is seen
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        split.count_errors(interrupt)
    assert len(decoded) < 50
