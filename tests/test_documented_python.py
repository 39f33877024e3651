"""The Python in the documentation runs, and does what the commands do."""

import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from pympi.Elan import Eaf

from dataset.frames import read_frames
from dataset.manifest import Manifest
from evaluation.inference.recogniser import Recogniser
from tests.helpers.commands import run_python
from tests.helpers.paths import REPOSITORY
from tests.helpers.videos import make_video, ramp

PAGE = (REPOSITORY / "docs/python.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```$", PAGE, flags=re.M | re.S)


@pytest.fixture
def folder(tmp_path, random_checkpoint, monkeypatch):
    """What the examples name: the quickstart's checkpoint, a clip and the exported network."""
    (tmp_path / "work_dir/quickstart").mkdir(parents=True)
    (tmp_path / "work_dir/quickstart/best.pt").write_bytes(random_checkpoint.read_bytes())
    make_video(tmp_path / "clip.mp4", ramp(40))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_every_example_of_the_page_runs(folder, capsys):
    command = re.search(r"^    python (-m engine\.export .*)$", PAGE, flags=re.M)[1].split()
    run_python(*command, cwd=folder, env={"PYTHONPATH": str(REPOSITORY), "PATH": "", "OMP_NUM_THREADS": "1"})
    names: dict = {}
    for block in BLOCKS:
        exec(compile(block, "docs/python.md", "exec"), names)
    said = capsys.readouterr().out
    assert "skipped: there is no" in said or "skipped: no" in said
    assert Eaf("clip.eaf").get_tier_names()
    assert names["recognitions"][0] == names["recognitions"][1]
    recogniser = Recogniser.from_checkpoint("work_dir/quickstart/best.pt", "cpu")
    frames = np.stack(ramp(40, 90, 90))
    config = replace(recogniser.config, decode_mode="greedy", merge_repeats=False)
    by_hand = names["read_glosses"](names["session"], frames)
    assert by_hand == list(replace(recogniser, config=config).recognise(frames).glosses)


def test_the_readme_has_the_first_example():
    """Word for word, so that it is run too."""
    readme = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    indented = "".join(f"    {line}".rstrip(" ") + "\n" for line in BLOCKS[1].splitlines())
    assert re.sub(r"\n\s*\n", "\n", indented) in re.sub(r"\n\s*\n", "\n", readme)


def test_threads_share_a_recogniser(prepared, random_checkpoint):
    manifest = Manifest.load(prepared / "test.json")
    clips = [read_frames(manifest.clip_folder(clip)) for clip in manifest.clips]
    one_by_one = [Recogniser.from_checkpoint(random_checkpoint, "cpu").recognise(clip) for clip in clips]
    with ThreadPoolExecutor(4) as pool:
        shared = Recogniser.from_checkpoint(random_checkpoint, "cpu")
        together = list(pool.map(shared.recognise, clips * 2))
    assert together == one_by_one * 2
