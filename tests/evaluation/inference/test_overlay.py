from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest

from dataset.frames import FrameError
from dataset.video import Video, open_video
from evaluation.ctm import CtmWord
from evaluation.inference.overlay import Band, write_overlay
from evaluation.inference.transcript import TranscriptError
from tests.helpers.videos import make_video
from utils.errors import InputError
from utils.fonts import Font, get_own_font

WORDS = (CtmWord("MORGEN", 0.4, 0.4, 0.98), CtmWord("下雨", 1.2, 0.4, None))


def grey(number: int, frames: int) -> int:
    return 40 + 200 * number // frames


def film(path: Path, frames: int = 50, rate: float = 25.0, size: tuple[int, int] = (640, 360)) -> Video:
    """Grey that grows lighter from frame to frame."""
    pictures = (np.full((size[1], size[0], 3), grey(number, frames), np.uint8) for number in range(frames))
    return open_video(make_video(path, pictures, rate=rate), 25)


def read_back(path: Path, height: int) -> tuple[Video, list[np.ndarray], list[np.ndarray]]:
    """The video at `path`, and its pictures and bands below row `height`."""
    video = open_video(path, 25)
    frames = list(video.frames(range(video.num_frames)))
    return video, [frame[:height] for frame in frames], [frame[height:] for frame in frames]


def yellow(band: np.ndarray) -> int:
    """Pixels in the upper half of a band that have the colour of the gloss being signed."""
    r, g, b = band[: len(band) // 2].astype(int).transpose(2, 0, 1)
    return int(((r > 180) & (g > 130) & (b < 130)).sum())


def test_glosses_are_burnt_in_while_they_are_signed(tmp_path, chinese_font):
    assert write_overlay(film(tmp_path / "clip.mp4"), WORDS, tmp_path / "out.mp4") == ""
    video, pictures, bands = read_back(tmp_path / "out.mp4", 360)
    assert (video.num_frames, video.faults) == (50, ())
    assert video.rate == pytest.approx(25)
    assert pictures[0].shape == (360, 640, 3)
    assert [picture.mean() for picture in pictures] == pytest.approx([grey(number, 50) for number in range(50)], abs=9)
    shown = [number for number, band in enumerate(bands) if yellow(band) > 60]
    assert shown == [*range(10, 20), *range(30, 40)]
    needle = [band[-4:, :, 0].argmax(1).mean() for band in bands]
    assert needle == pytest.approx([640 * number / 50 for number in range(50)], abs=4)


def test_an_hour_has_glosses_that_are_narrower_than_a_pixel():
    band = Band((CtmWord("A", 900.0, 0.2, None),), 3600.0, 640, Font(get_own_font(), ""))
    line = band.draw(1800.0)[-8]
    bright = [x for x in range(640) if 170 < line[x, 0] < 180]
    assert bright == [161]  # 900 / 3600 of 640, and the line between glosses


@dataclass(frozen=True)
class Turned(Video):
    """Two white pictures of a telephone that is turned."""

    def frames(self, indices):
        return iter([np.full((240, 320, 3), 255, np.uint8), np.full((320, 240, 3), 255, np.uint8)])


def test_pictures_of_another_size_are_fitted_into_the_first_one(tmp_path):
    video = Turned(tmp_path / "none", np.array([0, 0.04, 0.08]), 25)
    write_overlay(video, (), tmp_path / "out.mp4")
    _, (first, second), _ = read_back(tmp_path / "out.mp4", 480)
    assert first.shape == second.shape == (480, 640, 3)
    assert first.min() > 235
    # 240x320 is 180x240 in 320x240, so 360 of 640 pixels are white
    white = np.flatnonzero(second[240, :, 0] > 128)
    assert (white[0], white[-1]) == (pytest.approx(140, abs=2), pytest.approx(499, abs=2))
    assert second[240, :120].max() < 25


@dataclass(frozen=True)
class Thread(Video):
    """A picture that would have 480 x 4.3 million pixels if it were as wide as the glosses need it."""

    def frames(self, indices):
        return iter([np.zeros((9000, 1, 3), np.uint8)])


def test_a_picture_that_is_too_narrow_for_its_height_is_refused_before_it_takes_the_memory(tmp_path):
    with pytest.raises(InputError, match="pictures of 1x9000 cannot have glosses below them"):
        write_overlay(Thread(tmp_path / "none", np.array([0, 0.04]), 25), (), tmp_path / "out.mp4")
    assert not list(tmp_path.iterdir())


def test_the_clock_is_that_of_the_video_at_other_rates(tmp_path):
    write_overlay(film(tmp_path / "clip.mp4", 60, 50), WORDS[:1], tmp_path / "out.mp4")
    video, _, bands = read_back(tmp_path / "out.mp4", 360)
    assert (video.num_frames, video.rate) == (60, pytest.approx(50))
    assert [number for number, band in enumerate(bands) if yellow(band) > 60] == list(range(20, 40))
    write_overlay(film(tmp_path / "fast.mp4", 240, 240), WORDS[:1], tmp_path / "slower.mp4")
    video, pictures, _ = read_back(tmp_path / "slower.mp4", 360)
    assert (video.num_frames, video.rate) == (120, pytest.approx(120))
    assert pictures[60].mean() == pytest.approx(grey(120, 240), abs=6)


@pytest.mark.parametrize(
    ("size", "shown"),
    [((72, 72), (504, 504)), ((210, 260), (630, 780)), ((96, 64), (480, 320)), ((1280, 720), (1280, 720))],
)
def test_letters_are_legible_whatever_the_size_of_the_video(tmp_path, size, shown):
    write_overlay(film(tmp_path / "clip.mp4", 15, size=size), WORDS, tmp_path / "out.mp4")
    _, pictures, bands = read_back(tmp_path / "out.mp4", shown[1])
    assert pictures[0].shape == (shown[1], shown[0], 3)
    assert pictures[5].mean() == pytest.approx(grey(5, 15), abs=6)
    rows = np.flatnonzero((bands[12][: len(bands[12]) // 2, :, 0] > 150).any(axis=1))
    assert rows[-1] - rows[0] >= 16  # the height of capital letters


def test_images_and_a_gloss_that_is_longer_than_the_picture(tmp_path):
    for number in range(12):
        cv2.imwrite(str(tmp_path / f"{number}.png"), np.full((64, 64, 3), 100, np.uint8))
    words = (CtmWord("W" * 60, 0, 0.4, 1.0),)
    write_overlay(open_video(tmp_path, 25), words, tmp_path / "out" / "overlay.mp4")
    _, _, bands = read_back(tmp_path / "out" / "overlay.mp4", 512)
    assert (bands[3][: len(bands[3]) // 2, :, 0] > 100).sum() > 60
    assert bands[3][: len(bands[3]) // 2, :10, 0].max() < 60  # it does not run over the edge


def test_nothing_recognised_and_a_single_frame(tmp_path):
    write_overlay(film(tmp_path / "clip.mp4", 1), (), tmp_path / "out.mp4")
    video, _, (band,) = read_back(tmp_path / "out.mp4", 360)
    assert video.num_frames == 1
    assert yellow(band) == 0


def test_characters_without_a_font_are_said(tmp_path, monkeypatch):
    monkeypatch.setattr("evaluation.inference.overlay.find_font", lambda text: Font(get_own_font(), "下雨"))
    warning = write_overlay(film(tmp_path / "clip.mp4", 3), WORDS, tmp_path / "out.mp4")
    assert warning.startswith("no font here has all of 下雨; install one")
    assert (tmp_path / "out.mp4").is_file()


def test_the_video_itself_is_not_overwritten(tmp_path, monkeypatch):
    video = film(tmp_path / "clip.mp4", 3)
    before = (tmp_path / "clip.mp4").read_bytes()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(TranscriptError, match="is the video itself"):
        write_overlay(video, WORDS, "clip.mp4")
    assert (tmp_path / "clip.mp4").read_bytes() == before


def test_a_failure_leaves_no_file(tmp_path):
    for number in range(3):
        cv2.imwrite(str(tmp_path / f"{number}.png"), np.full((64, 64 + number, 3), 100, np.uint8))
    video = open_video(tmp_path, 25)
    with pytest.raises(FrameError, match=r"1.png is 65x64 pixels"):
        write_overlay(video, WORDS, tmp_path / "out" / "out.mp4")
    assert list((tmp_path / "out").iterdir()) == []
