import struct
import tracemalloc
from pathlib import Path

import cv2
import numpy as np
import pytest

from dataset.crop import crop_and_resize
from dataset.frames import FrameError
from dataset.video import list_clips, open_video

FORMATS = [("mp4", "mp4v"), ("mov", "mp4v"), ("avi", "MJPG"), ("mkv", "mp4v"), ("webm", "VP80")]


def ramp(count: int, width: int = 96, height: int = 64) -> list[np.ndarray]:
    """Grey pictures (H, W, 3), each 8 levels lighter than the last."""
    return [np.full((height, width, 3), 8 + 8 * number, np.uint8) for number in range(count)]


def make_video(path: Path, frames: list[np.ndarray], codec: str = "mp4v", rate: float = 25.0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    size = frames[0].shape[1::-1] if frames else (96, 64)
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, cv2.VideoWriter_fourcc(*codec), rate, size)
    assert writer.isOpened()
    for frame in frames:
        writer.write(cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))
    writer.release()
    return path


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
    assert (video.num_frames, video.announced, video.is_file) == (25, 25, True)
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


def test_other_frame_rates(tmp_path):
    video = open_video(make_video(tmp_path / "clip.mp4", ramp(20), rate=29.97), 25)
    assert video.rate == pytest.approx(29.97, rel=1e-3)
    assert video.times[-1] == pytest.approx(20 / 29.97, rel=1e-3)
    one = open_video(make_video(tmp_path / "one.mp4", ramp(1), rate=50), 25)
    assert (one.num_frames, one.rate) == (1, 50)
    assert one.times.tolist() == [0, 0.02]


def box(data: bytes, *path: bytes) -> tuple[int, int]:
    """Start and end of a box of an mp4 file: ISO/IEC 14496-12, 4.2."""
    start, end = 0, len(data)
    for kind in path:
        while data[start + 4 : start + 8] != kind:
            start += struct.unpack(">I", data[start : start + 4])[0]
            assert start < end, kind
        end = start + struct.unpack(">I", data[start : start + 4])[0]
        if kind != path[-1]:
            start += 8
    return start, end


@pytest.mark.parametrize(
    ("matrix", "red_at", "green_at"),
    [
        ((0, 1, -1, 0), "top right", "bottom right"),  # held upright: the picture is to be turned clockwise
        ((-1, 0, 0, -1), "bottom right", "bottom left"),
        ((0, -1, 1, 0), "bottom left", "top left"),
    ],
)
def test_rotation_is_honoured(tmp_path, matrix, red_at, green_at):
    picture = np.zeros((64, 96, 3), np.uint8)
    picture[:32, :48] = (220, 0, 0)  # top left
    picture[:32, 48:] = (0, 220, 0)  # top right
    path = make_video(tmp_path / "clip.mp4", [picture] * 3)
    data = bytearray(path.read_bytes())
    start, _ = box(data, b"moov", b"trak", b"tkhd")
    a, b, c, d = (value << 16 for value in matrix)
    data[start + 48 : start + 84] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(data)
    for frame in open_video(path, 25).frames(range(3)):
        height, width = frame.shape[:2]
        assert (height, width) == ((64, 96) if b == 0 else (96, 64))
        places = {"top": 8, "bottom": height - 8, "left": 8, "right": width - 8}
        for colour, where in ((0, red_at), (1, green_at)):
            row, column = (places[word] for word in where.split())
            assert frame[row, column].argmax() == colour, where
            assert frame[row, column].max() > 150, where


def test_frames_that_last_differently_keep_their_times(tmp_path):
    """As phones record: half the frames at 50 a second, the others at 25."""
    path = make_video(tmp_path / "clip.mp4", ramp(8), rate=50)
    data = path.read_bytes()
    parents = (b"moov", b"trak", b"mdia", b"minf", b"stbl")
    start, end = box(data, *parents, b"stts")
    (entries, count, ticks) = struct.unpack(">3I", data[start + 12 : start + 24])
    assert (entries, count) == (1, 8)
    longer = struct.pack(">I4sIIIIII", end - start + 8, b"stts", 0, 2, 4, ticks, 4, 2 * ticks)
    changed = bytearray(data[:start] + longer + data[end:])
    for depth in range(1, len(parents) + 1):
        at, until = box(data, *parents[:depth])
        changed[at : at + 4] = struct.pack(">I", until - at + 8)
    at, _ = box(data, b"moov", b"trak", b"edts")
    changed[at + 4 : at + 8] = b"free"  # it would cut the file at its old duration
    path.write_bytes(changed)
    video = open_video(path, 25)
    assert video.times[:-1] == pytest.approx([0, 0.02, 0.04, 0.06, 0.08, 0.12, 0.16, 0.20], abs=1e-3)
    assert video.rate == pytest.approx(7 / 0.2, rel=1e-3)


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
    assert (video.num_frames, video.announced, video.rate, video.is_file) == (12, 12, 20, False)
    assert video.times == pytest.approx(np.arange(13) / 20)
    assert levels(video.frames(range(12))) == [8 + 8 * number for number in range(12)]


def cut(path: Path, share: float) -> Path:
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    return path


def index_first(path: Path) -> Path:
    """Move the index of an mp4 file before the pictures, as files from the web have it."""
    data = path.read_bytes()
    start, end = box(data, b"moov")
    moov = bytearray(data[start:end])
    at, _ = box(moov, b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stco")
    (count,) = struct.unpack(">I", moov[at + 12 : at + 16])
    offsets = struct.unpack(f">{count}I", moov[at + 16 : at + 16 + 4 * count])
    moved = struct.pack(f">{count}I", *(offset + len(moov) for offset in offsets))
    moov[at + 16 : at + 16 + 4 * count] = moved
    pictures, _ = box(data, b"mdat")
    path.write_bytes(data[:pictures] + moov + data[pictures:start])
    return path


def noise(count: int) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.integers(0, 256, (64, 96, 3), dtype=np.uint8) for _ in range(count)]


@pytest.mark.parametrize(("suffix", "codec"), [("mp4", "mp4v"), ("avi", "MJPG"), ("mkv", "MJPG")])
def test_a_truncated_file_is_an_error_with_both_counts_unless_allowed(tmp_path, suffix, codec):
    path = make_video(tmp_path / f"clip.{suffix}", noise(40), codec)
    cut(index_first(path) if suffix == "mp4" else path, 0.6)
    with pytest.raises(FrameError, match=r"announces 40 frames, but only \d\d can be read.*--allow-truncated"):
        open_video(path, 25)
    video = open_video(path, 25, allow_truncated=True)
    assert video.announced == 40
    assert 10 < video.num_frames < 30
    assert len(list(video.frames(range(video.num_frames)))) == video.num_frames


def test_an_index_first_file_that_is_whole(tmp_path):
    assert open_video(index_first(make_video(tmp_path / "clip.mp4", ramp(20))), 25).num_frames == 20


def test_what_is_no_video(tmp_path):
    truncated = cut(make_video(tmp_path / "truncated.mp4", noise(20)), 0.6)  # its index was at the end
    (tmp_path / "text.mp4").write_text("This is no video.\n" * 100)
    (tmp_path / "nothing.mp4").touch()
    none = make_video(tmp_path / "none.mp4", [])
    for path in (truncated, tmp_path / "text.mp4", tmp_path / "nothing.mp4", none):
        with pytest.raises(FrameError, match=f"{path.name} is no video, has no frames, or its end is missing"):
            open_video(path, 25)
    with pytest.raises(FrameError, match=r"none.avi has no frame that can be read"):
        open_video(make_video(tmp_path / "none.avi", [], "MJPG"), 25)
    picture = make_images(tmp_path / "clip", ramp(1)) / "images1.png"
    with pytest.raises(FrameError, match=r"is one image: name .* the folder"):
        open_video(picture, 25)
    with pytest.raises(FrameError, match="no folder"):
        open_video(tmp_path / "nowhere.mp4", 25)
    (tmp_path / "empty").mkdir()
    with pytest.raises(FrameError, match="no image"):
        open_video(tmp_path / "empty", 25)


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
    make_video(tmp_path / "videos" / "clip2.avi", clip, "MJPG")
    assert list(list_clips(tmp_path / "videos")) == ["clip2.avi", "clip2.mp4", "clip3", "clip10.MOV"]


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
    with pytest.raises(FrameError, match="holds 2 images and 1 videos"):
        list_clips(tmp_path / "both")
