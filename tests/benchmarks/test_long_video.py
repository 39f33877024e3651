import numpy as np
from PIL import Image

from benchmarks.long_video import join_clips
from dataset.manifest import Clip, Manifest
from dataset.video import open_video


def test_clips_are_joined_in_their_order(tmp_path):
    for number, name in enumerate(("b", "a")):
        (tmp_path / name).mkdir()
        for frame in (1, 2, 10):
            colour = np.full((8, 8, 3), 100 * number + frame, np.uint8)
            Image.fromarray(colour).save(tmp_path / name / f"{frame}.png")
    clips = (Clip("one", "b", "Anna", ("A", "B"), 3), Clip("two", "a", "Ben", ("C",), 3))
    joined = tmp_path / "joined"
    joined.mkdir()
    signed = join_clips(Manifest("phoenix2014", "test", 8, clips, home=tmp_path), joined)
    assert signed == ["A", "B", "C"]
    frames = open_video(joined, 25).frames(range(6))
    assert [int(frame[0, 0, 0]) for frame in frames] == [1, 2, 10, 101, 102, 110]
