import json
import re
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import pytest
from pympi.Elan import Eaf
from pympi.Praat import TextGrid

from evaluation.ctm import CtmWord, FormatError, read_ctm
from evaluation.inference.formats import FORMATS, check_format, save_ctm, save_transcript
from evaluation.inference.transcript import Guess, Transcript, TranscriptError

WORDS = (
    CtmWord("MORGEN", 0.2, 0.44, 0.98),
    CtmWord("下雨", 0.64, 0.4, 0.5),
    CtmWord("A&B<i>-->", 3661.5, 0.5004, None),
)


@pytest.fixture
def transcript(tmp_path) -> Transcript:
    video = tmp_path / "videos" / "my clip.mp4"
    video.parent.mkdir()
    video.touch()
    best = Guess(0.0, 3700.0, ("MORGEN", "下雨"), 0.25)
    return Transcript("my clip", video, 3700.0, 25.0, 92500, 360, WORDS, (best,), ("squashed",))


def test_json_holds_everything(transcript, tmp_path):
    save_transcript(transcript, tmp_path / "out.json")
    content = json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))
    assert content["words"][0] == {"gloss": "MORGEN", "start": 0.2, "end": 0.64, "confidence": 0.98}
    assert content["words"][2]["confidence"] is None
    assert content["nbest"] == [{"start": 0.0, "end": 3700.0, "glosses": ["MORGEN", "下雨"], "score": 0.25}]
    expected = {"name": "my clip", "duration": 3700.0, "rate": 25.0, "frames": 92500, "frames_read": 360}
    assert content.items() >= expected.items()
    assert Path(content["video"]) == transcript.video
    assert content["notes"] == ["squashed"]


def test_srt(transcript, tmp_path):
    save_transcript(transcript, tmp_path / "out.srt")
    assert (tmp_path / "out.srt").read_text(encoding="utf-8") == (
        "1\n00:00:00,200 --> 00:00:00,640\nMORGEN\n\n"
        "2\n00:00:00,640 --> 00:00:01,040\n下雨\n\n"
        "3\n01:01:01,500 --> 01:01:02,000\nA&B<i>-->\n"
    )


def test_vtt(transcript, tmp_path):
    save_transcript(transcript, tmp_path / "out.VTT")
    text = (tmp_path / "out.VTT").read_text(encoding="utf-8")
    assert text == (
        "WEBVTT\n\n"
        "00:00:00.200 --> 00:00:00.640\nMORGEN\n\n"
        "00:00:00.640 --> 00:00:01.040\n下雨\n\n"
        "01:01:01.500 --> 01:01:02.000\nA&amp;B&lt;i&gt;--&gt;\n"
    )
    assert len(re.findall("-->", text)) == 3


def test_eaf_opens_with_a_tier_of_glosses_and_the_video(transcript, tmp_path):
    path = tmp_path / "annotations" / "out.eaf"
    save_transcript(transcript, path)
    save_transcript(transcript, path)  # again, in its place
    assert [file.name for file in path.parent.iterdir()] == ["out.eaf"]
    eaf = Eaf(str(path))
    assert list(eaf.get_tier_names()) == ["gloss", "confidence"]
    assert sorted(eaf.get_annotation_data_for_tier("gloss")) == [
        (200, 640, "MORGEN"),
        (640, 1040, "下雨"),
        (3661500, 3662000, "A&B<i>-->"),
    ]
    assert sorted(eaf.get_ref_annotation_data_for_tier("confidence")) == [
        (200, 640, "0.98", "MORGEN"),
        (640, 1040, "0.50", "下雨"),
    ]
    (media,) = eaf.get_linked_files()
    assert media["MEDIA_URL"] == f"file://{transcript.video.as_posix()}"
    assert media["RELATIVE_MEDIA_URL"] == "../videos/my clip.mp4"
    assert media["MIME_TYPE"] == "video/mp4"


def test_eaf_is_xml_in_the_order_of_its_schema(transcript, tmp_path):
    save_transcript(transcript, tmp_path / "out.eaf")
    root = ElementTree.parse(tmp_path / "out.eaf").getroot()
    order = ["HEADER", "TIME_ORDER", "TIER", "LINGUISTIC_TYPE", "CONSTRAINT"]
    assert list(dict.fromkeys(child.tag for child in root)) == order
    slots = {slot.get("TIME_SLOT_ID"): int(slot.get("TIME_VALUE")) for slot in root.iter("TIME_SLOT")}
    assert list(slots.values()) == sorted(slots.values())
    annotations = [*root.iter("ALIGNABLE_ANNOTATION"), *root.iter("REF_ANNOTATION")]
    numbers = [int(annotation.get("ANNOTATION_ID")[1:]) for annotation in annotations]
    assert len(set(numbers)) == len(numbers) == 5
    (last,) = root.iter("PROPERTY")
    assert (last.get("NAME"), int(last.text)) == ("lastUsedAnnotationId", max(numbers))


def test_every_format_is_utf8_whatever_the_video_is_called(transcript, tmp_path):
    folder = tmp_path / "caf\udce9"
    folder.mkdir()
    video = folder / "a\udce9\x01.mp4"
    video.touch()
    for suffix in FORMATS:
        path = folder / f"out\udce9{suffix}"
        save_transcript(replace(transcript, name=r"a\xE9", video=video, words=WORDS[:2]), path)
        assert path.read_bytes().decode("utf-8")
    root = ElementTree.parse(folder / "out\udce9.eaf").getroot()
    (media,) = root.iter("MEDIA_DESCRIPTOR")
    assert media.get("MEDIA_URL").endswith(r"/caf\xE9/a\xE9\x01.mp4")
    assert media.get("RELATIVE_MEDIA_URL") == r"./a\xE9\x01.mp4"
    assert json.loads((folder / "out\udce9.json").read_text("utf-8"))["video"].endswith("/caf\\xE9/a\\xE9\x01.mp4")


def test_eaf_of_images_links_no_video(transcript, tmp_path):
    save_transcript(replace(transcript, video=tmp_path), tmp_path / "out.eaf")
    assert Eaf(str(tmp_path / "out.eaf")).get_linked_files() == []


def test_ctm_reads_back_and_holds_many(transcript, tmp_path):
    plain = replace(transcript, words=WORDS[:2])
    other = replace(plain, name="other", words=WORDS[1:2])
    save_ctm([plain, other], tmp_path / "all.ctm")
    first, second = read_ctm(tmp_path / "all.ctm")
    assert (first.id, first.glosses) == ("my_clip", ("MORGEN", "下雨"))
    assert (second.id, second.glosses) == ("other", ("下雨",))
    assert first.words[0] == WORDS[0]


def test_what_ctm_files_cannot_hold_is_an_error(transcript, tmp_path):
    with pytest.raises(FormatError, match="my_clip: the gloss 'A;B'"):
        save_transcript(replace(transcript, words=(CtmWord("A;B", 0, 1),)), tmp_path / "out.ctm")
    assert not (tmp_path / "out.ctm").exists()


@pytest.mark.parametrize("suffix", FORMATS)
def test_nothing_recognised_can_be_saved_too(transcript, tmp_path, suffix):
    save_transcript(replace(transcript, words=(), nbest=()), tmp_path / f"out{suffix}")
    text = (tmp_path / f"out{suffix}").read_text(encoding="utf-8")
    empty = {".srt": "", ".vtt": "WEBVTT\n", ".ctm": "", ".txt": "\n", ".csv": "\ufeffgloss,start,end,confidence\n"}
    assert empty.get(suffix, text) == text
    if suffix == ".eaf":
        assert Eaf(str(tmp_path / "out.eaf")).get_annotation_data_for_tier("gloss") == []


def test_every_cue_lasts_and_none_begins_before_the_last_ends(transcript, tmp_path):
    brief = (CtmWord("A", 0.1, 0.0001), CtmWord("B", 0.1001, 0.0002), CtmWord("C", 0.1003, 0.4))
    save_transcript(replace(transcript, words=brief), tmp_path / "out.srt")
    times = re.findall(r"00:00:00,(\d+) --> 00:00:00,(\d+)", (tmp_path / "out.srt").read_text())
    assert times == [("100", "101"), ("101", "102"), ("102", "500")]
    save_transcript(replace(transcript, words=brief), tmp_path / "out.eaf")


@pytest.mark.parametrize("name", ["out.doc", "out", "eaf"])
def test_a_suffix_that_is_no_format(name):
    with pytest.raises(TranscriptError, match=rf"{name} has no suffix that says how to save: .*\.eaf"):
        check_format(name)


def test_txt_has_the_glosses_in_a_line(transcript, tmp_path):
    save_transcript(transcript, tmp_path / "out.txt")
    assert (tmp_path / "out.txt").read_text(encoding="utf-8") == "MORGEN 下雨 A&B<i>-->\n"


def test_csv_opens_in_a_spreadsheet(transcript, tmp_path):
    quoted = (*WORDS[:2], CtmWord('A,"B"', 1.2, 0.1, None))
    save_transcript(replace(transcript, words=quoted), tmp_path / "out.csv")
    assert (tmp_path / "out.csv").read_bytes().decode("utf-8") == (
        '\ufeffgloss,start,end,confidence\nMORGEN,0.200,0.640,0.98\n下雨,0.640,1.040,0.50\n"A,""B""",1.200,1.300,\n'
    )


@pytest.mark.parametrize("name", ["out.TextGrid", "out.textgrid"])
def test_text_grid_fills_the_whole_time(transcript, tmp_path, name):
    words = (CtmWord("MORGEN", 0.2, 0.44), CtmWord("下雨", 0.64, 0.4), CtmWord('A"B', 2.5, 0.5004))
    save_transcript(replace(transcript, duration=3.0, words=words), tmp_path / name)
    text = (tmp_path / name).read_text(encoding="utf-8")
    assert text.splitlines()[:3] == ['File type = "ooTextFile"', 'Object class = "TextGrid"', ""]
    numbers, texts = re.findall(r"xm(?:in|ax) = ([\d.]+)", text), re.findall(r'text = "(.*)"', text)
    assert texts == ["", "MORGEN", "下雨", "", 'A""B']
    ends = [0.0, 0.2, 0.64, 1.04, 2.5, 3.0]
    spans = [end for pair in pairwise(ends) for end in pair]
    assert [float(number) for number in numbers] == [0.0, 3.0, 0.0, 3.0, *spans]  # of the file, the tier, the intervals
    (tier,) = TextGrid(str(tmp_path / name)).get_tiers()
    assert tier.name == "gloss"
    signed = [interval for interval in tier.get_intervals() if interval[2]]
    assert signed == [(0.2, 0.64, "MORGEN"), (0.64, 1.04, "下雨"), (2.5, 3.0, 'A"B')]


def test_text_grid_may_end_with_its_last_gloss(transcript, tmp_path):
    save_transcript(replace(transcript, duration=1.0399, words=WORDS[:2]), tmp_path / "out.TextGrid")
    assert TextGrid(str(tmp_path / "out.TextGrid")).xmax == 1.04


@pytest.mark.parametrize("suffix", [suffix for suffix in FORMATS if suffix != ".json"])
def test_what_someone_has_corrected_is_kept(transcript, tmp_path, suffix):
    path = tmp_path / f"out{suffix}"
    plain = replace(transcript, words=WORDS[:2])
    assert save_transcript(plain, path) is None
    assert save_transcript(plain, path) is None  # the same again
    theirs = path.read_bytes().replace(b"MORGEN", b"ABEND")
    path.write_bytes(theirs)
    assert save_transcript(plain, path) == tmp_path / f"out{suffix}.001"
    assert (tmp_path / f"out{suffix}.001").read_bytes() == theirs
    path.write_bytes(theirs)
    assert save_transcript(plain, path) == tmp_path / f"out{suffix}.002"
    assert sorted(file.name for file in tmp_path.glob("*out*")) == [f"out{suffix}{end}" for end in ("", ".001", ".002")]


def test_json_is_no_file_to_correct(transcript, tmp_path):
    (tmp_path / "out.json").write_text("{}")
    assert save_transcript(transcript, tmp_path / "out.json") is None
    assert [file.name for file in tmp_path.glob("*out*")] == ["out.json"]


def test_eaf_keeps_what_was_warned_of(transcript, tmp_path):
    notes = (*transcript.notes, "warning: cut short", "warning: too fast")
    save_transcript(replace(transcript, notes=notes), tmp_path / "out.eaf")
    (warned,) = Eaf(str(tmp_path / "out.eaf")).get_annotation_data_for_tier("warning")
    assert warned == (0, round(transcript.duration * 1000), "cut short; too fast")
