"""Scoring what was recognised: both ways with repeats, all rule sets, both heads."""

from __future__ import annotations

import shutil
from dataclasses import replace

import pytest
import torch

from config.load import load_config
from dataset.manifest import Clip, Manifest, ManifestError, load_manifest
from evaluation import evaluate as module
from evaluation import load_network, wer
from evaluation.ctm import CtmEntry, CtmWord, Reference, read_ctm
from evaluation.evaluate import EvaluationData, collect_training_glosses, evaluate, load_evaluation_data
from evaluation.recognise import HEADS
from evaluation.wer import score_hypotheses
from tests.helpers.config import tiny_config
from tests.helpers.loading import load_vocabulary
from utils.errors import InputError

REFERENCES = (
    Reference("one", "Signer01", ("ABEND", "ABEND", "BALD")),
    Reference("two", "Signer02", ("NORD", "CHINA")),
)
SPELT = {"one": ["ABEND", "ABEND", "BALD", "BALD"], "two": ["loc-NORD", "__ON__", "CHINA"]}


def config(**changes):
    return replace(load_config(None, {"dataset": "phoenix2014", "feeder_args.frame_interval": 3})[0], **changes)


@pytest.fixture
def asked() -> list:
    """What `for_recognition` is given beside the network, of each call."""
    return []


@pytest.fixture
def evaluated(monkeypatch, tmp_path, asked):
    def prepare(model, *given, **named):
        asked.append((given, named))
        return model

    def entries(_model, _loader, _decoder, _vocabulary, frame_seconds, _label, _measures):
        assert frame_seconds == pytest.approx(3 / 25)
        spelt = [
            CtmEntry(name, tuple(CtmWord(gloss, 0.1 * i, 0.1, 0.5) for i, gloss in enumerate(glosses)))
            for name, glosses in SPELT.items()
        ]
        return dict.fromkeys(HEADS, spelt)

    monkeypatch.setattr(module, "recognise_clips", entries)
    monkeypatch.setattr(load_network, "for_recognition", prepare)
    data = EvaluationData("dev", None, REFERENCES, frozenset())
    return lambda **changes: evaluate(config(**changes), None, data, None, tmp_path)


def counts(result):
    return (result.correct, result.substitutions, result.deletions, result.insertions)


def test_repeats_are_merged_before_scoring_and_the_other_count_is_there_too(evaluated):
    # Merged: ABEND BALD | NORD __ON__ CHINA, one deletion and one insertion. As spelt: both twice, two insertions.
    result = evaluated(merge_repeats=True)
    assert result.hypotheses["sequence"] == {"one": ("ABEND", "BALD"), "two": ("NORD", "__ON__", "CHINA")}
    assert counts(result.results["sequence"]) == (4, 0, 1, 1)
    first, second = result.scorings
    assert (first.rules, first.merge_repeats, counts(first.result)) == ("phoenix2014", True, (4, 0, 1, 1))
    assert (second.rules, second.merge_repeats, counts(second.result)) == ("phoenix2014", False, (5, 0, 0, 2))
    assert [entry.glosses for entry in read_ctm(result.files["sequence"])] == [
        ("ABEND", "BALD"),
        ("loc-NORD", "__ON__", "CHINA"),
    ]


def test_repeats_are_kept_where_the_configuration_says_so(evaluated):
    result = evaluated(merge_repeats=False)
    assert counts(result.results["sequence"]) == counts(result.results["conv"]) == (5, 0, 0, 2)
    assert [(s.merge_repeats, counts(s.result)) for s in result.scorings] == [
        (False, (5, 0, 0, 2)),
        (True, (4, 0, 1, 1)),
    ]
    assert read_ctm(result.files["conv"])[0].glosses == ("ABEND", "ABEND", "BALD", "BALD")


def test_the_network_computes_as_the_configuration_says(evaluated, asked):
    evaluated(precision="bf16", frame_chunk=7, compile=True)
    assert asked == [(("bf16",), {"frame_chunk": 7, "compiled": True})]


def test_further_rule_sets_are_reported_beside(evaluated):
    # phoenix2014-T drops __ON__ and merges repeats by itself; none keeps loc-.
    result = evaluated(merge_repeats=False, also_normalise=("phoenix2014-T", "none", "phoenix2014"))
    assert [(s.rules, s.merge_repeats) for s in result.scorings] == [
        ("phoenix2014", False),
        ("phoenix2014", True),
        ("phoenix2014-T", True),
        ("phoenix2014-T", False),
        ("none", True),
        ("none", False),
    ]
    assert [counts(s.result) for s in result.scorings[2:]] == [(4, 0, 1, 0), (4, 0, 1, 0), (3, 1, 1, 1), (4, 1, 0, 2)]


def test_sclite_counts_where_it_is_asked_to(evaluated, monkeypatch):
    asked = []

    def count_by_python(references, hypotheses, require_all, path):
        asked.append((hypotheses["one"], path))
        return score_hypotheses(references, hypotheses, require_all)

    monkeypatch.setattr(wer, "score_with_sclite", count_by_python)
    evaluated(evaluate_tool="sclite", sclite_path="/my/sclite", merge_repeats=True)
    merged, spelt = ("ABEND", "BALD"), ("ABEND", "ABEND", "BALD", "BALD")
    assert asked == [(merged, "/my/sclite"), (merged, "/my/sclite"), (spelt, "/my/sclite")]  # two heads, other scoring


def test_seen_glosses_are_those_of_the_labels_raw_and_as_scored():
    clips = (Clip("x", "x", "s", ("loc-NORD", "A"), 9), Clip("y", "y", "s", ("__EMOTION__", "A"), 9))
    manifest = Manifest("phoenix2014", "train", 256, clips)
    assert collect_training_glosses(manifest, "phoenix2014") == {"loc-NORD", "NORD", "A", "__EMOTION__"}
    assert collect_training_glosses(manifest, "none") == {"loc-NORD", "A", "__EMOTION__"}
    spelt = Manifest("phoenix2014", "train", 256, (Clip("x", "x", "s", ("S", "H"), 9),))
    assert collect_training_glosses(spelt, "phoenix2014-sentence") == {"S", "H", "S+H"}


def test_times_are_counted_at_the_rate_of_the_manifest_unless_one_is_configured(prepared, tmp_path):
    shutil.copytree(prepared, tmp_path / "prepared", ignore=shutil.ignore_patterns("frames"))
    vocabulary, manifest = load_vocabulary(tiny_config(prepared)), load_manifest(prepared, "phoenix2014", "dev")
    for stated, configured, rate in ((30.0, None, 30), (None, None, 25), (30.0, 50.0, 50)):
        replace(manifest, frame_rate=stated).save(tmp_path / "prepared/dev.json")
        changed = tiny_config(tmp_path / "prepared", frame_rate=configured)
        assert load_evaluation_data(changed, "dev", vocabulary).frame_rate == rate


def test_clips_and_references_must_be_the_same(prepared, tmp_path):
    settings = config(prepared=str(prepared), num_worker=0)
    settings = replace(settings, feeder_args=replace(settings.feeder_args, input_size=64))
    data = load_evaluation_data(settings, "test", load_vocabulary(settings))
    assert [reference.id for reference in data.references] == [
        clip.id for clip in Manifest.load(prepared / "test.json").clips
    ]
    assert data.training_glosses == {
        gloss for clip in Manifest.load(prepared / "train.json").clips for gloss in clip.glosses
    }
    for file in prepared.iterdir():
        if file.is_file():
            (tmp_path / file.name).write_bytes(file.read_bytes())
    stm = tmp_path / "phoenix2014-groundtruth-test.stm"
    lines = stm.read_text(encoding="utf-8").splitlines(keepends=True)
    stm.write_text("".join(lines[:-1]), encoding="utf-8")
    with pytest.raises(ManifestError, match=f"1 clip has no reference .*{lines[-1].split()[0]}"):
        load_evaluation_data(replace(settings, prepared=str(tmp_path)), "test", load_vocabulary(settings))


def test_memory_that_runs_out_is_said_with_the_split_and_the_remedy(evaluated, monkeypatch):
    def run_out(*_):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")

    monkeypatch.setattr(module, "recognise_clips", run_out)
    with pytest.raises(InputError, match=r"^memory ran out while dev was evaluated; lower test_batch_size, or set"):
        evaluated()
