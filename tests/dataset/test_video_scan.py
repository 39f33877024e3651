"""Which videos are whole, how many frames they have and when, what was cut off and what is damaged."""

import shutil
from pathlib import Path

import av
import numpy as np
import pytest

from dataset import video_scan
from dataset.frames import FrameError
from dataset.video import open_video
from tests.helpers.videos import SHARED, cut, make_video, noise, ramp, spoil

WHOLE = {"browser.webm": 45, "trim_0.2.mp4": 40, "third.mkv": 15, "audio01.webm": 45, "hflip.mp4": 45, "av1.mp4": 45}


def copy(name: str, folder: Path, share: float = 1.0) -> Path:
    return cut(Path(shutil.copy(SHARED / name, folder / name)), share)


@pytest.mark.parametrize("name", WHOLE)
def test_whole_files_are_read_whatever_their_headers_say(name):
    video = open_video(SHARED / name, 25)
    assert (video.num_frames, video.faults) == (WHOLE[name], ())
    assert sum(1 for _ in video.frames(range(video.num_frames))) == WHOLE[name]


def test_times_are_those_of_the_frames():
    assert open_video(SHARED / "third.mkv", 25).times == pytest.approx(np.arange(16) * 0.12)
    assert open_video(SHARED / "trim_0.2.mp4", 25).times == pytest.approx(np.arange(41) * 0.04)
    browser = open_video(SHARED / "browser.webm", 25)
    assert browser.times[:5] == pytest.approx([0, 0.047, 0.108, 0.148, 0.167])
    assert browser.rate == pytest.approx(44 / 1.767)


@pytest.mark.parametrize("share", [0.9, 0.6])
@pytest.mark.parametrize("name", [*WHOLE, "mid.mp4"])
def test_cut_files_are_noticed(tmp_path, name, share):
    with pytest.raises(FrameError, match="is cut short" if not name.endswith("mp4") else "its end is missing"):
        open_video(copy(name, tmp_path, share), 25)


@pytest.mark.parametrize(
    ("name", "share"), [("browser.webm", 0.9), ("audio01.webm", 0.9), ("browser.webm", 0.6), ("third.mkv", 0.6)]
)
def test_the_stated_duration_alone_shows_a_cut(tmp_path, monkeypatch, name, share):
    monkeypatch.setattr(video_scan, "count_missing_bytes", lambda _: 0)
    assert open_video(SHARED / name, 25).faults == ()
    with pytest.raises(FrameError, match=r"cut short, it says that it lasts 1.\d\d seconds and ends after [01].\d\d:"):
        open_video(copy(name, tmp_path, share), 25)


CUT = [("mp4", "mpeg4"), ("mp4", "libx264"), ("avi", "mjpeg"), ("mkv", "mjpeg"), ("webm", "libvpx"), ("flv", "flv")]


@pytest.mark.parametrize("share", [0.9, 0.6])
@pytest.mark.parametrize(("suffix", "codec"), CUT)
def test_a_cut_file_is_read_as_far_as_it_goes_if_that_is_allowed(tmp_path, suffix, codec, share):
    front = {"movflags": "faststart"} if suffix == "mp4" else {}
    path = make_video(tmp_path / f"clip.{suffix}", noise(40), codec, container_options=front)
    assert (open_video(path, 25).num_frames, open_video(path, 25).faults) == (40, ())
    cut(path, share)
    with pytest.raises(FrameError, match=r"clip.\w+ is cut short, .*: copy .*, or read .* with --allow-truncated"):
        open_video(path, 25)
    video = open_video(path, 25, allow_truncated=True)
    assert video.faults
    assert 15 < video.num_frames < 40
    assert len(list(video.frames(range(video.num_frames)))) == video.num_frames


def test_recordings_that_state_no_length_cannot_be_judged(tmp_path):
    live = make_video(tmp_path / "live.webm", noise(20), "libvpx", container_options={"live": "1"})
    assert open_video(live, 25).num_frames == 20
    broadcast = make_video(tmp_path / "clip.ts", noise(20), "mpeg2video")
    assert open_video(broadcast, 25).num_frames == 20
    assert 8 < open_video(cut(broadcast, 0.6), 25, allow_truncated=True).num_frames < 16


def test_damage_is_named_by_frames_and_seconds():
    with pytest.raises(FrameError, match=r"mid.mp4 is damaged in 44 of 45 frames, 1 to 44 \(0.04 to 1.80 s\): "):
        open_video(SHARED / "mid.mp4", 25)
    video = open_video(SHARED / "mid.mp4", 25, allow_truncated=True)
    assert (video.num_frames, video.num_damaged) == (45, 44)
    sound = open_video(SHARED / "trim_0.2.mp4", 25)  # the same pictures without the first five
    same = [
        np.array_equal(a, b) for a, b in zip(list(video.frames(range(45)))[5:], sound.frames(range(40)), strict=True)
    ]
    assert not any(same)


def test_damage_ends_at_the_next_key_frame(tmp_path):
    signing = list(open_video(SHARED / "trim_0.2.mp4", 25).frames(range(40)))
    path = make_video(tmp_path / "clip.mp4", signing, "libx264", options={"g": "10", "bf": "0"})
    clean = list(open_video(path, 25).frames(range(40)))
    spoil(path, 13, 0.5)
    video = open_video(path, 25, allow_truncated=True)
    changed = [n for n, frame in enumerate(video.frames(range(40))) if not np.array_equal(frame, clean[n])]
    assert changed == list(range(13, 20))
    assert video.faults == ("damaged in 7 of 40 frames, 13 to 19 (0.52 to 0.80 s)",)


def test_frames_that_cannot_be_decoded_at_all(tmp_path):
    path = make_video(tmp_path / "clip.avi", noise(20), "mjpeg")
    spoil(path, 7)
    with pytest.raises(FrameError, match=r"is damaged, 1 frame missing: copy"):
        open_video(path, 25)
    video = open_video(path, 25, allow_truncated=True)
    assert (video.num_frames, video.num_damaged) == (19, 1)
    assert video.times[6:9] == pytest.approx([0.24, 0.32, 0.36])


def test_other_frame_rates(tmp_path):
    video = open_video(make_video(tmp_path / "clip.mp4", ramp(20), rate=29.97), 25)
    assert video.rate == pytest.approx(29.97, rel=1e-3)
    assert video.times[-1] == pytest.approx(20 / 29.97, rel=1e-3)
    one = open_video(make_video(tmp_path / "one.mp4", ramp(1), rate=50), 25)
    assert (one.num_frames, one.rate) == (1, 50)
    assert one.times.tolist() == [0, 0.02]


def test_frames_that_last_differently_keep_their_times(tmp_path):
    """As phones record: half the frames at 50 a second, the others at 25."""
    stamps = [0, 20, 40, 60, 80, 120, 160, 200]
    video = open_video(make_video(tmp_path / "clip.mp4", ramp(8), stamps=stamps), 25)
    assert video.times[:-1] == pytest.approx(np.array(stamps) / 1000, abs=1e-3)
    assert video.rate == pytest.approx(7 / 0.2, rel=1e-3)


def test_pictures_that_change_their_size(tmp_path):
    small, large = (make_video(tmp_path / f"{width}.ts", ramp(5, width), "mpeg2video") for width in (96, 128))
    (tmp_path / "both.ts").write_bytes(small.read_bytes() + large.read_bytes())
    with pytest.raises(FrameError, match=r"both.ts change from 96x64 to 128x64 pixels at frame [45]"):
        open_video(tmp_path / "both.ts", 25)


def test_a_codec_that_cannot_be_read_is_named(tmp_path):
    path = make_video(tmp_path / "clip.mp4", ramp(5), "libx264")
    path.write_bytes(path.read_bytes().replace(b"avc1", b"avs3"))
    with pytest.raises(FrameError, match=r"is compressed by the codec avs3, which cannot be read"):
        open_video(path, 25)


@pytest.mark.parametrize(("suffix", "codec"), [("avi", "mjpeg"), ("mkv", "libx265")])
def test_damage_that_ffmpeg_mends_in_silence(tmp_path, suffix, codec):
    signing = list(open_video(SHARED / "trim_0.2.mp4", 25).frames(range(40)))
    options = {"x265-params": "log-level=none:keyint=10:bframes=0"} if codec == "libx265" else {}
    path = make_video(tmp_path / f"clip.{suffix}", signing, codec, options=options)
    assert open_video(path, 25).faults == ()
    video = open_video(spoil(path, 12, 0.5), 25, allow_truncated=True)
    assert video.num_frames == 40
    named = "1 of 40 frames, 12" if codec == "mjpeg" else "8 of 40 frames, 12 to 19"
    assert video.damage.startswith(f"damaged in {named} (")


def test_time_stamps_that_do_not_rise_lie_evenly_between_those_that_do(tmp_path):
    path = make_video(tmp_path / "clip.mp4", ramp(20))
    with av.open(str(path)) as container:
        moments = [None if number in {7, 12, 19} else number / 25 for number in range(20)]
        moments[8] = moments[6]  # and one that stands still
        times = video_scan._compute_times(path, moments, container, container.streams.video[0])
    assert times == pytest.approx(np.arange(21) / 25)


def test_a_broadcast_that_starts_its_clock_anew(tmp_path):
    first, second = (make_video(tmp_path / f"{name}.ts", ramp(10), "mpeg2video") for name in "ab")
    (tmp_path / "both.ts").write_bytes(first.read_bytes() + second.read_bytes())
    video = open_video(tmp_path / "both.ts", 25)
    assert video.num_frames in {19, 20}
    assert np.diff(video.times) == pytest.approx(1 / 25, abs=1e-3)


def test_time_stamps_that_are_nonsense(tmp_path):
    path = make_video(tmp_path / "clip.mp4", ramp(5), stamps=[20_000 * number for number in range(5)])
    with pytest.raises(FrameError, match=r"the 5 frames of the video .* take 100 seconds by their time stamps"):
        open_video(path, 25)
