"""The card of a model folder: true figures or none, valid for the Hub, and a licence that somebody has to give."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from engine.model_card import CardFacts, build_card, build_licence_entries
from engine.run_record import SplitScore, read_commit, read_scores
from evaluation.reporting.history import EpochRecord
from evaluation.reporting.report_json import build_report
from tests.helpers.evaluation import CONFIG, HISTORY, NOW, evaluation
from tests.helpers.shared import save_full_checkpoint, share

SCORES = (SplitScore("dev", 100 * 5 / 13, (18.75, 57.14), 5, 13, "phoenix2014"),)
FACTS = CardFacts(
    name="tiny",
    system="corrnet (CorrNet)",
    dataset="phoenix2014-T",
    rendered=False,
    glosses=1085,
    numbers=35_000_000,
    frames="256x256 before the crop, 25 a second",
    confidences="calibrated on 519 clips and 1000 glosses of dev",
    scores=SCORES,
    commit="0123abc",
)
COMMIT = "f0cc427cce7ac5daed17c5204ecdb46df281773b"


def front_matter(card: str) -> dict:
    before, matter, _ = card.split("---\n", 2)
    assert before == ""
    return yaml.safe_load(matter)


def save_report(path: Path, **changes) -> None:
    """The report of an evaluation of which `tests/helpers/evaluation.py` says the counts: 5 errors in 13 glosses."""
    given = {"run": "run", "created": NOW, "results": [evaluation(), evaluation(split="test")], "config": CONFIG}
    report = build_report(**given | {"history": HISTORY, "weights": "work_dir/run/best.pt"} | changes)
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(report), encoding="utf-8")


def save_starts(folder: Path, *starts: dict) -> None:
    (folder / "run.json").write_text(json.dumps({"starts": starts}), encoding="utf-8")


TRAINED = {"config": {"dataset": "phoenix2014"}, "train_state": {"best_epoch": 2}}


def test_the_card_says_what_is_known():
    card = build_card(FACTS)
    for row in (
        "| system | corrnet (CorrNet) |",
        "| corpus | phoenix2014-T |",
        "| glosses | 1085, in `glosses.txt` |",
        "| commit of the training | 0123abc |",
        "| dev | 38.46 % | 18.75 to 57.14 % | 5 | 13 | phoenix2014 |",
    ):
        assert f"\n{row}\n" in card
    assert 'Recogniser.from_pretrained("tiny")' in card
    assert "sign language: it cannot read people" not in card


def test_what_the_hub_reads_of_it():
    matter = front_matter(build_card(FACTS))
    assert list(matter) == ["library_name", "pipeline_tag", "tags", "license", "metrics", "model-index"]
    task = {"type": "video-classification", "name": "Continuous sign language recognition"}
    assert matter["model-index"] == [
        {
            "name": "tiny",
            "results": [
                {
                    "task": task,
                    "dataset": {"type": "phoenix2014-T", "name": "phoenix2014-T", "split": "dev"},
                    "metrics": [{"type": "wer", "value": 38.46, "name": "WER"}],
                }
            ],
        }
    ]


def test_the_hub_takes_it():
    hub = pytest.importorskip("huggingface_hub", reason="the optional package huggingface_hub is not installed")
    card = hub.ModelCard(build_card(replace(FACTS, licence="cc-by-nc-4.0")))
    (result,) = card.data.eval_results
    assert (result.metric_type, result.metric_value, result.dataset_split) == ("wer", 38.46, "dev")
    assert (result.dataset_name, card.data.license, card.data.pipeline_tag) == (
        "phoenix2014-T",
        "cc-by-nc-4.0",
        "video-classification",
    )


def test_without_an_evaluation_there_is_no_figure():
    card = build_card(replace(FACTS, scores=(), commit=None))
    assert "Not evaluated" in card
    assert "WER |" not in card
    assert not {"metrics", "model-index"} & front_matter(card).keys()
    assert "| commit of the training | not recorded |" in card


def test_a_rendered_corpus_is_never_taken_for_the_one_that_it_imitates():
    card = build_card(replace(FACTS, rendered=True))
    assert "belong to no sign language: it cannot read people" in card
    assert "| corpus | built-in rendered corpus (in phoenix2014-T's layout) |" in card
    (entry,) = front_matter(card)["model-index"]
    assert entry["results"][0]["dataset"]["type"] == "rendered"


@pytest.mark.parametrize(
    ("licence", "entries"),
    [
        (None, {"license": "unknown"}),
        ("cc-by-nc-4.0", {"license": "cc-by-nc-4.0"}),
        ("Apache-2.0", {"license": "apache-2.0"}),
        ("MIT", {"license": "mit"}),
        ("research only, ask us", {"license": "other", "license_name": "research-only-ask-us"}),
        ("research-only", {"license": "other", "license_name": "research-only"}),
        ("仅供研究", {"license": "other", "license_name": "see-the-card"}),
    ],
)
def test_the_licence(licence, entries):
    assert build_licence_entries(licence) == entries
    card = build_card(replace(FACTS, licence=licence))
    assert (licence or "**To be filled in by the owner of the weights") in card.split("## Licence")[1]
    assert "learnt from a corpus: phoenix2014-T. Its terms hold for them too" in card


def test_texts_that_would_break_the_page():
    card = build_card(replace(FACTS, name='a "b" c', dataset="x|y\n---\nz", commit="a|b"))
    assert 'from_pretrained("a \\"b\\" c")' in card
    assert "--model_path 'a \"b\" c' " in card
    assert "| corpus | x\\|y --- z |" in card
    assert front_matter(card)["model-index"][0]["results"][0]["dataset"]["type"] == "x|y --- z"


def test_the_scores_of_the_run_that_a_checkpoint_lies_in(tmp_path):
    save_report(tmp_path / "report.json")
    dev, test = read_scores(tmp_path / "best.pt", TRAINED)
    assert (dev.split, dev.sentences, dev.glosses, dev.normalise) == ("dev", 5, 13, "phoenix2014")
    assert dev.wer == pytest.approx(100 * 5 / 13)
    low, high = dev.interval
    assert low < dev.wer < high
    assert test == replace(dev, split="test")


def test_the_scores_of_a_test_beside_it(tmp_path):
    save_report(tmp_path / "test/report.json", weights="best.pt")
    assert [score.split for score in read_scores(tmp_path / "best.pt", TRAINED)] == ["dev", "test"]


LATER = (*HISTORY, EpochRecord(3, 12.0, 1e-4, 61.0, 30.0))


@pytest.mark.parametrize(
    ("name", "content", "changes"),
    [
        ("last.pt", TRAINED, {}),
        ("best.pt", TRAINED | {"config": {"dataset": "CSL-Daily"}}, {}),
        ("best.pt", TRAINED, {"weights": None}),
        ("best.pt", TRAINED | {"train_state": {"best_epoch": 3}}, {}),  # resumed since, and not at its end yet
        ("best.pt", TRAINED, {"history": LATER}),  # the best epoch of the report is a later one
    ],
)
def test_a_report_of_other_weights_is_not_used(tmp_path, name, content, changes):
    save_report(tmp_path / "report.json", **changes)
    assert read_scores(tmp_path / name, content) == []


@pytest.mark.parametrize("text", ["", "{", "[]", '{"format": 1}', '{"format": 99}'])
def test_a_report_that_cannot_be_read_is_not_used(tmp_path, text):
    (tmp_path / "report.json").write_text(text, encoding="utf-8")
    assert read_scores(tmp_path / "best.pt", TRAINED) == []


def test_the_commit_is_that_of_the_last_start(tmp_path):
    earlier = {"commit": "0" * 40, "changed": []}
    save_starts(tmp_path, earlier, {"commit": COMMIT, "changed": []})
    assert read_commit(tmp_path / "best.pt", TRAINED) == COMMIT
    save_starts(tmp_path, earlier, {"commit": COMMIT, "changed": ["main.py"]})
    assert read_commit(tmp_path / "best.pt", TRAINED) == f"{COMMIT}, with files changed"
    assert read_commit(tmp_path / "published.pt", {"model_state_dict": {}}) is None


@pytest.mark.parametrize("text", ["", "[]", '{"starts": []}', '{"starts": [{"commit": null, "changed": null}]}', "{}"])
def test_a_commit_that_is_not_there(tmp_path, text):
    assert read_commit(tmp_path / "best.pt", TRAINED) is None
    (tmp_path / "run.json").write_text(text, encoding="utf-8")
    assert read_commit(tmp_path / "best.pt", TRAINED) is None


def test_the_command_writes_it_from_the_run_folder(tmp_path):
    checkpoint = save_full_checkpoint(tmp_path / "best.pt")
    save_report(tmp_path / "report.json", history=HISTORY)
    save_starts(tmp_path, {"commit": COMMIT, "changed": []})
    card = (share(checkpoint, tmp_path / "out", "--licence", "ask us") / "README.md").read_text(encoding="utf-8")
    assert "| test | 38.46 % |" in card
    assert f"| commit of the training | {COMMIT} |" in card
    assert "| glosses | 3, in `glosses.txt` |" in card
    assert "calibrated on 2 clips and 5 glosses of dev" in card
    assert "ask us" in card.split("## Licence")[1]
    assert front_matter(card)["license_name"] == "ask-us"
