"""From ELAN's files to a corpus: which annotations become clips, with which glosses, cut at which frames."""

import csv
import random
import re
from pathlib import Path

import pytest
from pympi.Elan import Eaf

from dataset.manifest import Manifest
from dataset.video import open_video
from preprocess import from_elan
from preprocess.corpora.corpus import PreparationError
from preprocess.elan_file import read_elan_file
from preprocess.prepare import prepare
from tests.helpers.videos import make_video, ramp

# As ELAN writes it: a tier of sentences, its glosses as a symbolic subdivision (written out of order), a translation as
# a symbolic association, and a free tier of the other hand's glosses.
ELAN = """<?xml version="1.0" encoding="UTF-8"?>
<ANNOTATION_DOCUMENT AUTHOR="" DATE="2024-01-01T00:00:00+01:00" FORMAT="3.0" VERSION="3.0"
    xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"
    xsi:noNamespaceSchemaLocation="http://www.mpi.nl/tools/elan/EAFv3.0.xsd">
  <HEADER MEDIA_FILE="" TIME_UNITS="milliseconds">
    <MEDIA_DESCRIPTOR MEDIA_URL="file:///C:/Users/K/My%20Videos/talk.wav" MIME_TYPE="audio/x-wav"/>
    <MEDIA_DESCRIPTOR MEDIA_URL="file:///C:/Users/K/My%20Videos/my%20talk.mp4" MIME_TYPE="video/mp4"
        RELATIVE_MEDIA_URL="./my%20talk.mp4" TIME_ORIGIN="ORIGIN"/>
  </HEADER>
  <TIME_ORDER>
    <TIME_SLOT TIME_SLOT_ID="ts1" TIME_VALUE="0"/><TIME_SLOT TIME_SLOT_ID="ts2" TIME_VALUE="400"/>
    <TIME_SLOT TIME_SLOT_ID="ts3" TIME_VALUE="400"/><TIME_SLOT TIME_SLOT_ID="ts4" TIME_VALUE="1000"/>
    <TIME_SLOT TIME_SLOT_ID="ts5" TIME_VALUE="1000"/><TIME_SLOT TIME_SLOT_ID="ts6" TIME_VALUE="1200"/>
    <TIME_SLOT TIME_SLOT_ID="ts7" TIME_VALUE="420"/><TIME_SLOT TIME_SLOT_ID="ts8"/>
    <TIME_SLOT TIME_SLOT_ID="ts9"/><TIME_SLOT TIME_SLOT_ID="ts10" TIME_VALUE="990"/>
  </TIME_ORDER>
  <TIER LINGUISTIC_TYPE_REF="s" PARTICIPANT="Anna M" TIER_ID="sentence">
    <ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID="a1" TIME_SLOT_REF1="ts1" TIME_SLOT_REF2="ts2">
      <ANNOTATION_VALUE>Good morning.</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION></ANNOTATION>
    <ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID="a2" TIME_SLOT_REF1="ts3" TIME_SLOT_REF2="ts4">
      <ANNOTATION_VALUE>It will rain.</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION></ANNOTATION>
    <ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID="a3" TIME_SLOT_REF1="ts5" TIME_SLOT_REF2="ts6">
      <ANNOTATION_VALUE/></ALIGNABLE_ANNOTATION></ANNOTATION>
  </TIER>
  <TIER LINGUISTIC_TYPE_REF="g" PARENT_REF="sentence" PARTICIPANT="Anna M" TIER_ID="gloss">
    <ANNOTATION><REF_ANNOTATION ANNOTATION_ID="a11" ANNOTATION_REF="a1" PREVIOUS_ANNOTATION="a10">
      <ANNOTATION_VALUE>MORGEN</ANNOTATION_VALUE></REF_ANNOTATION></ANNOTATION>
    <ANNOTATION><REF_ANNOTATION ANNOTATION_ID="a10" ANNOTATION_REF="a1">
      <ANNOTATION_VALUE>GUT</ANNOTATION_VALUE></REF_ANNOTATION></ANNOTATION>
    <ANNOTATION><REF_ANNOTATION ANNOTATION_ID="a12" ANNOTATION_REF="a2">
      <ANNOTATION_VALUE>REGEN  STARK</ANNOTATION_VALUE></REF_ANNOTATION></ANNOTATION>
  </TIER>
  <TIER LINGUISTIC_TYPE_REF="a" PARENT_REF="sentence" TIER_ID="translation">
    <ANNOTATION><REF_ANNOTATION ANNOTATION_ID="a20" ANNOTATION_REF="a2">
      <ANNOTATION_VALUE>MORGEN REGEN</ANNOTATION_VALUE></REF_ANNOTATION></ANNOTATION>
  </TIER>
  <TIER LINGUISTIC_TYPE_REF="s" TIER_ID="left">
    <ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID="a30" TIME_SLOT_REF1="ts7" TIME_SLOT_REF2="ts8">
      <ANNOTATION_VALUE>A</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION></ANNOTATION>
    <ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID="a31" TIME_SLOT_REF1="ts8" TIME_SLOT_REF2="ts9">
      <ANNOTATION_VALUE>B</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION></ANNOTATION>
    <ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID="a32" TIME_SLOT_REF1="ts9" TIME_SLOT_REF2="ts10">
      <ANNOTATION_VALUE>C</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION></ANNOTATION>
  </TIER>
  <LINGUISTIC_TYPE GRAPHIC_REFERENCES="false" LINGUISTIC_TYPE_ID="s" TIME_ALIGNABLE="true"/>
  <LINGUISTIC_TYPE CONSTRAINTS="Symbolic_Subdivision" LINGUISTIC_TYPE_ID="g" TIME_ALIGNABLE="false"/>
  <LINGUISTIC_TYPE CONSTRAINTS="Symbolic_Association" LINGUISTIC_TYPE_ID="a" TIME_ALIGNABLE="false"/>
</ANNOTATION_DOCUMENT>
"""


@pytest.fixture
def talk(tmp_path) -> Path:
    """A folder with ELAN's file and its video: 30 pictures in 1.2 s."""
    folder = tmp_path / "annotated"
    make_video(folder / "my talk.mp4", ramp(30))
    (folder / "talk one.eaf").write_text(ELAN.replace('"ORIGIN"', '"0"'), encoding="utf-8")
    (folder / "talk one.eaf.001").write_text("an older copy of ELAN's")
    return folder


@pytest.fixture
def run(tmp_path, capsys):
    """Run the command; returns the rows of the table, or the error, and what was printed."""

    def run(source: Path, *words: str) -> tuple[list[dict[str, str]], str]:
        out = tmp_path / "corpus" / "corpus.csv"
        from_elan.main(from_elan.parse_args([str(source), "--out", str(out), *map(str, words)]))
        with out.open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file)), capsys.readouterr().out

    return run


def refuse(run, *words) -> str:
    with pytest.raises(PreparationError) as error:
        run(*words)
    return str(error.value)


def grey_levels(path: Path) -> list[int]:
    """Which pictures of `ramp` a video has, by how light they are."""
    video = open_video(path, 25)
    return [round((float(frame.mean()) - 8) / 8) for frame in video.frames(range(video.num_frames))]


def test_children_are_the_glosses_of_their_sentence(talk, run, tmp_path):
    rows, printed = run(talk, "--tier", "sentence", "--glosses", "gloss")
    assert rows == [
        {"id": "talk_one_0", "path": "clips/talk_one_0.mp4", "signer": "Anna_M", "glosses": "GUT MORGEN"},
        {"id": "talk_one_400", "path": "clips/talk_one_400.mp4", "signer": "Anna_M", "glosses": "REGEN_STARK"},
    ]
    assert grey_levels(tmp_path / "corpus/clips/talk_one_0.mp4") == list(range(10))
    assert grey_levels(tmp_path / "corpus/clips/talk_one_400.mp4") == list(range(10, 25))
    assert "2 clips of 1 signer from 1 file" in printed
    assert "1 annotation without a gloss left out" in printed
    assert "python -m preprocess.prepare --dataset custom --dataset-root " in printed


def test_glosses_without_a_parent_belong_where_their_middle_is(talk, run):
    """Times that ELAN left open are between: A 420 to 610, B to 800, C to 990."""
    rows, _ = run(talk, "--tier", "sentence", "--glosses", "gloss", "left", "--signer", "Ben")
    assert [(row["glosses"], row["signer"]) for row in rows] == [("GUT MORGEN", "Ben"), ("REGEN_STARK A B C", "Ben")]
    rows, printed = run(talk, "--tier", "left")
    assert "talk one.eaf: ELAN was not told who signs, so its name stands for the signer" in printed
    assert [(row["id"], row["glosses"], row["signer"]) for row in rows] == [
        ("talk_one_420", "A", "talk_one"),
        ("talk_one_610", "B", "talk_one"),
        ("talk_one_800", "C", "talk_one"),
    ]


def test_a_tier_without_times_has_those_of_its_parent(talk, run):
    rows, _ = run(talk, "--tier", "translation")
    assert [(row["id"], row["glosses"]) for row in rows] == [("talk_one_400", "MORGEN REGEN")]
    message = refuse(run, talk, "--tier", "gloss")
    assert "share the time of one of 'sentence': give --tier 'sentence' --glosses 'gloss'" in message


def test_several_tiers_may_overlap(talk, run, tmp_path):
    rows, _ = run(talk, "--tier", "sentence", "left")
    assert [row["id"] for row in rows] == [
        "talk_one_sentence_0", "talk_one_sentence_400", "talk_one_left_420", "talk_one_left_610", "talk_one_left_800"
    ]  # fmt: skip
    assert grey_levels(tmp_path / "corpus/clips/talk_one_sentence_400.mp4") == list(range(10, 25))
    assert grey_levels(tmp_path / "corpus/clips/talk_one_left_610.mp4") == list(range(16, 20))  # 640 to 760 ms


def test_the_videos_own_beginning_is_minded(talk, run, tmp_path):
    """ELAN's offset: annotations begin 200 ms after the video."""
    (talk / "talk one.eaf").write_text(ELAN.replace('"ORIGIN"', '"200"').replace('"1200"', '"1000"'), encoding="utf-8")
    run(talk, "--tier", "sentence", "--glosses", "gloss")
    assert grey_levels(tmp_path / "corpus/clips/talk_one_0.mp4") == list(range(5, 15))


@pytest.mark.parametrize(
    ("stamps", "start", "end", "frames"),
    [
        ([0, 33, 67, 100, 133, 167], 67, 133, [2, 3]),
        ([0, 33, 67, 100, 133, 167], 34, 68, [2]),
        ([0, 10, 500, 510, 900], 10, 510, [1, 2]),  # of unlike lengths
    ],
)
def test_frames_are_cut_by_their_time_stamps(tmp_path, stamps, start, end, frames):
    path = make_video(tmp_path / "a.mkv", ramp(len(stamps)), stamps=stamps)
    first, stop = from_elan.choose_frames(open_video(path, 1), start, end)
    assert list(range(first, stop)) == frames


def test_the_video_is_looked_for_where_it_may_be(talk, run, tmp_path):
    elsewhere = tmp_path / "films"
    elsewhere.mkdir()
    (talk / "my talk.mp4").rename(elsewhere / "my talk.mp4")
    message = refuse(run, talk, "--tier", "sentence")
    assert re.search(r"its video was not found \(talk\.wav, my talk\.mp4\): name the folder .* with --videos", message)
    assert len(run(talk, "--tier", "translation", "--videos", elsewhere)[0]) == 1
    (elsewhere / "my talk.mp4").rename(elsewhere / "talk one.MP4")  # by the name of the annotation file
    assert len(run(talk, "--tier", "translation", "--videos", elsewhere)[0]) == 1


def test_mistakes_are_named_with_file_tier_and_time_and_nothing_is_written(talk, run, tmp_path):
    eaf = Eaf()
    eaf.add_linked_file("file:///gone/my talk.mp4", mimetype="video/mp4")
    eaf.add_tier("S")
    for start, end, text in ((0, 400, "A;B"), (500, 510, "FINE"), (600, 2000, "LONG"), (2001, 2002, "X*")):
        eaf.add_annotation("S", start, end, text)
    eaf.to_file(talk / "two.eaf")
    (talk / "three.eaf").write_text("<html/>")
    message = refuse(run, talk / "two.eaf", "--tier", "S")
    assert message.startswith("4 mistakes:")
    assert "two.eaf, S at 0.000 s: the gloss 'A;B'" in message
    assert "S at 0.500 s: no frame of" in message
    assert re.search(r"S at 0\.600 s: it ends at 2\.000 s of .*my talk\.mp4, which has 1\.200 s", message)
    assert "three.eaf cannot be read as ELAN's" in refuse(run, talk, "--tier", "S")
    (talk / "three.eaf").unlink()
    message = refuse(run, talk, "--tier", "Satz")
    assert "talk one.eaf has no tier 'Satz'; it has: 'sentence', 'gloss', 'translation', 'left'" in message
    assert not (tmp_path / "corpus").exists()


def test_nothing_is_lost_in_silence(talk, run):
    """Of the gloss tier two lie in an annotation of `translation` by time or as children, REGEN STARK; two do not."""
    _, printed = run(talk, "--tier", "translation", "--glosses", "gloss", "left")
    assert "2 glosses lie outside of translation, left out" in printed
    (talk / "Talk_one.eaf").write_bytes((talk / "talk one.eaf").read_bytes())
    assert "two clips would be called talk_one_400: rename one" in refuse(run, talk, "--tier", "translation")


def test_what_is_no_folder_of_annotations(tmp_path, talk, run):
    assert "is not a folder with .eaf files" in refuse(run, tmp_path / "nowhere", "--tier", "S")
    with pytest.raises(PreparationError, match=r"must end in \.csv"):
        from_elan.main(from_elan.parse_args([str(talk), "--tier", "left", "--out", "corpus.xls"]))
    assert "must be one word" in refuse(run, talk, "--tier", "left", "--signer", "Anna M")


def test_the_corpus_can_be_prepared_and_a_table_that_was_changed_is_kept(talk, run, tmp_path):
    run(talk, "--tier", "left")
    table = tmp_path / "corpus/corpus.csv"
    assert "older" not in run(talk, "--tier", "left")[1]
    splits = dict(zip(["signer,glosses", "A", "B", "C"], ["split", "train", "train", "dev"], strict=True))
    lines = [f"{line},{splits[line[-1] if line[-1] in 'ABC' else line[-14:]]}" for line in table.read_text().split()]
    table.write_text("\n".join(lines) + "\n")
    prepare("custom", tmp_path / "corpus", tmp_path / "out", True, frame_size=32)
    assert [clip.num_frames for clip in Manifest.load(tmp_path / "out/train.json").clips] == [5, 4]
    assert "the older table is now " in run(talk, "--tier", "left")[1]
    assert (tmp_path / "corpus/corpus.csv.001").read_text().endswith(",dev\n")


def test_the_next_command_names_the_table_where_others_lie_beside_it(talk, run, tmp_path):
    table = tmp_path / "corpus/corpus.csv"
    prepare_it = f"Next: python -m preprocess.prepare --dataset custom --dataset-root {table.parent}"
    assert run(talk, "--tier", "left")[1].endswith(f"{prepare_it} --process-image\n")
    (tmp_path / "corpus/older.csv").touch()
    assert run(talk, "--tier", "left")[1].endswith(f"{prepare_it} --labels {table} --process-image\n")


def test_damaged_files_of_elan_are_errors_with_a_sentence(tmp_path):
    """A hundred files in which values are exchanged, or pieces are missing."""
    draw = random.Random(5)
    (tmp_path / "my talk.mp4").touch()
    values = [*re.findall(r'"([^"]*)"', ELAN), "", "-5", "9" * 30, "\u00e9"]
    refused = 0
    for number in range(100):
        text = ELAN.replace('"ORIGIN"', '"0"')
        for _ in range(draw.randint(1, 4)):
            start, end = sorted((draw.randrange(len(text)), draw.randrange(len(text))))
            if draw.random() < 0.5:
                text = text[:start] + text[min(end, start + 40) :]
            else:
                places = [found.span(1) for found in re.finditer(r'"([^"]*)"', text)]
                begin, stop = draw.choice(places)
                text = text[:begin] + draw.choice(values) + text[stop:]
        path = tmp_path / f"{number}.eaf"
        path.write_text(text, encoding="utf-8")
        try:
            file = read_elan_file(path)
            file.find_video(None)
            file.find_signer("sentence" if "sentence" in file.eaf.tiers else "left")
            for tiers in (["gloss"], ["left", "gloss"], ["translation"], []):
                assert all(isinstance(s.start, int) for s in file.list_sentences("sentence", tiers))
        except PreparationError as error:
            assert str(path) in str(error)
            refused += 1
    assert 20 < refused < 100
