"""Own corpora: the CSV, its mistakes, the split, and videos."""

import json
import os
from collections import Counter
from pathlib import Path

import pytest

from dataset.frames import read_frames
from dataset.manifest import Manifest
from preprocess.corpora.corpus import PreparationError, Recording
from preprocess.corpora.custom import read_custom
from preprocess.corpora.custom_split import draw_split
from preprocess.corpora.registry import read_corpus
from preprocess.prepare import prepare
from tests.helpers import corpora as tiny

HEADER = "id,path,signer,glosses,split"


def with_csv(root: Path, *lines: str) -> Path:
    """The tiny own corpus with another CSV."""
    tiny.custom(root)
    tiny.write_lines(root / "labels.csv", *lines)
    return root


def described(corpus) -> dict[str, list[tuple[str, str, tuple[str, ...]]]]:
    return {split: [(r.id, r.signer, r.glosses) for r in members] for split, members in corpus.splits.items()}


def test_the_table(tmp_path):
    corpus = read_custom(tiny.custom(tmp_path))
    assert described(corpus) == {
        "train": [("a", "Anna", ("HALLO", "DU")), ("b", "Ben", ("DU",))],
        "dev": [("c", "Anna", ("ICH",))],
        "test": [("d", "Ben", ("DU",))],
    }
    assert corpus.glosses == ("DU", "HALLO", "ICH")
    assert corpus.splits["train"][1].source == tmp_path / "frames/b"


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_spreadsheets_differ_in_separator_bom_line_ends_and_order(tmp_path, delimiter, encoding):
    tiny.custom(tmp_path)
    rows = [["Split", "glosses", "id", "signer", "path"], ["train", '"SCHÖN  DU"', "a", "Anna", "frames/a"]]
    rows += [["dev", "DU", "b", "Ben", "frames/b"]]
    text = "".join(delimiter.join(row) + "\r\n" for row in rows)
    (tmp_path / "labels.csv").write_bytes(text.encode(encoding))
    assert described(read_custom(tmp_path)) == {
        "train": [("a", "Anna", ("SCHÖN", "DU"))],
        "dev": [("b", "Ben", ("DU",))],
    }


@pytest.mark.parametrize("first", ["sep=;\r\n", ""])
def test_what_excel_writes_around_a_table(tmp_path, first):
    """Its line about the separator, and columns that were used once."""
    tiny.custom(tmp_path)
    rows = [
        "id;path;signer;glosses;split;;",
        "a;frames/a;Anna;DU;train;;",
        "b;frames/b;Ben;DU;dev",
        "c;frames/c;Ben;DU;;;",
    ]
    (tmp_path / "labels.csv").write_text(first + "".join(f"{row}\r\n" for row in rows[:3]), encoding="utf-8-sig")
    assert described(read_custom(tmp_path)) == {"train": [("a", "Anna", ("DU",))], "dev": [("b", "Ben", ("DU",))]}
    (tmp_path / "labels.csv").write_text(first + "".join(f"{row}\r\n" for row in rows), encoding="utf-8-sig")
    line = 5 if first else 4
    with pytest.raises(PreparationError, match=rf"labels\.csv:{line}: no split, but 2 of 3 rows have one"):
        read_custom(tmp_path)


def test_a_pipe_or_a_folder_is_no_table(tmp_path):
    os.mkfifo(tmp_path / "pipe.csv")
    for table in (tmp_path / "pipe.csv", tmp_path):
        with pytest.raises(PreparationError, match=f"{table} is no file: name the table with the header {HEADER}"):
            read_custom(tmp_path, table)


@pytest.mark.parametrize(("encoding", "line"), [("cp1252", 2), ("utf-16", 1)])
def test_a_table_that_is_not_utf8_says_how_to_save_it(tmp_path, encoding, line):
    tiny.custom(tmp_path)
    (tmp_path / "labels.csv").write_bytes(f"{HEADER}\na,frames/a,Jörg,DU,train\n".encode(encoding))
    with pytest.raises(PreparationError, match=rf'labels\.csv:{line}: this is not UTF-8.*in Excel as "CSV UTF-8"'):
        read_custom(tmp_path)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("e,frames/none,Ben,DU,dev", r"labels\.csv:4: there is no .*frames/none"),
        ("A,frames/c,Ben,DU,dev", r"labels\.csv:4: duplicate: the id 'A' is already at .*labels\.csv:2"),
        ("e,frames/../frames/a,Ben,DU,dev", r"labels\.csv:4: duplicate: the path .* is already at .*:2"),
        ("e,frames/c,Ben, ,dev", r"labels\.csv:4: e has no gloss"),
        ("e f,frames/c,Ben,DU,dev", r"labels\.csv:4: the id must be one word, but is 'e f'"),
        ("e/f,frames/c,Ben,DU,dev", r"labels\.csv:4: the id 'e/f' can't be the name of a folder"),
        ("e,frames/c,Ben,DU,valid", r"labels\.csv:4: the split must be one of train, dev, test, but is 'valid'"),
        ("e,frames/c,Ben,DU,", r"labels\.csv:4: no split, but 2 of 3 rows have one"),
        ("e,../elsewhere,Ben,DU,dev", r"labels\.csv:4: the path must be that of a video or folder below"),
        ("e,/tmp,Ben,DU,dev", r"labels\.csv:4: the path must be"),
        ("e,labels.csv,Ben,DU,dev", r"labels\.csv:4: .*labels\.csv is neither a folder of frames nor a video"),
        ("e,frames/c,Ben,DU ICH;,dev", r"labels\.csv:4: the gloss 'ICH;' contains"),
        ("e,frames/c,Ben,DU,dev,x", r"labels\.csv:4: 6 fields where the header has 5"),
        ("e,frames/c,Ben,DU ICH\u200b,dev", r"labels\.csv:4: the label holds U\+200B ZERO WIDTH SPACE"),
        ("e,frames/c,Ben,DU\x07,dev", r"labels\.csv:4: the label holds U\+0007 control character"),
        ("e,frames/c,Ben,DU\u2028ICH,dev", r"labels\.csv:4: the label holds U\+2028 LINE SEPARATOR"),
        ("e\ufeff,frames/c,Ben,DU,dev", r"labels\.csv:4: the id holds U\+FEFF ZERO WIDTH NO-BREAK SPACE"),
        ("e,frames/c,Ben\u202e,DU,dev", r"labels\.csv:4: the signer holds U\+202E RIGHT-TO-LEFT OVERRIDE"),
        ('e,frames/c,Ben,"DU,dev', r"labels\.csv:4: .*is a quotation mark missing"),
    ],
)
def test_mistakes_are_named_with_file_and_line(tmp_path, row, message):
    root = with_csv(tmp_path, HEADER, "a,frames/a,Anna,DU,train", "b,frames/b,Anna,DU,dev", row)
    with pytest.raises(PreparationError, match=message):
        read_custom(root)


def test_up_to_ten_mistakes_are_listed_at_once(tmp_path):
    root = with_csv(tmp_path, "id,path,signer,glosses", *(f"c{n},none{n},Anna,DU" for n in range(12)))
    with pytest.raises(PreparationError, match=r"^12 mistakes:") as caught:
        read_custom(root)
    lines = str(caught.value).splitlines()
    assert len(lines) == 1 + 10 + 1
    assert lines[10].endswith(f"labels.csv:11: there is no {tmp_path / 'none9'}")
    assert lines[11].strip() == "and 2 more"


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("id,path,signer,gloss", r"labels\.csv:1: .*no column 'glosses', unknown column 'gloss'"),
        ("id,path,signer,glosses,id", r"column 'id' twice"),
        ("id|path|signer|glosses", r"no column 'id'"),
    ],
)
def test_wrong_headers(tmp_path, header, message):
    with pytest.raises(PreparationError, match=message):
        read_custom(with_csv(tmp_path, header))


def test_the_csv_is_found_or_must_be_named(tmp_path):
    root = tiny.custom(tmp_path)
    (root / "other.csv").write_text("x")
    with pytest.raises(PreparationError, match=r"2 CSV files \(labels\.csv, other\.csv\).*--labels"):
        read_custom(root)
    assert len(read_custom(root, root / "labels.csv").splits["train"]) == 2
    with pytest.raises(PreparationError, match=r"no folder .*nowhere"):
        read_custom(root / "nowhere")
    (root / "other.csv").rename(root / "Mappe1.xlsx")
    (root / "labels.csv").unlink()
    with pytest.raises(PreparationError, match=r"holds Mappe1\.xlsx and no CSV file .*: save its table as CSV UTF-8"):
        read_custom(root)
    (root / "Mappe1.xlsx").rename(root / "talk.eaf")
    with pytest.raises(PreparationError, match=r"holds talk\.eaf and no CSV file .*preprocess\.from_elan"):
        read_custom(root)


def recordings(**clips: int) -> list[Recording]:
    return [
        Recording(f"{signer}{number}", Path("x"), signer, ("DU",))
        for signer, count in clips.items()
        for number in range(count)
    ]


def test_with_five_signers_whole_signers_are_held_out():
    members = recordings(A=4, B=4, C=4, D=4, E=4)
    chosen, note = draw_split(members, seed=0)
    places = {signer: {chosen[entry.id] for entry in members if entry.signer == signer} for signer in "ABCDE"}
    assert sorted(place for (place,) in places.values()) == ["dev", "test", "train", "train", "train"]
    assert "12 train, 4 dev, 4 test, by signer" in note
    assert draw_split(members[::-1], seed=0) == (chosen, note)
    assert len({tuple(sorted(draw_split(members, seed)[0].items())) for seed in range(10)}) > 1


def test_with_fewer_signers_clips_are_held_out_and_every_signer_is_in_train():
    members = recordings(A=17, B=2, C=1)
    for seed in range(20):
        chosen, note = draw_split(members, seed)
        assert Counter(chosen.values()) == {"train": 16, "dev": 2, "test": 2}
        assert {entry.signer for entry in members if chosen[entry.id] == "train"} == {"A", "B", "C"}
        assert "by clip" in note


def test_too_few_clips_to_divide():
    with pytest.raises(PreparationError, match="3 clips of 2 signers are too few"):
        draw_split(recordings(A=2, B=1), seed=0)


# Videos


def videos(root: Path) -> Path:
    tiny.write_video(root / "a.mp4", frames=12)
    tiny.write_video(root / "b.avi", frames=9)
    tiny.write_lines(root / "labels.csv", HEADER, "a,a.mp4,Anna,DU,train", "b,b.avi,Anna,DU,dev")
    return root


def test_videos_become_images(tmp_path):
    prepare("custom", videos(tmp_path / "corpus"), tmp_path / "out", True, frame_size=32)
    for split, count in (("train", 12), ("dev", 9)):
        manifest = Manifest.load(tmp_path / f"out/{split}.json")
        (clip,) = manifest.clips
        assert clip.num_frames == count
        assert read_frames(manifest.clip_folder(clip)).shape == (count, 32, 32, 3)
        assert len((tmp_path / f"out/custom-groundtruth-{split}.stm").read_text().splitlines()) == 1


def test_a_finished_video_is_not_decoded_again(tmp_path, monkeypatch):
    root = videos(tmp_path / "corpus")
    assert prepare("custom", root, tmp_path / "out", True, frame_size=32).resized == 2
    monkeypatch.setattr("preprocess.images.open_video", lambda *_, **__: pytest.fail("decoded again"))
    assert prepare("custom", root, tmp_path / "out", True, frame_size=32).resized == 0


def change_video(root: Path, _: Path) -> None:
    os.utime(root / "a.mp4", ns=(1, 1))


def lose_frame(_: Path, folder: Path) -> None:
    (folder / "000012.jpg").unlink()


def spoil_marker(_: Path, folder: Path) -> None:
    (folder / ".source.json").write_text("")


def marker_of_other_kind(_: Path, folder: Path) -> None:
    (folder / ".source.json").write_text(json.dumps([1]))


@pytest.mark.parametrize("change", [change_video, lose_frame, spoil_marker, marker_of_other_kind])
def test_a_changed_video_or_damaged_clip_is_done_again(tmp_path, change):
    root = videos(tmp_path / "corpus")
    prepare("custom", root, tmp_path / "out", True, frame_size=32)
    change(root, tmp_path / "out/frames/train/a")
    assert prepare("custom", root, tmp_path / "out", True, frame_size=32).resized == 1
    assert len(read_frames(tmp_path / "out/frames/train/a")) == 12


def test_videos_without_process_image_are_refused_with_the_remedy(tmp_path):
    with pytest.raises(PreparationError, match=r"2 clips are videos \(a\.mp4, \.\.\.\).*--process-image"):
        prepare("custom", videos(tmp_path), tmp_path / "out")


def test_bad_videos_are_listed_clip_by_clip(tmp_path):
    root = videos(tmp_path / "corpus")
    (root / "a.mp4").write_text("no video")
    (root / "b.avi").write_bytes(b"")
    with pytest.raises(PreparationError, match="2 of 2 clips have no readable frames") as caught:
        prepare("custom", root, tmp_path / "out", True)
    assert f"{root / 'a.mp4'} is no video" in str(caught.value)
    assert f"{root / 'b.avi'} is no video" in str(caught.value)
    assert not list((tmp_path / "out").glob("*.json"))


def test_images_that_others_took_the_place_of_are_resized_again(tmp_path):
    root = tiny.custom(tmp_path / "corpus")
    first = prepare("custom", root, tmp_path / "out", True)
    assert prepare("custom", root, tmp_path / "out", True).resized == 0
    rows = (root / "labels.csv").read_text()
    paths = [line.split(",")[1] for line in rows.splitlines()[1:3]]
    (root / "labels.csv").write_text(rows.replace(paths[0], "*").replace(paths[1], paths[0]).replace("*", paths[1]))
    assert prepare("custom", root, tmp_path / "out", True).resized == 2
    with pytest.raises(PreparationError, match="must not be the corpus itself"):
        prepare("custom", root, root, True)
    assert first.resized > 2


def test_a_truncated_video_is_named_with_what_can_be_read(tmp_path):
    root = videos(tmp_path / "corpus")
    tiny.write_video(root / "b.avi", frames=40)
    content = (root / "b.avi").read_bytes()
    (root / "b.avi").write_bytes(content[: len(content) * 6 // 10])
    with pytest.raises(PreparationError, match="1 of 2 clips have no readable frames") as caught:
        prepare("custom", root, tmp_path / "out", True)
    assert f"the video {root / 'b.avi'} is cut short, " in str(caught.value)
    prepared = prepare("custom", root, tmp_path / "out", True, frame_size=32, allow_truncated=True)
    (note,) = [note for note in prepared.notes if note.startswith("b: the video is cut short, ")]
    assert 20 < Manifest.load(tmp_path / "out/dev.json").clips[0].num_frames < 40
    again = prepare("custom", root, tmp_path / "out", True, frame_size=32, allow_truncated=True)
    assert (again.resized, note in again.notes) == (0, True)
    with pytest.raises(PreparationError, match="1 of 2 clips"):  # what was allowed once is not allowed for ever
        prepare("custom", root, tmp_path / "out", True, frame_size=32)


def test_a_split_that_is_gone_leaves_no_manifest(tmp_path):
    root = tiny.custom(tmp_path / "corpus")
    prepare("custom", root, tmp_path / "out")
    assert (tmp_path / "out/test.json").exists()
    tiny.write_lines(root / "labels.csv", HEADER, "a,frames/a,Anna,DU,train", "c,frames/c,Anna,DU,dev")
    prepare("custom", root, tmp_path / "out")
    assert not (tmp_path / "out/test.json").exists()
    assert not (tmp_path / "out/custom-groundtruth-test.stm").exists()


def test_every_text_is_read_in_one_unicode_form(tmp_path):
    """Ids, signers and glosses become NFC; a path is compared in it, and opened by the name on disk."""
    nfc, nfd = "Gebärde", "Geba\u0308rde"
    root = with_csv(tmp_path, HEADER, f"{nfd},frames/{nfc},Jo\u0308rg,SU\u0308D,train", "b,frames/b,Jörg,SÜD,dev")
    (root / "frames/a").rename(root / "frames" / nfd)
    corpus = read_corpus("custom", root)
    assert described(corpus) == {"train": [(nfc, "Jörg", ("SÜD",))], "dev": [("b", "Jörg", ("SÜD",))]}
    assert corpus.glosses == ("SÜD",)
    assert corpus.splits["train"][0].source == root / "frames" / nfd
    assert f"1 clip spelt in another Unicode form than NFC, and read as NFC: {nfc}" in corpus.notes
    twice = [f"{nfc},frames/{nfc},J,A,train", f"{nfd},frames/{nfd},J,A,dev"]
    with pytest.raises(PreparationError, match=r"labels\.csv:3: duplicate: the id .* and the path"):
        read_custom(with_csv(root, HEADER, *twice))
