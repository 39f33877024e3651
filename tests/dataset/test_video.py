import os
import tracemalloc
from pathlib import Path

import cv2
import numpy as np
import pytest

from dataset.crop import crop_and_resize
from dataset.frames import FrameError
from dataset.video import list_clips, open_video
from tests.helpers.videos import cut, make_video, noise, ramp, spoil

FORMATS = [
    ("mp4", "mpeg4"),
    ("mov", "libx264"),
    ("avi", "mjpeg"),
    ("mkv", "mpeg4"),
    ("webm", "libvpx"),
    ("ts", "libx264"),
]


def make_images(folder: Path, frames: list[np.ndarray]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for number, frame in enumerate(frames, start=1):
        assert cv2.imwrite(str(folder / f"images{number}.png"), cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))
    return folder


def levels(frames) -> list[float]:
    return [float(frame.mean()) for frame in frames]


@pytest.mark.parametrize(("suffix", "codec"), FORMATS)
def test_files_of_every_kind_give_all_frames_in_order(tmp_path, suffix, codec):
    video = open_video(make_video(tmp_path / f"clip.{suffix}", ramp(25), codec), 25)
    assert (video.num_frames, video.faults, video.is_file) == (25, (), True)
    assert video.rate == pytest.approx(25)
    assert video.times == pytest.approx(np.arange(26) / 25, abs=1e-3)
    assert levels(video.frames(range(25))) == pytest.approx([8 + 8 * number for number in range(25)], abs=4)


@pytest.mark.parametrize(("suffix", "codec"), FORMATS)
def test_red_arrives_as_red(tmp_path, suffix, codec):
    red = np.zeros((64, 96, 3), np.uint8)
    red[..., 0] = 220
    (frame,) = open_video(make_video(tmp_path / f"clip.{suffix}", [red], codec), 25).frames([0])
    assert frame.shape == (64, 96, 3)
    assert np.abs(frame.astype(int) - red).max() < 25


def test_frames_may_be_skipped_and_repeated_but_not_go_back(tmp_path):
    grey = [8 + 8 * number for number in range(20)]
    for video in (
        open_video(make_video(tmp_path / "clip.mp4", ramp(20)), 25),
        open_video(make_images(tmp_path / "clip", ramp(20)), 25),
    ):
        wanted = [0, 0, 3, 7, 7, 7, 19]
        assert levels(video.frames(wanted)) == pytest.approx([grey[index] for index in wanted], abs=4)
        assert list(video.frames([])) == []
        with pytest.raises(FrameError, match="forwards"):
            video.frames([3, 2])


def test_images_come_in_natural_order_at_the_rate_that_is_said(tmp_path):
    video = open_video(make_images(tmp_path / "clip", ramp(12)), 20)
    assert (video.num_frames, video.faults, video.rate, video.is_file) == (12, (), 20, False)
    assert video.times == pytest.approx(np.arange(13) / 20)
    assert levels(video.frames(range(12))) == [8 + 8 * number for number in range(12)]


def test_what_is_no_video(tmp_path):
    truncated = cut(make_video(tmp_path / "truncated.mp4", noise(20)), 0.6)  # its index was at the end
    (tmp_path / "text.mp4").write_text("This is no video.\n" * 100)
    (tmp_path / "nothing.mp4").touch()
    for path in (truncated, tmp_path / "text.mp4", tmp_path / "nothing.mp4"):
        with pytest.raises(FrameError, match=f"{path.name} is no video, has no frames, or its end is missing .it has "):
            open_video(path, 25)
    with pytest.raises(FrameError, match=r"none.avi has no frame that can be read \(its codec is mjpeg\)"):
        open_video(spoil(make_video(tmp_path / "none.avi", ramp(1), "mjpeg"), 0), 25)
    picture = make_images(tmp_path / "clip", ramp(1)) / "images1.png"
    with pytest.raises(FrameError, match=r"is one image: name .* the folder"):
        open_video(picture, 25)
    with pytest.raises(FrameError, match="no folder"):
        open_video(tmp_path / "nowhere.mp4", 25)
    (tmp_path / "empty").mkdir()
    with pytest.raises(FrameError, match="no image"):
        open_video(tmp_path / "empty", 25)
    os.mkfifo(tmp_path / "pipe.mp4")
    for read in (list_clips, lambda path: open_video(path, 25)):
        with pytest.raises(FrameError, match=r"pipe.mp4 is neither a file nor a folder"):
            read(tmp_path / "pipe.mp4")


def test_a_file_that_becomes_shorter_while_it_is_read(tmp_path):
    video = open_video(make_video(tmp_path / "clip.mp4", ramp(20)), 25)
    make_video(tmp_path / "clip.mp4", ramp(5))
    with pytest.raises(FrameError, match="ends after 5 frames; has it changed"):
        list(video.frames(range(20)))


def test_images_that_are_damaged_or_of_another_size(tmp_path):
    video = open_video(make_images(tmp_path / "clip", [*ramp(3), *ramp(1, width=64)]), 25)
    with pytest.raises(FrameError, match=r"images4.png is 64x64 pixels, but the first one of its clip is 96x64"):
        list(video.frames(range(4)))
    (tmp_path / "clip" / "images2.png").write_bytes(b"no image")
    with pytest.raises(FrameError, match=r"images2.png is damaged"):
        list(video.frames(range(4)))


@pytest.mark.parametrize("name", ["a b.mp4", "http:clip.mp4", "%03d.mp4", "Käse 你好.mp4", "noextension"])
def test_names_of_files_mean_nothing(tmp_path, monkeypatch, name):
    make_video(tmp_path / "clip.mp4", ramp(3)).rename(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    assert open_video(name, 25).num_frames == 3


def test_frames_are_read_one_at_a_time(tmp_path):
    video = open_video(make_video(tmp_path / "clip.mp4", ramp(30, width=640, height=480)), 25)
    tracemalloc.start()
    small = [crop_and_resize(frame, 32) for frame in video.frames(range(30))]
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(small) == 30
    assert peak < 6 * 640 * 480 * 3


def test_cropping_squashes_the_picture_or_takes_the_middle():
    wide = np.zeros((100, 200, 3), np.uint8)
    wide[:, 50:150] = 200  # the middle square
    assert crop_and_resize(wide, 64).shape == (64, 64, 3)
    assert crop_and_resize(wide, 64)[:, :10].max() == 0
    assert crop_and_resize(wide, 64, "centre").min() == 200
    assert crop_and_resize(wide.transpose(1, 0, 2), 64, "centre").min() == 200


def test_the_clips_of_a_folder(tmp_path):
    clip = ramp(2)
    file = make_video(tmp_path / "videos" / "clip2.mp4", clip)
    assert list_clips(file) == {"clip2": file}
    make_video(tmp_path / "videos" / "clip10.MOV".lower(), clip).rename(tmp_path / "videos" / "clip10.MOV")
    (tmp_path / "videos" / ".hidden.mp4").touch()
    (tmp_path / "videos" / "notes.txt").touch()
    (tmp_path / "videos" / "no images").mkdir()
    assert list(list_clips(tmp_path / "videos").items()) == [("clip2", file), ("clip10", file.with_name("clip10.MOV"))]
    make_images(tmp_path / "videos" / "clip3", clip)
    assert list(list_clips(tmp_path / "videos")) == ["clip2", "clip3", "clip10"]
    make_video(tmp_path / "videos" / "clip2.avi", clip, "mjpeg")
    assert list(list_clips(tmp_path / "videos")) == ["clip2.avi", "clip2.mp4", "clip3", "clip10.MOV"]


def test_a_link_without_its_file_is_reported_and_not_left_out(tmp_path):
    make_video(tmp_path / "a.mp4", ramp(2))
    (tmp_path / "b.mp4").symlink_to("gone.mp4")
    clips = list_clips(tmp_path)
    assert list(clips.values()) == [tmp_path / "a.mp4", tmp_path / "b.mp4"]
    with pytest.raises(FrameError, match=r"b\.mp4"):
        open_video(clips["b.mp4"], 25)


def test_folders_of_images(tmp_path):
    plain = make_images(tmp_path / "plain.1", ramp(2))
    assert list_clips(plain) == {"plain.1": plain}
    phoenix = tmp_path / "split" / "clip-10"
    make_images(phoenix / "1", ramp(3))
    assert list_clips(phoenix) == {"clip-10": phoenix}
    assert open_video(phoenix, 25).num_frames == 3
    make_images(tmp_path / "split" / "clip-2", ramp(2))
    (tmp_path / "split" / "clip-3").mkdir()  # without images: to be reported, not left out
    assert list(list_clips(tmp_path / "split")) == ["clip-2", "clip-3", "clip-10"]


def test_folders_that_hold_no_clips_or_both_kinds(tmp_path):
    (tmp_path / "empty" / "below").mkdir(parents=True)
    for folder in ("empty", "empty/below"):
        with pytest.raises(FrameError, match="holds neither images nor videos"):
            list_clips(tmp_path / folder)
    with pytest.raises(FrameError, match="there is no file or folder"):
        list_clips(tmp_path / "nowhere")
    make_video(make_images(tmp_path / "both", ramp(2)) / "clip.mp4", ramp(2))
    with pytest.raises(FrameError, match="holds 2 images and 1 video: "):
        list_clips(tmp_path / "both")


def test_names_of_clips_are_texts_whatever_the_files_are_called(tmp_path):
    for name in (b"a\xe9.mp4", b"a\\xE9.mp4", "U\u0308.mp4".encode(), "\u00dc.mp4".encode(), b"b\nc.mp4"):
        Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name)).touch()
    clips = list_clips(tmp_path)
    assert {r"a\xE9", r"a\xE9-2", "Ü", "Ü-2", r"b\x0Ac"} == clips.keys()
    assert len({path.name for path in clips.values()}) == 5
    assert all(path.exists() for path in clips.values())
    assert list(list_clips(tmp_path / "a\udce9.mp4").items()) == [(r"a\xE9", tmp_path / "a\udce9.mp4")]


def test_a_video_is_found_in_the_form_that_the_disk_has(tmp_path):
    (tmp_path / "U\u0308.mp4").touch()
    assert list_clips(tmp_path / "\u00dc.mp4") == {"\u00dc": tmp_path / "U\u0308.mp4"}
