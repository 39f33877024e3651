"""The load of the page's server, in a small form."""

import re

import pytest

from tests.helpers.needs import PAGE_PACKAGES, describe_missing
from tests.helpers.videos import make_video, ramp

MISSING = describe_missing(*PAGE_PACKAGES)


@pytest.mark.skipif(MISSING != "", reason=MISSING)
def test_every_page_gets_answers_and_places(random_checkpoint, tmp_path, capsys):
    from benchmarks import page_load

    video = make_video(tmp_path / "clip.mp4", ramp(20))
    words = ["--model_path", str(random_checkpoint), "--video_path", str(video), "--pages", "4", "--seconds", "2"]
    assert page_load.main(page_load.parse_args(words)) == 0
    table = capsys.readouterr().out
    rows = re.findall(r"^(\d)( \(camera\))? +(\d+) +0: \d+.* nothing$", table, re.M)
    assert [(number, bool(camera), int(answers) > 0) for number, camera, answers in rows] == [
        ("1", False, True), ("2", False, True), ("3", False, True), ("4", True, True),
    ]  # fmt: skip
    assert "memory: " in table
