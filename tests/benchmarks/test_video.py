import pytest

from benchmarks.video import CODECS, read_by_opencv, read_by_project, write_clip


@pytest.mark.parametrize("name", CODECS)
def test_both_sides_read_every_frame(tmp_path, name):
    encoder, pixels, suffix = CODECS[name]
    path = tmp_path / f"clip{suffix}"
    write_clip(path, encoder, pixels, 12, 64, 48)
    assert (read_by_project(path), read_by_opencv(path)) == (12, 12)
