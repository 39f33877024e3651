"""Whose heat each frame shows, and where it is drawn."""

from dataclasses import replace
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch
from PIL import ImageDraw

from dataset.video import open_video
from dataset.vocabulary import Vocabulary
from evaluation.heat.contact_sheet import ACCENT, BAND, GAP, MARGIN, ContactSheet
from evaluation.heat.draw import COLOURS, UNSEEN, lay_heat_over, save_pictures
from evaluation.heat.heat_map import combine_heat, compute_heat_map, locate_gloss, scale_heat
from evaluation.heat.load_clip import find_seen_region, load_shown_clip
from evaluation.heat.request import HeatRequest
from evaluation.heat.shown_clip import HeatMap, ShownClip
from evaluation.inference.reading import Reading, ReadingError
from evaluation.inference.recogniser import Recogniser
from utils.fonts import find_font


@pytest.fixture(scope="module")
def recogniser(random_checkpoint) -> Recogniser:
    return Recogniser.from_checkpoint(random_checkpoint, "cpu")


@pytest.fixture(scope="module")
def clip(recogniser, prepared) -> ShownClip:
    folder = min((prepared / "frames/test").iterdir())
    return load_shown_clip(recogniser, open_video(folder, 25), Reading(), "clip", recogniser.vocabulary.glosses[:2])


def test_each_frame_has_the_heat_of_the_gloss_in_it_or_nearest_to_it():
    heats = {1: np.full((12, 2, 2), 10.0), 2: np.zeros((12, 2, 2))}
    heats[2][9], heats[2][2] = 1.0, 4.0  # the second is told from frame 2 most of all
    asked = []

    def heat(token, steps, method):
        asked.append((token, steps, method))
        return heats[token]

    trace = SimpleNamespace(maps=torch.zeros(12, 3, 2, 2), compute_heat=heat)
    combination = combine_heat(trace, [1, 2], [(0, 1), (2, 3)], 4, "gradcam")
    assert combination[:, 0, 0].tolist() == [1] * 6 + [0, 0, 0, 0.25, 0, 0]  # glosses in frames 0 to 3 and 8 to 11
    assert asked == [(1, (0, 1), "gradcam"), (2, (2, 3), "gradcam")]


def test_a_gloss_is_where_it_was_read_else_where_it_is_most_probable():
    vocabulary = Vocabulary(["A", "B", "C"])
    posteriors = np.eye(4)[[0, 1, 3, 2, 1]]
    glosses, spans = ["A", "B", "A"], [(1, 2), (3, 4), (4, 5)]
    assert locate_gloss(posteriors, vocabulary, "A", glosses, spans) == (1, [(1, 2), (4, 5)])
    assert locate_gloss(posteriors, vocabulary, "C", glosses, spans) == (3, [(2, 3)])


def test_one_scale_for_the_clip():
    heat = np.zeros((10, 4, 4))
    heat[3], heat[4] = 2.0, 1.0
    shown = scale_heat(heat)
    assert shown[3].max() == 1.0
    assert shown[4] == pytest.approx(0.5)
    assert not shown[:3].any()
    assert not scale_heat(np.zeros((2, 3, 3))).any()
    np.testing.assert_allclose(scale_heat(1000 * heat), shown)


@pytest.mark.parametrize("target", ["hypothesis", "reference", "gloss:{}"])
@pytest.mark.parametrize("layer", ["layer1", "stf3"])
def test_every_target_gives_heat_for_every_frame(recogniser, clip, target, layer):
    unread = next(g for g in recogniser.vocabulary.glosses if g not in recogniser.recognise(clip.frames).glosses)
    result = compute_heat_map(recogniser, clip, HeatRequest(layer, target.format(unread)))
    assert len(result.heat) == len(clip.pictures)
    assert 0 == result.heat.min() < result.heat.max() == 1
    assert result.recognised == recogniser.recognise(clip.frames).glosses
    shown = [gloss for gloss, _ in result.glosses]
    assert shown == list(clip.signed if target == "reference" else result.recognised)
    assert all(0 <= first < end <= len(clip.pictures) for _, (first, end) in result.glosses)
    assert target.format(f"{unread} (not read; most probable at frame ").replace("gloss:", "") in result.title


def test_the_heat_of_a_gloss_is_its_own(recogniser, clip):
    names = recogniser.vocabulary.glosses[:2]
    first, second = (compute_heat_map(recogniser, clip, HeatRequest(target=f"gloss:{name}")).heat for name in names)
    assert np.abs(first - second).max() > 0.1


def test_targets_that_there_are_not(recogniser, clip):
    with pytest.raises(ReadingError, match=r"'NORT' is not among the 6 glosses .*; did you mean NORD"):
        compute_heat_map(
            replace(recogniser, vocabulary=Vocabulary(["NORD", *"ABCDE"])), clip, HeatRequest(target="gloss:NORT")
        )
    with pytest.raises(ReadingError, match="target reference needs to know what was signed"):
        compute_heat_map(recogniser, replace(clip, signed=None), HeatRequest(target="reference"))
    with pytest.raises(ReadingError, match="'ELSEWHERE' is not among the 6 glosses"):
        compute_heat_map(recogniser, replace(clip, signed=("ELSEWHERE",)), HeatRequest(target="reference"))
    with pytest.raises(ReadingError, match="too short for"):
        compute_heat_map(recogniser, replace(clip, signed=clip.signed * 20), HeatRequest(target="reference"))
    with pytest.raises(ReadingError, match="heat maps need gradients"):
        compute_heat_map(replace(recogniser, network=lambda video: video), clip, HeatRequest())


def test_the_seen_part_of_a_picture(recogniser):
    margin = 4 / 72  # 64 of 72 pixels
    assert find_seen_region(recogniser, (360, 720, 3), "none") == (40, 20, 680, 340)
    assert find_seen_region(recogniser, (360, 720, 3), "centre") == (200, 20, 520, 340)
    assert find_seen_region(recogniser, (72, 72, 3), "none") == (4, 4, 68, 68)
    assert 360 * margin == 20


def test_heat_is_drawn_where_it_is():
    picture = np.full((40, 60, 3), 100, np.uint8)
    heat = np.zeros((4, 4))
    heat[3, 0] = 1.0  # lower left
    image = lay_heat_over(picture, heat, (10, 0, 50, 40))
    assert (image[:, :10] == round(100 * UNSEEN)).all() and (image[:, 50:] == round(100 * UNSEEN)).all()
    assert (image[:20, 30:50] == 100).all()  # cold: the picture itself
    changed = np.argwhere((image[:, 10:50] != 100).any(axis=2))
    assert changed.min(axis=0).tolist() == [25, 0] or changed.min(axis=0)[0] >= 24
    assert np.abs(image[39, 10] - (0.15 * 100 + 0.85 * COLOURS[255])).max() <= 1
    assert (picture == 100).all()


def test_glosses_stand_under_the_pictures_in_which_they_are_signed():
    pictures = [np.full((150, 100, 3), 90, np.uint8)] * 80  # 20 tiles in two rows of ten
    glosses = (("REGEN", (4, 12)), ("天气", (36, 44)))
    text = "title 天气 REGEN 0123456789"
    page = ContactSheet(["title"], glosses, (COLOURS, "heat"), 25.0, find_font(text)).draw(pictures)
    tiles = np.argwhere((page == 90).all(axis=2))
    top, left = tiles.min(axis=0)
    marked = (page == ACCENT).all(axis=2)
    first, second = marked[top + 150 : top + 150 + BAND], marked[top + 2 * 150 + BAND :]

    def columns(rows: np.ndarray) -> set[int]:
        return {int(x - left) // (100 + GAP) for x in np.flatnonzero(rows.any(axis=0))}

    assert left == MARGIN
    assert columns(first) == {1, 2, 9}  # REGEN in frames 4 to 11, the other in 36 to 39 ...
    assert columns(second) == {0}  # ... and in 40 to 43


def test_seconds_stand_under_the_pictures(monkeypatch):
    written: list[tuple[float, float, str]] = []
    draw = ImageDraw.ImageDraw.text

    def note(pen, place, text, *args, **options):
        written.append((*place, text))
        return draw(pen, place, text, *args, **options)

    monkeypatch.setattr(ImageDraw.ImageDraw, "text", note)
    pictures = [np.full((150, 100, 3), 90, np.uint8)] * 41  # the last tile has one picture
    page = ContactSheet(["title"], (), (COLOURS, "heat"), 12.5, find_font("title")).draw(pictures)
    top, left = np.argwhere((page == 90).all(axis=2)).min(axis=0)
    times = [(x, y, text) for x, y, text in written if text.endswith(" s")]
    assert [text for *_, text in times] == [f"{(4 * tile + 2) / 12.5:.2f} s" for tile in range(10)] + ["3.20 s"]
    assert times[1][:2] == (left + 104 + 50, top + 151)  # under the middle of the second picture
    assert times[10][1] == top + 150 + BAND + 151


@pytest.mark.parametrize("frames", [1, 3, 41])
def test_files_of_clips_of_any_length(frames, tmp_path):
    pictures = np.random.default_rng(0).integers(0, 256, (frames, 60, 80, 3), np.uint8)
    clip = ShownClip("a/b", pictures, pictures, (0, 0, 80, 60), 25.0, ("天气", "REGEN"), ())
    result = HeatMap(np.random.default_rng(1).random((frames, 4, 4)), (("天气", (0, 1)),), ("天气",), "heat of it")
    (tmp_path / "frames").mkdir()
    for name in ("frame0041.png", "mine.png"):
        (tmp_path / "frames" / name).write_bytes(b"")
    lines = save_pictures(clip, result, tmp_path)
    names = [f"frame{number:04d}.png" for number in range(frames)]
    kept = ["frame0041.png"] if frames != 41 else []
    assert sorted(path.name for path in (tmp_path / "frames").iterdir()) == [*names, *kept, "mine.png"]
    assert cv2.imread(str(tmp_path / "contact_sheet.png")).shape[1] > 400
    video = open_video(tmp_path / "heat.mp4", 25)
    assert video.num_frames == frames
    assert any(str(tmp_path / "contact_sheet.png") in line for line in lines)
    assert not any("cold" in line for line in lines)
    assert any("cold" in line for line in save_pictures(clip, replace(result, heat=0 * result.heat), tmp_path))
