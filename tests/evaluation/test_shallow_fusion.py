"""A language model's way through the programs: the phase test, a recogniser, one video, and what is shared."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

import test_one_video
from config.load import to_dict
from dataset.manifest import Manifest
from dataset.vocabulary import Vocabulary
from engine.export_folder import collect_shared
from engine.model_card import build_card, collect_facts
from engine.run_record import SplitScore
from evaluation import shallow_fusion
from evaluation.ctm import read_ctm
from evaluation.inference.onnx_network import build_metadata
from evaluation.inference.recogniser import Recogniser
from evaluation.language_model.arpa import write_arpa
from evaluation.language_model.ngram_model import BEGIN, END, NgramModel
from evaluation.shallow_fusion import load_table
from tests.helpers.commands import call_main
from tests.helpers.shared import save_full_checkpoint, share
from utils.checkpoint import load_checkpoint, save_checkpoint


def make_model(chosen: str, others: tuple[str, ...] = ()) -> NgramModel:
    """A model of sentences of one word, which is nearly always the chosen one."""
    rare = {(word,): (-4.0, 0.0) for word in others}
    first = {(BEGIN,): (-99.0, 0.0), (END,): (-0.05, 0.0), (chosen,): (-1.0, 0.0)} | rare
    return NgramModel(2, (first, {(BEGIN, chosen): (-0.01, 0.0), (chosen, END): (-0.01, 0.0)}))


@pytest.fixture(scope="module")
def glosses(prepared) -> tuple[str, ...]:
    return Vocabulary.load(prepared / "gloss_dict.txt").glosses


@pytest.fixture(scope="module")
def arpa(glosses, tmp_path_factory) -> str:
    """A model that knows the first two glosses and a word that is none."""
    path = tmp_path_factory.mktemp("models") / "lm.arpa"
    write_arpa(make_model(glosses[0], (glosses[1], "ELEFANT")), path)
    return str(path)


@pytest.fixture
def with_model(random_checkpoint, arpa, tmp_path) -> str:
    """The random checkpoint of a training that decoded with the model."""
    content = load_checkpoint(random_checkpoint)
    config = content["config"] | {"lm": arpa, "lm_weight": 4.0, "insertion_bonus": 1.0}
    save_checkpoint(tmp_path / "best.pt", content | {"config": config})
    return str(tmp_path / "best.pt")


@pytest.fixture
def read_one(prepared, capsys):
    """What test_one_video.py prints of a clip, given a checkpoint and further words."""
    clip = prepared / Manifest.load(prepared / "test.json").clips[0].folder

    def call(checkpoint, *words) -> str:
        given = ["--model_path", checkpoint, "--video_path", clip, "--device", "cpu", *words]
        test_one_video.main(test_one_video.parse_args([str(word) for word in given]))
        return capsys.readouterr().out

    return call


def test_the_test_phase_decodes_with_it_and_says_so(random_checkpoint, prepared, arpa, glosses, tmp_path):
    (tmp_path / "decoding.yaml").write_text(f"lm: {arpa}\nlm_weight: 50\nbeam_width: 12\n", encoding="utf-8")
    words = ["--phase", "test", "--load-weights", str(random_checkpoint)]
    call_main(prepared, tmp_path / "run", *words, "--decoding", str(tmp_path / "decoding.yaml"))
    entries = read_ctm(tmp_path / "run/output-hypothesis-test.ctm")
    assert {gloss for entry in entries for gloss in entry.glosses} == {glosses[0]}  # nothing else has a chance
    log = (tmp_path / "run/log.txt").read_text(encoding="utf-8")
    assert f"decoding: {tmp_path / 'decoding.yaml'} gives lm {arpa}, lm_weight 50, beam_width 12" in log
    assert f"language model: {arpa} (order 2, 7 n-grams), lm_weight 50" in log
    assert f"lacks, so that they count as unknown: 4 of 6 ({', '.join(glosses[2:])})" in log
    assert "words of the language model that are no glosses of the dictionary" in log
    assert "(ELEFANT)" in log
    assert "warning: its perplexity on the references of train is" in log
    report = json.loads((tmp_path / "run/report.json").read_text(encoding="utf-8"))
    assert [report["config"][key] for key in ("lm", "lm_weight", "beam_width")] == [arpa, 50.0, 12]
    page = (tmp_path / "run/report.html").read_text(encoding="utf-8")
    assert f"CTC beam search of width 12, the language model {arpa} with the weight 50." in page
    recogniser = Recogniser.from_checkpoint(random_checkpoint, "cpu").with_decoding(
        lm=arpa, lm_weight=50, beam_width=12
    )
    clips = {clip.id: clip for clip in Manifest.load(prepared / "test.json").clips}
    for entry in entries:
        assert recogniser.recognise(prepared / clips[entry.id].folder).glosses == entry.glosses


def test_one_video_takes_a_model_a_file_of_settings_or_what_the_checkpoint_says(
    with_model, random_checkpoint, arpa, read_one, tmp_path
):
    plain = read_one(random_checkpoint)
    assert "language model" not in plain
    own = read_one(with_model)
    assert f"language model: {arpa} (order 2, 7 n-grams), lm_weight 4\n" in own
    assert "insertion_bonus 1, blank_penalty 0\n" in own
    table = own[own.index("clip") if "clip" in own else 0 :]
    (tmp_path / "decoding.yaml").write_text(f"lm: {arpa}\nlm_weight: 4\ninsertion_bonus: 1\n", encoding="utf-8")
    by_file = read_one(random_checkpoint, "--decoding", tmp_path / "decoding.yaml")
    assert by_file.endswith(table[table.index("gloss ") :])
    assert read_one(with_model, "--lm", "none", "--decoding", tmp_path / "decoding.yaml") != own
    chosen = read_one(random_checkpoint, "--lm", arpa, "--lm-weight", "2.5")
    assert "lm_weight 2.5\n" in chosen
    assert "insertion_bonus" not in chosen


def test_a_file_of_settings_is_for_the_beam_search_whatever_the_training_decoded_by(
    random_checkpoint, read_one, tmp_path
):
    content = load_checkpoint(random_checkpoint)
    save_checkpoint(tmp_path / "best.pt", content | {"config": content["config"] | {"decode_mode": "greedy"}})
    (tmp_path / "decoding.yaml").write_text("lm: null\nblank_penalty: 1\nbeam_width: 20\n", encoding="utf-8")
    assert "blank_penalty 1, without a language model\n" in read_one(
        tmp_path / "best.pt", "--decoding", tmp_path / "decoding.yaml"
    )


def test_a_language_model_that_is_not_there_is_one_sentence_with_the_remedy(with_model, arpa, read_one, prepared):
    content = load_checkpoint(with_model)
    save_checkpoint(with_model, content | {"config": content["config"] | {"lm": "gone.arpa"}})
    message = "there is no language model gone.arpa; name the ARPA file with --lm FILE, or decode without one with --lm"
    with pytest.raises(SystemExit, match=message):
        read_one(with_model)
    folder = with_model.replace("best.pt", "test")
    with pytest.raises(SystemExit, match=message):
        call_main(prepared, folder, "--phase", "test", "--load-weights", with_model, "--lm", "gone.arpa")
    without = read_one(with_model, "--lm", "none")
    assert "language model:" not in without
    assert "insertion_bonus 1, blank_penalty 0, without a language model\n" in without
    assert f"language model: {arpa}" in read_one(with_model, "--lm", arpa)
    # What does not decode needs none: the network is there for heat maps and exports.
    assert Recogniser.from_checkpoint(with_model, "cpu").network


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--lm-weight", "0.5"], "lm_weight is 0.5, but lm names no language model"),
        (["--lm-weight", "nan"], "lm_weight: nan is not allowed"),
        (["--decoding", "nowhere.yaml"], "there is no file 'nowhere.yaml'"),
    ],
)
def test_one_video_refuses_what_cannot_be_meant(random_checkpoint, read_one, words, message):
    with pytest.raises(SystemExit, match=message):
        read_one(random_checkpoint, *words)


def test_what_is_shared_decodes_without_it_and_says_so(arpa, tmp_path, capsys):
    checkpoint = save_full_checkpoint(tmp_path / "best.pt", lm=arpa, insertion_bonus=2.0, beam_width=7)
    folder = share(checkpoint, tmp_path / "shared")
    said = f"the language model {arpa} is left out, with the bonus and penalty chosen for it"
    assert said in capsys.readouterr().out
    recogniser = Recogniser.from_checkpoint(checkpoint, "cpu")
    stored = json.loads(build_metadata(recogniser)["config"])
    for config in (to_dict(Recogniser.from_checkpoint(folder, "cpu").config), stored):
        assert [config[key] for key in ("lm", "lm_weight", "insertion_bonus", "beam_width")] == [None, 0.3, 0.0, 7]
    assert arpa not in (folder / "README.md").read_text(encoding="utf-8")


def test_the_card_says_that_its_rates_are_with_a_language_model(tmp_path):
    content = load_checkpoint(save_full_checkpoint(tmp_path / "best.pt"))
    facts = build_facts(content, tmp_path)
    assert "with a language model" not in build_card(facts)
    scored = replace(facts, scores=[SplitScore("dev", 12.5, None, 3, 9, "none")], language_model=True)
    assert "These are with a language model, which is not in this folder" in build_card(scored)
    assert build_facts(content | {"config": content["config"] | {"lm": "lm.arpa"}}, tmp_path).language_model


def build_facts(content, tmp_path):
    shared = collect_shared(Recogniser.from_checkpoint(tmp_path / "best.pt", "cpu"), content)
    return collect_facts(shared, content, tmp_path / "best.pt", "tiny", None)


def test_a_file_is_read_once_until_it_changes(tmp_path, monkeypatch):
    path, reads = str(tmp_path / "lm.arpa"), []
    read = shallow_fusion.read_arpa
    monkeypatch.setattr(shallow_fusion, "read_arpa", lambda name: reads.append(name) or read(name))
    write_arpa(make_model("A"), path)
    tables = [load_table(path, ["A", "B"], "none") for _ in range(3)]
    assert len(reads) == 1
    assert tables[0] is tables[2]
    write_arpa(make_model("B", ("A",)), path)
    assert load_table(path, ["A", "B"], "none") is not tables[0]
    assert len(reads) == 2
