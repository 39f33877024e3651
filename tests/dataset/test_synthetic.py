"""The built-in corpus: its language, its signers, its bytes and its trees."""

import hashlib
import json
from collections import Counter
from dataclasses import fields
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest
from pympi.Elan import Eaf

from dataset.manifest import Manifest
from dataset.rendered import BOUNDARIES
from dataset.synthetic.generate import (
    find_gloss_boundaries,
    generate,
    main,
    parse_args,
    plan_clip,
    plan_corpus,
    render_clip,
)
from dataset.synthetic.hand import HANDSHAPES
from dataset.synthetic.layouts import LAYOUTS, CSLDaily
from dataset.synthetic.lexicon import (
    FORM_FIELDS,
    LEXICON,
    MAX_GLOSSES,
    MIN_GLOSSES,
    MINIMAL_PAIRS,
    ORIENTATIONS,
    PLACES,
    Sign,
)
from dataset.synthetic.motion import MOVEMENTS, plan_motion
from dataset.synthetic.signers import SIGNERS, TEST_ONLY_SIGNER
from dataset.video import open_video
from evaluation.ctm import read_stm
from preprocess.corpora.registry import CORPORA
from preprocess.prepare import prepare
from utils.temporal import TemporalSpec

CHINESE = {sign.gloss: sign.chinese for sign in LEXICON}


def digest(root: Path) -> dict[str, str]:
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module", params=list(LAYOUTS))
def written(request, tmp_path_factory):
    """(layout, root, frames of each clip) of a tiny corpus in each layout."""
    root = tmp_path_factory.mktemp("corpus") / "root"
    lengths = generate(request.param, root, glosses=12, train=3, dev=2, test=1, seed=2, workers=1)
    return request.param, root, lengths


def test_the_lexicon_is_large_and_every_sign_has_a_form_of_its_own():
    assert len(LEXICON) >= 30
    forms = {tuple(getattr(sign, name) for name in FORM_FIELDS) for sign in LEXICON}
    assert len(forms) == len({sign.gloss for sign in LEXICON}) == len(set(CHINESE.values())) == len(LEXICON)
    for sign in LEXICON:
        assert sign.handshape in HANDSHAPES
        assert sign.place in PLACES
        assert sign.movement in MOVEMENTS
        assert sign.orientation in ORIENTATIONS
        assert sign.hands in {"one", "two", "base"}
    assert len(HANDSHAPES) >= 7


def test_minimal_pairs_differ_in_what_they_say_and_in_nothing_else():
    by_gloss = {sign.gloss: sign for sign in LEXICON}
    form = [entry.name for entry in fields(Sign) if entry.name in FORM_FIELDS]
    for first, second, field in MINIMAL_PAIRS:
        a, b = by_gloss[first], by_gloss[second]
        assert [name for name in form if getattr(a, name) != getattr(b, name)] == [field]
    quickstart = {sign.gloss for sign in LEXICON[:12]}
    within = {field for first, second, field in MINIMAL_PAIRS if {first, second} <= quickstart}
    assert {"movement", "place", "hands", "handshape"} <= within


@pytest.mark.parametrize("glosses", [MIN_GLOSSES, 12, MAX_GLOSSES])
def test_the_language(glosses):
    clips = plan_corpus(glosses, (400, 40, 60), seed=0)
    sentences = {split: [c.sentence for c in clips if c.split == split] for split in ("train", "dev", "test")}
    assert [len(sentences[split]) for split in ("train", "dev", "test")] == [400, 40, 60]
    assert not set(sentences["train"]) & {*sentences["dev"], *sentences["test"]}
    assert {len(sentence) for split in sentences.values() for sentence in split} <= {2, 3, 4, 5}
    counts = Counter(gloss for sentence in sentences["train"] for gloss in sentence)
    assert set(counts) == {sign.gloss for sign in LEXICON[:glosses]}
    assert min(counts.values()) >= sum(counts.values()) / glosses / 2
    repeats = sum(any(a == b for a, b in pairwise(s)) for s in sentences["train"])
    assert 0.04 * 400 <= repeats <= 0.08 * 400


def test_the_smallest_lexicon_works_for_any_seed():
    for seed in range(20):
        assert len(plan_corpus(MIN_GLOSSES, (8, 3, 3), seed)) == 14


def test_one_signer_is_met_in_test_alone():
    clips = plan_corpus(12, (160, 40, 60), seed=0)
    signers = {s: Counter(SIGNERS[c.signer].name for c in clips if c.split == s) for s in ("train", "dev", "test")}
    assert len(SIGNERS) >= 5
    assert TEST_ONLY_SIGNER not in signers["train"]
    assert TEST_ONLY_SIGNER not in signers["dev"]
    assert signers["test"][TEST_ONLY_SIGNER] == 20
    assert set(signers["train"]) == {signer.name for signer in SIGNERS} - {TEST_ONLY_SIGNER}
    assert len({signer.dominant for signer in SIGNERS}) == 2


def test_clips_are_long_enough_for_their_labels():
    spec = TemporalSpec()
    for number, sentence in enumerate((("NORD", "NORD"), ("MORGEN", "NORD", "REGEN"), ("KALT", "WARM") * 2)):
        for signer in SIGNERS:
            motion = plan_motion(sentence, signer, np.random.default_rng(number))
            assert spec.output_length(len(motion.hands)) > spec.steps_needed(sentence)
            assert len(motion.strokes) == len(sentence)
            assert all(8 <= last - first <= 12 for first, last in motion.strokes)
            gaps = [b[0] - a[1] for a, b in pairwise(motion.strokes)]
            assert min(gaps) >= 2  # the hands travel


def test_a_frame_is_a_lit_picture_with_a_moving_person():
    clip = plan_corpus(12, (1, 0, 0), seed=0)[0]
    frames = list(render_clip(clip, seed=0))
    assert all(frame.shape == (260, 210, 3) and frame.dtype == np.uint8 for frame in frames)
    assert np.abs(frames[0].astype(int) - frames[len(frames) // 2]).max() > 60
    assert frames[0].std() > 20


def test_same_seed_same_bytes_whatever_the_workers(tmp_path):
    for name, seed, workers in (("a", 3, 1), ("b", 3, 2), ("c", 4, 1)):
        generate("phoenix2014", tmp_path / name, glosses=12, train=2, dev=1, test=1, seed=seed, workers=workers)
    first, second, other = (digest(tmp_path / name) for name in "abc")
    assert first == second
    assert first != other


def test_preparation_reads_every_layout(written):
    layout, root, lengths = written
    corpus = CORPORA[layout].read(root)
    for split, recordings in corpus.splits.items():
        clips = [clip for clip in lengths if clip.split == split]
        chinese = layout.startswith("CSL")
        labels = [tuple(CHINESE[g] if chinese else g for g in clip.sentence) for clip in clips]
        assert sorted(recording.glosses for recording in recordings) == sorted(labels)
        counts = [open_video(recording.source, 25).num_frames for recording in recordings]
        assert sorted(counts) == sorted(lengths[clip] for clip in clips)
    assert set(corpus.splits) == ({"train", "dev"} if layout == "CSL" else {"train", "dev", "test"})


def test_boundaries_have_the_ids_and_glosses_of_the_prepared_corpus(written, tmp_path):
    layout, root, lengths = written
    prepare(layout, root, tmp_path, process_image=layout == "custom")
    found = json.loads((root / BOUNDARIES).read_text(encoding="utf-8"))
    assert found["frame_rate"] == 25
    assert list(found["clips"]) == list(CORPORA[layout].read(root).splits)
    for split, strokes in found["clips"].items():
        manifest = Manifest.load(tmp_path / f"{split}.json")
        assert {c.id: list(c.glosses) for c in manifest.clips} == {
            name: [gloss for gloss, _, _ in own] for name, own in strokes.items()
        }
        assert {r.id for r in read_stm(tmp_path / f"{layout}-groundtruth-{split}.stm")} == set(strokes)
        for clip in manifest.clips:
            own = strokes[clip.id]
            assert all(8 <= end - first <= 12 for _, first, end in own)
            assert all(a[2] < b[1] for a, b in pairwise(own))
            assert own[0][1] > 0
            assert own[-1][2] < clip.num_frames
    assert sum(map(len, found["clips"].values())) == len(lengths)


@pytest.mark.parametrize("layout", list(LAYOUTS))
def test_ids_are_those_of_the_corpus_reader_also_where_folders_share_their_name(tmp_path, layout):
    chosen = LAYOUTS[layout]
    clips = [clip for clip in plan_corpus(12, (110, 60, 40), seed=0) if clip.split in chosen.splits]
    for clip in clips:
        frame = tmp_path / chosen.locate_frame(clip, 0)
        frame.parent.mkdir(parents=True, exist_ok=layout == "custom")
        frame.touch()
    chosen.write_annotations(tmp_path, dict.fromkeys(clips, 1))
    read = {
        split: {recording.id: recording.glosses for recording in recordings}
        for split, recordings in CORPORA[layout].read(tmp_path).splits.items()
    }
    found = find_gloss_boundaries(clips, chosen, seed=0)["clips"]
    assert read == {
        split: {name: tuple(gloss for gloss, _, _ in strokes) for name, strokes in own.items()}
        for split, own in found.items()
    }
    if layout == "CSL":
        assert any(name.startswith("color_00") for name in found["train"])
        assert any(name.startswith("P") for name in found["train"])


def test_boundaries_number_the_frames_that_were_written(written):
    layout, root, lengths = written
    strokes = json.loads((root / BOUNDARIES).read_text(encoding="utf-8"))["clips"]
    for clip, name in LAYOUTS[layout].map_ids(list(lengths)).items():
        motion, _ = plan_clip(clip, seed=2)
        assert len(motion.hands) == lengths[clip]
        assert [tuple(span) for _, *span in strokes[clip.split][name]] == list(motion.strokes)


def test_pictures_have_the_size_of_the_corpus(written):
    layout, root, _ = written
    sizes = {"phoenix2014": (260, 210), "phoenix2014-T": (260, 210), "CSL-Daily": (512, 512), "CSL": (720, 1280)}
    if layout == "custom":
        assert next(open_video(root / "clip00.mp4", 25).frames([0])).shape == (260, 210, 3)
        return
    pattern = "*.jpg" if layout.startswith("CSL") else "*.png"
    image = cv2.imread(str(min(root.rglob(pattern))))
    assert image.shape == (*sizes[layout], 3)


def test_traps(written):
    layout, root, lengths = written
    if layout == "phoenix2014":
        table = root / "phoenix-2014-multisigner/annotations/manual/train.corpus.csv"
        rows = [line.split("|") for line in table.read_text(encoding="utf-8").splitlines()]
        assert rows[0] == ["id", "folder", "signer", "annotation"]
        assert rows[1][1] == f"{rows[1][0]}/1/*.png"
        assert any("  " in row[3] for row in rows[1:])
        folder = root / "phoenix-2014-multisigner/features/fullFrame-210x260px/train" / rows[1][0] / "1"
        assert len(list(folder.glob("*.png"))) == next(iter(lengths.values()))
    elif layout == "phoenix2014-T":
        text = (root / "annotations/manual/PHOENIX-2014-T.train.corpus.csv").read_text(encoding="utf-8")
        assert text.startswith("name|video|start|end|speaker|orth|translation\n")
        name, video = text.splitlines()[1].split("|")[:2]
        assert video == f"{name}/1/*.png"
        assert not list(root.rglob("1"))
        assert (root / "features/fullFrame-210x260px/train" / name / "images0001.png").is_file()
        assert text.count('"') % 2 == 1
    elif layout == "CSL-Daily":
        assert f"{CSLDaily.missing}|train" in (root / "split_1.txt").read_text(encoding="utf-8")
        assert CSLDaily.missing not in (root / "video_map.txt").read_text(encoding="utf-8")
        assert (root / "sentence/frames_512x512" / CSLDaily.meant).is_dir()
    elif layout == "custom":
        rows = [row.split(",") for row in (root / "corpus.csv").read_text().splitlines()]
        assert rows[0] == ["id", "path", "signer", "glosses", "split"]
        assert [row[4] for row in rows[1:]] == ["train"] * 3 + ["dev"] * 2 + ["test"]
        for row, length in zip(rows[1:], lengths.values(), strict=True):
            video = open_video(root / row[1], 25)
            assert (video.num_frames, video.rate) == (length, pytest.approx(25))
    else:
        assert (root / "train.txt").read_text(encoding="utf-8").startswith("/")
        assert not (root / "test.txt").exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"glosses": 4}, "glosses = 4"),
        ({"glosses": MAX_GLOSSES + 1}, f"5 to {MAX_GLOSSES}"),
        ({"train": 0}, "train = 0"),
        ({"dev": -1}, "dev = -1"),
        ({"workers": 0}, "workers = 0"),
        ({"layout": "phoenix"}, "'phoenix'"),
    ],
)
def test_bad_arguments_name_the_value(tmp_path, changes, message):
    settings = {"layout": "phoenix2014", "out": tmp_path / "new", "train": 1, "dev": 0, "test": 0, "workers": 1}
    with pytest.raises(ValueError, match=message):
        generate(**(settings | changes))
    assert not (tmp_path / "new").exists()


def test_a_folder_in_use_is_left_alone(tmp_path):
    (tmp_path / "mine.txt").write_text("keep")
    with pytest.raises(FileExistsError, match="not an empty folder"):
        generate("phoenix2014", tmp_path, train=1, dev=0, test=0, workers=1)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_the_command_says_what_it_wrote(tmp_path, capsys):
    out = tmp_path / "c"
    main(parse_args(["--layout", "phoenix2014", "--out", str(out), "--train=1", "--dev=1", "--test=1", "--workers=1"]))
    text = capsys.readouterr().out
    assert "train: 1 sentence," in text
    assert str(out) in text


def test_the_recording_of_ones_own_corpus_holds_the_sentences_at_their_times(tmp_path):
    main(parse_args(["--layout", "custom", "--out", str(tmp_path / "c"), "--train", "3", "--dev", "0", "--test", "0"]))
    rows = [row.split(",") for row in (tmp_path / "c/corpus.csv").read_text().splitlines()[1:]]
    recording = open_video(tmp_path / "c/elan/recording.mp4", 25)
    annotations = Eaf(str(tmp_path / "c/elan/recording.eaf")).get_annotation_data_for_tier("sentence")
    frames, at = list(recording.frames(range(recording.num_frames))), 0
    for (_, path, _, glosses, _), (start, end, text) in zip(rows, sorted(annotations), strict=True):
        assert text == glosses
        clip = open_video(tmp_path / "c" / path, 25)
        assert (start, end) == (at * 40, (at + clip.num_frames) * 40)
        for one, other in zip(clip.frames(range(clip.num_frames)), frames[at : at + clip.num_frames], strict=True):
            assert np.abs(one.astype(int) - other).mean() < 2  # both were encoded
        at += clip.num_frames
    assert at == len(frames)


def test_an_own_corpus_has_ten_clips_unless_told_otherwise():
    args = parse_args(["--layout", "custom", "--out", "x"])
    assert (args.glosses, args.train, args.dev, args.test) == (12, 6, 2, 2)
    args = parse_args(["--out", "x", "--dev", "3"])
    assert (args.glosses, args.train, args.dev, args.test) == (MAX_GLOSSES, 400, 3, 60)
