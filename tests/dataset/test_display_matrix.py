"""The eight ways in which a right-angled display matrix shows a picture, against pictures made by hand."""

import numpy as np
import pytest

from dataset.frames import FrameError
from dataset.video import open_video
from tests.helpers.videos import SHARED, make_video, set_matrix

RED, GREEN, BLUE, WHITE = (220, 0, 0), (0, 220, 0), (0, 0, 220), (220, 220, 220)
STORED = ("RG", "BW")  # the colours of the corners
SHOWN = [
    ((1, 0, 0, 1), ("RG", "BW")),
    ((0, 1, -1, 0), ("BR", "WG")),  # a telephone held upright: turned clockwise
    ((-1, 0, 0, -1), ("WB", "GR")),
    ((0, -1, 1, 0), ("GW", "RB")),
    ((-1, 0, 0, 1), ("GR", "WB")),  # a camera on the front: mirrored
    ((1, 0, 0, -1), ("BW", "RG")),
    ((0, 1, 1, 0), ("RB", "GW")),  # mirrored and turned
    ((0, -1, -1, 0), ("WG", "BR")),
]
COLOURS = dict(zip("RGBW", (RED, GREEN, BLUE, WHITE), strict=True))


def paint(rows: tuple[str, str], height: int, width: int) -> np.ndarray:
    image = np.zeros((height, width, 3), np.uint8)
    for row, names in enumerate(rows):
        for column, name in enumerate(names):
            image[row * height // 2 :, column * width // 2 :] = COLOURS[name]
            image[row * height // 2 :, (column + 1) * width // 2 :] = 0
    return image


@pytest.mark.parametrize(("axes", "rows"), SHOWN)
def test_pictures_are_shown_as_players_show_them(tmp_path, axes, rows):
    path = set_matrix(make_video(tmp_path / "clip.mp4", [paint(STORED, 64, 96)] * 3), *axes)
    expected = paint(rows, *((64, 96) if axes[0] else (96, 64)))
    for frame in open_video(path, 25).frames(range(3)):
        assert frame.shape == expected.shape
        assert frame.flags["C_CONTIGUOUS"]
        assert np.abs(frame.astype(int) - expected).mean() < 12


def test_the_mirrored_clip_is_upright():
    mirrored, plain = (open_video(SHARED / name, 25) for name in ("hflip.mp4", "trim_0.2.mp4"))
    (fifth,), (first,) = mirrored.frames([5]), plain.frames([0])
    assert np.array_equal(fifth[:, ::-1], first)


@pytest.mark.parametrize("axes", [(0.7071, 0.7071, -0.7071, 0.7071), (1, 0.5, 0, 1)])
def test_other_angles_are_errors(tmp_path, axes):
    path = set_matrix(make_video(tmp_path / "clip.mp4", [paint(STORED, 64, 96)]), *axes)
    with pytest.raises(FrameError, match=r"clip.mp4: the pictures are to be shown turned by (45|27) degrees"):
        open_video(path, 25)


def test_enlarged_and_empty_matrices(tmp_path):
    path = make_video(tmp_path / "clip.mp4", [paint(STORED, 64, 96)])
    for axes, rows in (((0, 2, -2, 0), ("BR", "WG")), ((0, 0, 0, 0), STORED)):
        (frame,) = open_video(set_matrix(path, *axes), 25).frames([0])
        assert np.abs(frame.astype(int) - paint(rows, *frame.shape[:2])).mean() < 12
