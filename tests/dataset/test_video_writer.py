import av
import numpy as np
import pytest

from dataset.video import open_video
from dataset.video_writer import write_video
from tests.helpers.videos import ramp


@pytest.mark.parametrize("times", [np.arange(31) / 30, [0, 0.04, 0.1, 0.5, 0.52, 1.0]])
def test_frames_keep_their_times(tmp_path, times):
    frames = ramp(len(times) - 1)
    write_video(tmp_path / "a:b.mp4", iter(frames), np.array(times) + 7.5)
    video = open_video(tmp_path / "a:b.mp4", 1)
    assert video.times[:-1] == pytest.approx(np.array(times)[:-1], abs=1e-4)
    for shown, frame in zip(video.frames(range(len(frames))), frames, strict=True):
        assert np.abs(shown.astype(int) - frame).max() <= 3
    assert [path.name for path in tmp_path.iterdir()] == ["a:b.mp4"]


def test_odd_sides_lose_a_row_or_column_and_browsers_find_the_index_in_front(tmp_path):
    picture = np.full((33, 47, 3), 90, np.uint8)
    write_video(tmp_path / "a.mp4", [picture] * 3, [0, 0.1, 0.2, 0.3])
    assert next(open_video(tmp_path / "a.mp4", 1).frames([0])).shape == (32, 46, 3)
    data = (tmp_path / "a.mp4").read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")
    with av.open(str(tmp_path / "a.mp4")) as container:
        codec = container.streams.video[0].codec_context
        assert (codec.name, codec.pix_fmt) == ("h264", "yuv420p")


def test_what_fails_leaves_the_older_file(tmp_path):
    def frames():
        yield np.zeros((32, 32, 3), np.uint8)
        raise ValueError("the camera broke")

    (tmp_path / "a.mp4").write_text("older")
    with pytest.raises(ValueError, match="camera"):
        write_video(tmp_path / "a.mp4", frames(), [0, 1, 2])
    assert [path.read_text() for path in tmp_path.iterdir()] == ["older"]
