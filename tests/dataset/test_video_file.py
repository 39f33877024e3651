"""What is opened, and which of its streams is read: containers, lists, songs with a cover, pixel formats."""

import subprocess
import sys

import av
import cv2
import numpy as np
import pytest

from dataset.frames import FrameError
from dataset.video import open_video
from tests.helpers.videos import SHARED, make_video, ramp

GREY = np.full((64, 96, 3), 100, np.uint8)
FRAGMENTED = {"movflags": "frag_keyframe+empty_moov"}
CONTAINERS = [
    ("mpg", "mpeg2video", {}), ("flv", "flv", {}), ("wmv", "wmv2", {}), ("gif", "gif", {}),
    ("mp4", "libx264", FRAGMENTED), ("webm", "libvpx-vp9", {"live": "1"}), ("mxf", "mpeg2video", {}),
    ("nut", "mpeg4", {}), ("ivf", "libvpx", {}),
]  # fmt: skip


@pytest.mark.parametrize(("suffix", "codec", "options"), CONTAINERS)
def test_containers(tmp_path, suffix, codec, options):
    video = open_video(make_video(tmp_path / f"clip.{suffix}", ramp(20), codec, container_options=options), 25)
    assert (video.num_frames, video.faults, video.rate) == (20, (), pytest.approx(25))
    assert [frame.mean() for frame in video.frames([0, 10, 19])] == pytest.approx([8, 88, 160], abs=4)


@pytest.mark.parametrize(
    ("codec", "pixels", "options"),
    [
        ("libx264", "yuv420p10le", {}),
        ("libx264", "yuvj420p", {}),
        ("libx264", "yuv444p", {}),
        ("libx264", "gray", {}),
        ("libx264", "yuv420p", {"flags": "+ildct+ilme", "x264-params": "tff=1"}),
        ("libx264", "yuv420p", {"bf": "3", "b-pyramid": "normal", "g": "6", "x264-params": "open-gop=1"}),
        ("libx264", "yuv420p", {"g": "10", "x264-params": "intra-refresh=1"}),
        ("libvpx-vp9", "yuva420p", {}),
        ("libvpx", "yuv420p", {"auto-alt-ref": "1", "lag-in-frames": "10"}),  # with frames that are not shown
    ],
)
def test_kinds_of_pixels_and_of_frames(tmp_path, codec, pixels, options):
    video = open_video(make_video(tmp_path / "clip.mkv", ramp(20), codec, pixels=pixels, options=options), 25)
    assert (video.num_frames, video.faults) == (20, ())
    assert [frame.mean() for frame in video.frames([0, 10, 19])] == pytest.approx([8, 88, 160], abs=9)


def test_odd_sides_are_kept(tmp_path):
    (frame,) = open_video(make_video(tmp_path / "clip.mp4", ramp(1, 97, 65)), 25).frames([0])
    assert frame.shape == (65, 97, 3)


def write_streams(path, *streams):
    """Write streams of one grey each: (level, width, disposition)."""
    with av.open(str(path), "w") as container:
        added = []
        for _, width, disposition in streams:
            stream = container.add_stream("mjpeg" if disposition else "mpeg4", rate=25)
            stream.width, stream.height, stream.pix_fmt = width, 64, "yuvj420p" if disposition else "yuv420p"
            stream.disposition = disposition
            added.append(stream)
        for number in range(10):
            for stream, (level, width, disposition) in zip(added, streams, strict=True):
                if not (number and disposition):
                    frame = av.VideoFrame.from_ndarray(np.full((64, width, 3), level, np.uint8))
                    frame.pts = number
                    container.mux(stream.encode(frame))
        for stream in added:
            container.mux(stream.encode(None))
    return path


def test_the_cover_of_a_video_is_not_the_video(tmp_path):
    cover = av.stream.Disposition.attached_pic
    video = open_video(write_streams(tmp_path / "clip.mp4", (20, 640, cover), (200, 96, 0)), 25)
    assert video.num_frames == 10
    assert next(video.frames([0])).mean() == pytest.approx(200, abs=3)
    with pytest.raises(FrameError, match=r"song.mp4 holds no moving pictures"):
        open_video(write_streams(tmp_path / "song.mp4", (20, 640, cover)), 25)


def test_of_two_streams_the_main_one_is_read(tmp_path):
    video = open_video(write_streams(tmp_path / "clip.mkv", (200, 96, 0), (20, 48, 0)), 25)
    assert next(video.frames([0])).mean() == pytest.approx(200, abs=3)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("list.m3u8", "#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\n{clip}\n#EXT-X-ENDLIST\n"),
        ("list.mp4", "ffconcat version 1.0\nfile {clip}\n"),
        ("a.sdp", "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 9 RTP/AVP 26\n"),
        ("art.ans", "\x1b[31mhello\x1b[0m" * 500),
        ("text.mp4", "hello\n" * 500),
    ],
)  # fmt: skip
def test_lists_of_other_files_and_text_are_no_videos(tmp_path, name, content):
    clip = make_video(tmp_path / "clip.ts", ramp(5), "mpeg2video")
    (tmp_path / name).write_text(content.format(clip=clip))
    with pytest.raises(FrameError, match=f"{name} is no video"):
        open_video(tmp_path / name, 25)


def test_pictures_under_another_name_are_no_videos(tmp_path):
    (tmp_path / "clip.mp4").write_bytes(cv2.imencode(".png", GREY)[1].tobytes())
    with pytest.raises(FrameError, match=r"clip.mp4 is no video"):
        open_video(tmp_path / "clip.mp4", 25)


def test_names_that_are_not_utf8(tmp_path):
    path = make_video(tmp_path / "clip.mp4", ramp(3)).rename(tmp_path / "\udce9t\udce9.mp4")
    video = open_video(path, 25)
    assert len(list(video.frames(range(3)))) == 3


def test_tags_that_are_not_utf8(tmp_path):
    path = make_video(tmp_path / "clip.mp4", ramp(3))
    path.write_bytes(path.read_bytes().replace(b"Lavf", b"L\xe9vf"))
    assert open_video(path, 25).num_frames == 3


def test_ffmpeg_writes_no_lines_of_its_own(tmp_path):
    """In a process of its own: FFmpeg writes past Python."""
    (tmp_path / "text.mp4").write_text("no video")
    cut = tmp_path / "cut.mp4"
    cut.write_bytes((SHARED / "mid.mp4").read_bytes()[:9000])
    code = (
        "import sys\nfrom dataset.video import open_video\nfor path in sys.argv[1:]:\n    try:\n"
        "        video = open_video(path, 25, allow_truncated=True)\n"
        "        list(video.frames(range(video.num_frames)))\n"
        "    except ValueError:\n        pass"
    )
    paths = [SHARED / "mid.mp4", SHARED / "browser.webm", tmp_path / "text.mp4", cut]
    done = subprocess.run([sys.executable, "-c", code, *paths], capture_output=True, check=True, timeout=100)
    assert done.stdout + done.stderr == b""
