"""Cameras, of which none is a real one, and files that are played."""

import time
from types import SimpleNamespace

import numpy as np
import pytest

from dataset.frames import FrameError
from dataset.video import open_video
from evaluation.inference import frame_source
from evaluation.inference.frame_source import Camera, CameraError, PlayedFile
from tests.helpers.cameras import FakeCapture, put_cameras
from tests.helpers.commands import wait_until
from tests.helpers.videos import make_video, ramp


class Taken:
    """Keeps what it is fed, and the moment."""

    def __init__(self):
        self.frames, self.times, self.moments = [], [], []

    def __call__(self, frame, moment):
        self.frames.append(frame)
        self.times.append(moment)
        self.moments.append(time.monotonic())


@pytest.fixture
def taken():
    return Taken()


def picture(level, height=6, width=8):
    return np.full((height, width, 3), (level, 0, 0), np.uint8)  # blue as OpenCV gives it


def test_a_camera_gives_red_green_blue_with_rising_times(monkeypatch, taken):
    capture = FakeCapture([picture(level) for level in (1, 2, 3)], rate=100)
    opened = put_cameras(monkeypatch, capture)
    camera = Camera(2)
    assert (opened, camera.name, camera.path.exists()) == ([2], "camera2", False)
    camera.start(taken)
    wait_until(lambda: len(taken.frames) == 3)
    assert opened == [2, 2]
    assert not camera.ended  # it may give frames again
    assert 0 < taken.times[0] < taken.times[1] < taken.times[2] < camera.now()
    assert [frame[0, 0].tolist() for frame in taken.frames] == [[0, 0, level] for level in (1, 2, 3)]
    camera.close()
    assert camera.ended
    assert camera.problem is None
    assert capture.released == 1


def test_no_frame_is_older_than_the_start(monkeypatch, taken):
    """A camera keeps the frames that came since it was opened; a network was loaded meanwhile."""
    looked, used = FakeCapture([picture(level) for level in (7, 8, 9)]), FakeCapture([picture(1)])
    left = iter([looked, used])
    monkeypatch.setattr(frame_source.cv2, "VideoCapture", lambda _: next(left))
    camera = Camera(0)
    assert looked.released == 1  # another program may use it meanwhile
    camera.start(taken)
    wait_until(lambda: taken.frames)
    camera.close()
    assert [int(frame[0, 0, 2]) for frame in taken.frames] == [1]
    assert (looked.released, used.released) == (1, 1)


def test_a_camera_that_opens_slowly_is_given_time_for_its_first_frame(monkeypatch, taken):
    """By a clock on which opening takes 5 seconds, and asking for a frame a tenth of one."""

    class Timed(FakeCapture):
        def read(self):
            clock.now += 0.1
            return super().read()

    def open_camera(_):
        clock.now += 5.0
        return next(left)

    clock = SimpleNamespace(now=0.0)
    captures = [Timed([]), Timed([None, None, picture(1)]), Timed([None, None, picture(2)]), *[Timed([])] * 99]
    left = iter(captures)
    monkeypatch.setattr(frame_source, "time", SimpleNamespace(monotonic=lambda: clock.now))
    monkeypatch.setattr(frame_source, "PAUSE", 0.0)
    monkeypatch.setattr(frame_source.cv2, "VideoCapture", open_camera)
    camera = Camera(0)
    camera.start(taken)
    wait_until(lambda: camera.ended)  # the others give nothing
    assert [int(frame[0, 0, 2]) for frame in taken.frames] == [1, 2]


def test_a_reader_that_is_slow_does_not_keep_the_camera_waiting(monkeypatch, taken):
    put_cameras(monkeypatch, FakeCapture((picture(n % 256) for n in range(100_000)), rate=200))
    camera = Camera(0)
    camera.start(taken)
    wait_until(lambda: len(taken.frames) > 5)  # the network computes meanwhile
    assert taken.times == sorted(taken.times)
    camera.close()


@pytest.mark.parametrize("size", [(2160, 3840), (1, 1), (480, 640)])
def test_a_camera_may_have_any_size_and_change_it(monkeypatch, taken, size):
    put_cameras(monkeypatch, FakeCapture([picture(1), picture(2, *size), picture(3)]))
    camera = Camera(0)
    camera.start(taken)
    wait_until(lambda: len(taken.frames) == 3)
    camera.close()
    assert [frame.shape for frame in taken.frames] == [(6, 8, 3), (*size, 3), (6, 8, 3)]


def test_a_camera_that_is_not_there(monkeypatch):
    put_cameras(monkeypatch, FakeCapture([], opens=False))
    with pytest.raises(CameraError, match="camera 7 cannot be opened: it is not there"):
        Camera(7)


def test_a_camera_that_pauses_is_asked_again_and_opened_anew(monkeypatch, taken):
    monkeypatch.setattr(frame_source, "PAUSE", 0.01)
    monkeypatch.setattr(frame_source, "REOPEN", 0.05)
    first = FakeCapture([picture(1), None, picture(2)])
    gone, back = FakeCapture([], opens=False), FakeCapture([picture(3)])
    opened = put_cameras(monkeypatch, first, gone, back, *(FakeCapture([]) for _ in range(1000)))
    camera = Camera(4)
    camera.start(taken)
    wait_until(lambda: len(taken.frames) == 3)
    assert [int(frame[0, 0, 2]) for frame in taken.frames] == [1, 2, 3]
    assert opened[:3] == [4, 4, 4]
    assert first.released == gone.released == 1
    camera.close()
    assert camera.problem is None


def test_a_camera_that_stays_away_ends(monkeypatch, taken):
    monkeypatch.setattr(frame_source, "PAUSE", 0.01)
    monkeypatch.setattr(frame_source, "GIVE_UP", 0.05)
    capture = FakeCapture([picture(1)])
    put_cameras(monkeypatch, capture)
    camera = Camera(0)
    camera.start(taken)
    wait_until(lambda: camera.ended)
    assert len(taken.frames) == 1
    assert str(camera.problem) == "camera 0 gave no frame for 0.05 s, so reading ends here"
    assert capture.released == 1


def test_a_file_is_played_at_its_own_pace_with_its_own_times(tmp_path, taken):
    stamps = [0, 100, 140, 400]
    video = open_video(make_video(tmp_path / "own.mp4", ramp(4), stamps=stamps), 25)
    source = PlayedFile(video, "own")
    begin = time.monotonic()
    source.start(taken)
    wait_until(lambda: source.ended)
    assert taken.times == pytest.approx([0, 0.1, 0.14, 0.4])
    assert [int(frame.mean()) for frame in taken.frames] == pytest.approx([8, 16, 24, 32], abs=2)
    assert (np.array(taken.moments) - begin >= np.array(taken.times) - 0.001).all()  # no frame comes before its time
    assert source.now() == pytest.approx(video.times[-1], abs=1)  # and the clock stops at the end
    assert (source.name, source.path, source.problem) == ("own", video.path, None)


def test_a_file_can_be_played_faster_and_ended(tmp_path, taken):
    video = open_video(make_video(tmp_path / "long.mp4", ramp(50), rate=1), 25)
    source = PlayedFile(video, "long", speed=20)
    source.start(taken)
    wait_until(lambda: len(taken.frames) > 2)
    assert 2 <= source.now() <= 50
    source.close()
    assert source.ended
    assert len(taken.frames) < 50


def test_a_file_that_is_decoded_slowly_plays_slower_and_loses_nothing(tmp_path, taken):
    class Slow:
        path, times, num_frames = tmp_path, np.arange(9) / 100, 8

        def frames(self, indices):
            for index in indices:
                time.sleep(0.1)
                yield picture(index)

    source = PlayedFile(Slow(), "slow")
    source.start(taken)
    wait_until(lambda: source.ended)
    assert [int(frame[0, 0, 0]) for frame in taken.frames] == list(range(8))
    assert taken.moments[-1] - taken.moments[0] > 0.6


def test_what_ends_a_source_is_kept_for_its_reader(tmp_path, taken):
    class Broken:
        path, times, num_frames = tmp_path, np.arange(4) / 100, 3

        def frames(self, indices):
            yield picture(1)
            raise FrameError("an image is damaged")

    source = PlayedFile(Broken(), "broken")
    source.start(taken)
    wait_until(lambda: source.ended)
    assert len(taken.frames) == 1
    assert str(source.problem) == "an image is damaged"
