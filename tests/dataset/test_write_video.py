"""Videos that are written: what is in them, that browsers play them, and that failures leave nothing."""

import re
import resource
import signal
import subprocess

import av
import numpy as np
import pytest

from dataset.video import open_video
from dataset.write_video import write_video
from tests.helpers.needs import BROWSER, needs_browser
from tests.helpers.videos import SHARED, noise, ramp
from utils.errors import InputError

SUFFIXES = ["mp4", "webm"]
PAGE = """<video id="video" src="{name}" preload="auto"></video><p id="said">nothing</p><script>
const video = document.getElementById("video"), said = document.getElementById("said");
video.onloadeddata = () => said.textContent = `${{video.videoWidth}}x${{video.videoHeight}} ${{video.duration}}`;
video.onerror = () => said.textContent = `error ${{video.error.code}}`;</script>"""


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_pictures_and_their_times_are_kept(tmp_path, suffix):
    source = open_video(SHARED / "browser.webm", 25)  # its frames last 19 to 61 ms
    pictures = list(source.frames(range(45)))
    write_video(tmp_path / f"out.{suffix}", iter(pictures), source.times)
    written = open_video(tmp_path / f"out.{suffix}", 25)
    assert (written.num_frames, written.faults) == (45, ())
    assert written.times == pytest.approx(source.times, abs=1e-3)
    for before, after in zip(pictures, written.frames(range(45)), strict=True):
        assert np.abs(before.astype(int) - after).mean() < 4


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_colours_are_kept(tmp_path, suffix):
    colours = [(220, 30, 30), (30, 220, 30), (30, 30, 220), (220, 220, 30), (128, 128, 128)]
    pictures = [np.full((720, 1280, 3), colour, np.uint8) for colour in colours]
    write_video(tmp_path / f"out.{suffix}", pictures, np.arange(6) / 25)
    for colour, frame in zip(colours, open_video(tmp_path / f"out.{suffix}", 25).frames(range(5)), strict=True):
        assert np.abs(frame[300:400, 300:400].astype(int) - colour).max() <= 6


@pytest.mark.parametrize(("suffix", "codec"), [("mp4", "h264"), ("webm", "vp9"), ("MP4", "h264")])
def test_what_browsers_need(tmp_path, suffix, codec):
    path = tmp_path / f"out.{suffix}"
    write_video(path, ramp(10, 95, 63), np.arange(11) / 25)
    with av.open(str(path)) as container:
        (stream,) = container.streams
        assert (stream.codec_context.codec.canonical_name, stream.pix_fmt) == (codec, "yuv420p")
        assert (stream.width, stream.height) == (96, 64)  # of an odd side the last line is repeated
    content = path.read_bytes()
    assert codec == "vp9" or content.index(b"moov") < content.index(b"mdat")


@needs_browser
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_browsers_play_it(tmp_path, suffix):
    write_video(tmp_path / f"out.{suffix}", ramp(30), np.arange(31) / 25)
    (tmp_path / "page.html").write_text(PAGE.format(name=f"out.{suffix}"))
    command = [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}"]
    options = ["--virtual-time-budget=5000", "--dump-dom", str(tmp_path / "page.html")]
    page = subprocess.run([*command, *options], capture_output=True, text=True, check=True, timeout=120).stdout
    assert re.search(r'<p id="said">(.*?)</p>', page)[1] == "96x64 1.2"


@pytest.mark.parametrize("name", ["http:clip.mp4", "Käse 你好.mp4", "\udce9.mp4", "%03d.webm"])
def test_names_of_files_mean_nothing(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    write_video(name, ramp(3), np.arange(4) / 25)
    assert open_video(tmp_path / name, 25).num_frames == 3


def test_a_lower_rate_factor_is_nearer_to_the_pictures(tmp_path):
    pictures = list(open_video(SHARED / "browser.webm", 25).frames(range(20)))
    off = []
    for crf in (30, None, 12):
        write_video(tmp_path / "out.mp4", pictures, np.arange(21) / 25, crf)
        written = open_video(tmp_path / "out.mp4", 25).frames(range(20))
        off.append(np.mean([np.abs(a.astype(int) - b).mean() for a, b in zip(pictures, written, strict=True)]))
    assert off[0] > off[1] > off[2]


def test_one_picture(tmp_path):
    write_video(tmp_path / "out.mp4", ramp(1), np.array([0.5, 0.54]))
    video = open_video(tmp_path / "out.mp4", 25)
    assert (video.num_frames, video.times.tolist()) == (1, [0, 0.04])


def test_other_endings_and_missing_encoders(tmp_path, monkeypatch):
    with pytest.raises(InputError, match=r"out.avi must end in .mp4 or .webm"):
        write_video(tmp_path / "out.avi", ramp(2), np.arange(3) / 25)
    monkeypatch.setattr(av.codec, "codecs_available", {"libvpx-vp9"})
    with pytest.raises(InputError, match=r"PyAV has no encoder for H.264 here"):
        write_video(tmp_path / "out.mp4", ramp(2), np.arange(3) / 25)
    write_video(tmp_path / "out.webm", ramp(2), np.arange(3) / 25)
    assert [path.name for path in tmp_path.iterdir()] == ["out.webm"]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_disk_that_is_full(tmp_path, suffix):
    """A limit to the size of files stands for it."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))
    try:
        with pytest.raises(InputError, match=r"out.\w+ cannot be written \(.*\); is the disk full"):
            write_video(tmp_path / f"out.{suffix}", noise(30, 320, 240), np.arange(31) / 25)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert list(tmp_path.iterdir()) == []
