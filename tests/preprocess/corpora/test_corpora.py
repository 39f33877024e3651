"""The readers: layouts and quirks of each corpus."""

import re
import shutil

import pytest

from preprocess.corpora.corpus import Corpus, PreparationError
from preprocess.corpora.registry import CORPORA
from tests.helpers import corpora as tiny
from tests.helpers.corpora import BUILDERS, PHOENIX_CSV
from tests.helpers.diagnosis import edit


def ids(corpus: Corpus) -> dict[str, list[str]]:
    return {split: [recording.id for recording in members] for split, members in corpus.splits.items()}


def test_every_corpus_has_a_tiny_one():
    assert set(BUILDERS) == set(CORPORA)


def test_phoenix2014(tmp_path):
    corpus = CORPORA["phoenix2014"].read(tiny.phoenix2014(tmp_path))
    assert {split: len(names) for split, names in ids(corpus).items()} == {"train": 3, "dev": 1, "test": 2}
    assert ids(corpus)["test"][-1] == "04April_2010_Sunday_heute_default-2"
    first = corpus.splits["train"][0]
    assert first.glosses == ("loc-NORD", "WETTER", "REGEN")
    assert first.signer == "Signer04"
    assert first.source == tmp_path / (
        "phoenix-2014-multisigner/features/fullFrame-210x260px/train/01April_2010_Thursday_heute_default-1/1"
    )
    assert corpus.glosses == tuple(sorted(corpus.glosses))
    assert {"loc-NORD", "SONNE", "SCHNEE", "__EMOTION__"} < set(corpus.glosses)
    assert CORPORA["phoenix2014"].reference_rules == {"train": "phoenix2014-sentence"}


def test_phoenix2014_drops_the_broken_recording_and_says_so(tmp_path):
    corpus = CORPORA["phoenix2014"].read(tiny.phoenix2014(tmp_path))
    broken = "13April_2011_Wednesday_tagesschau_default-14"
    assert broken not in ids(corpus)["train"]
    assert "BROKEN" not in corpus.glosses
    assert [note for note in corpus.notes if broken in note]


def test_phoenix2014_without_the_broken_recording_has_no_note(tmp_path):
    table = tiny.phoenix2014(tmp_path) / PHOENIX_CSV.format("train")
    lines = [line for line in table.read_text().splitlines() if "BROKEN" not in line]
    tiny.write_lines(table, *lines)
    assert CORPORA["phoenix2014"].read(tmp_path).notes == ()


def test_si5_keeps_signer05_out_of_train_and_all_others_out_of_dev_and_test(tmp_path):
    corpus = CORPORA["phoenix2014-SI5"].read(tiny.phoenix2014_si5(tmp_path))
    assert {split: {entry.signer for entry in members} for split, members in corpus.splits.items()} == {
        "train": {"Signer01", "Signer04"},
        "dev": {"Signer05"},
        "test": {"Signer05"},
    }
    assert {split: len(names) for split, names in ids(corpus).items()} == {"train": 3, "dev": 1, "test": 1}
    assert CORPORA["phoenix2014-SI5"].published_clips == {"train": 4375, "dev": 111, "test": 180}
    assert CORPORA["phoenix2014-SI5"].reference_rules == {"train": "phoenix2014-sentence"}


@pytest.mark.parametrize(
    ("split", "signer", "others"),
    [("dev", "Signer03", "Signer03"), ("test", "Signer01", "Signer01"), ("train", "Signer05", "Signer05")],
)
def test_si5_says_whose_clips_it_needs(tmp_path, split, signer, others):
    root = tiny.phoenix2014_si5(tmp_path)
    table = root / f"phoenix-2014-multisigner/annotations/manual/{split}.corpus.csv"
    table.write_text(re.sub(r"\|Signer\d+\|", f"|{signer}|", table.read_text()))
    message = f"keeps Signer05 for dev and test. That leaves nothing for {split}, which is signed by {others} here"
    with pytest.raises(PreparationError, match=re.escape(message)):
        CORPORA["phoenix2014-SI5"].read(root)


def test_si5_has_the_dictionary_of_the_multisigner_partition(tmp_path):
    root = tiny.phoenix2014_si5(tmp_path)
    corpus = CORPORA["phoenix2014-SI5"].read(root)
    assert corpus.glosses == CORPORA["phoenix2014"].read(root).glosses
    assert "SCHNEE" in corpus.glosses  # of a test recording that SI5 leaves out
    assert [note for note in corpus.notes if "multisigner" in note]


def test_csl_daily_from_videos(tmp_path):
    tiny.csl_daily(tmp_path)
    shutil.rmtree(tmp_path / "sentence/frames_512x512")
    tiny.write_lines(tmp_path / "sentence/videos_512x512/S000020_P0000_T00.avi", "not read yet")
    first, second = CORPORA["CSL-Daily"].read(tmp_path).splits["train"]
    assert first.source == tmp_path / "sentence/videos_512x512/S000020_P0000_T00.avi"
    assert second.source == tmp_path / "sentence/videos_512x512/S000007_P0003_T00.mp4"


def test_csl_daily_without_frames_and_videos(tmp_path):
    tiny.csl_daily(tmp_path)
    shutil.rmtree(tmp_path / "sentence/frames_512x512")
    with pytest.raises(PreparationError, match="holds neither frames_512x512 nor a folder videos"):
        CORPORA["CSL-Daily"].read(tmp_path)


@pytest.mark.parametrize("level", ["", "1"])
def test_phoenix2014_t_takes_both_layouts(tmp_path, level):
    corpus = CORPORA["phoenix2014-T"].read(tiny.phoenix2014_t(tmp_path, level))
    for members in corpus.splits.values():
        for recording in members:
            assert recording.source.name == (level or recording.id)
            assert len(list(recording.source.glob("*.png"))) == 4


def test_phoenix2014_t_is_read_without_quoting(tmp_path):
    corpus = CORPORA["phoenix2014-T"].read(tiny.phoenix2014_t(tmp_path))
    assert {split: len(members) for split, members in corpus.splits.items()} == {"train": 2, "dev": 1, "test": 1}
    assert corpus.splits["train"][1].glosses == ("MEIN", "ABEND")
    assert corpus.glosses == ("ABEND", "DRUCK", "MEIN", "TIEF")
    assert corpus.splits["dev"][0].signer == "Signer01"


@pytest.mark.parametrize("place", ["", "sentence_label/"])
def test_csl_daily(tmp_path, place):
    corpus = CORPORA["CSL-Daily"].read(tiny.csl_daily(tmp_path, f"{place}video_map.txt", f"{place}split_1.txt"))
    assert {split: len(members) for split, members in corpus.splits.items()} == {"train": 2, "dev": 1, "test": 1}
    first = corpus.splits["train"][0]
    assert first.glosses == ("他", "今天", "年龄", "4")
    assert first.signer == "P0000"
    assert first.source == tmp_path / "sentence/frames_512x512/S000020_P0000_T00"
    assert corpus.splits["test"][0].signer == "P0009"
    assert corpus.glosses == tuple(sorted(corpus.glosses))
    assert "11" in corpus.glosses


def test_csl_daily_mends_the_wrong_row_and_says_so(tmp_path):
    corpus = CORPORA["CSL-Daily"].read(tiny.csl_daily(tmp_path))
    assert ids(corpus)["train"] == ["S000020_P0000_T00", "S000007_P0003_T00"]
    (note,) = corpus.notes
    assert "S000005_P0004_T00" in note
    assert "S000007_P0003_T00" in note


def test_csl_daily_leaves_the_row_alone_where_it_is_right(tmp_path):
    tiny.csl_daily(tmp_path)
    with (tmp_path / "video_map.txt").open("a", encoding="utf-8") as table:
        table.write("9|S000005_P0004_T00|4|他|他|他|r\n")
    corpus = CORPORA["CSL-Daily"].read(tmp_path)
    assert ids(corpus)["train"] == ["S000020_P0000_T00", "S000005_P0004_T00"]
    assert corpus.notes == ()


def test_csl_daily_does_not_mend_without_the_right_recording(tmp_path):
    tiny.csl_daily(tmp_path)
    edit(tmp_path / "video_map.txt", "S000007_P0003_T00", "S000008_P0003_T00")
    with pytest.raises(PreparationError, match=r"split_1\.txt:3: S000005_P0004_T00 has no row in video_map"):
        CORPORA["CSL-Daily"].read(tmp_path)


def test_csl_daily_does_not_mend_other_splits(tmp_path):
    tiny.csl_daily(tmp_path)
    edit(tmp_path / "split_1.txt", "S000005_P0004_T00|train", "S000005_P0004_T00|dev")
    with pytest.raises(PreparationError, match=r"split_1\.txt:3: S000005_P0004_T00"):
        CORPORA["CSL-Daily"].read(tmp_path)


def test_csl(tmp_path):
    corpus = CORPORA["CSL"].read(tiny.csl(tmp_path))
    assert ids(corpus) == {"train": ["P01_s1_00_0", "P02_s1_01_0"], "dev": ["P03_s1_00_0"]}
    assert corpus.glosses == ("我们", "你", "喜欢", "不用")
    assert corpus.splits["train"][1].glosses == ("你", "你")
    assert corpus.splits["dev"][0].source == tmp_path / "color/000/P03_s1_00_0"
    assert corpus.splits["dev"][0].signer == "P03"


def test_csl_names_clips_by_their_path_where_folders_share_a_name(tmp_path):
    tiny.csl(tmp_path)
    shutil.copytree(tmp_path / "color/000/P01_s1_00_0", tmp_path / "color/002/P01_s1_00_0")
    with (tmp_path / "train.txt").open("a", encoding="utf-8") as table:
        table.write("color/002/P01_s1_00_0/|你\n")
    corpus = CORPORA["CSL"].read(tmp_path)
    assert ids(corpus)["train"] == ["color_000_P01_s1_00_0", "P02_s1_01_0", "color_002_P01_s1_00_0"]


def test_csl_refuses_glosses_outside_voc(tmp_path):
    tiny.csl(tmp_path)
    tiny.write_lines(tmp_path / "voc.txt", "我们", "你")
    with pytest.raises(PreparationError, match=r"voc\.txt lacks: 喜欢"):
        CORPORA["CSL"].read(tmp_path)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("你", r"voc\.txt:5: duplicate gloss '你', already on line 2"),
        ("不 用", r"voc\.txt:5: '不 用' is more than one"),
    ],
)
def test_csl_refuses_a_wrong_dictionary(tmp_path, line, message):
    tiny.csl(tmp_path)
    with (tmp_path / "voc.txt").open("a", encoding="utf-8") as table:
        table.write(f"{line}\n")
    with pytest.raises(PreparationError, match=message):
        CORPORA["CSL"].read(tmp_path)
