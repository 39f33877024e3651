"""What the README's figures come from does what it says."""

from dataclasses import replace

import numpy as np

from benchmarks.leakage import shuffle_labels, with_shuffled_labels
from benchmarks.picture import CORRECT, WRONG, draw
from config.load import load_config
from dataset.manifest import Clip, Manifest
from evaluation.ctm import CtmEntry, CtmWord, Reference


def test_shuffled_labels_are_the_same_labels_and_nobody_keeps_his_own():
    clips = tuple(Clip(f"c{i}", f"f{i}", "s", (f"G{i}",), 9) for i in range(20))
    for seed in range(10):
        shuffled = shuffle_labels(Manifest("phoenix2014", "train", 72, clips), seed).clips
        assert sorted(clip.glosses for clip in shuffled) == sorted(clip.glosses for clip in clips)
        assert all(new.glosses != old.glosses for new, old in zip(shuffled, clips, strict=True))
        assert [clip.id for clip in shuffled] == [clip.id for clip in clips]


def test_only_training_labels_are_shuffled(prepared, tmp_path):
    config = replace(load_config(None, {})[0], prepared=str(prepared))
    changed = with_shuffled_labels(config, tmp_path)
    assert changed.prepared == str(tmp_path)
    before, after = (Manifest.load(folder / "train.json") for folder in (prepared, tmp_path))
    assert [clip.glosses for clip in before.clips] != [clip.glosses for clip in after.clips]
    assert all(after.clip_folder(clip).is_dir() for clip in after.clips)
    for name in ("dev.json", "test.json", "gloss_dict.txt", "phoenix2014-groundtruth-test.stm"):
        assert (tmp_path / name).read_bytes() == (prepared / name).read_bytes()


def test_the_picture_marks_right_and_wrong():
    frames = [np.full((260, 210, 3), 200, np.uint8)] * 30
    reference = Reference("a", "Signer01", ("REGEN", "NORD"))
    words = [CtmWord("REGEN", 0.2, 0.16), CtmWord("NORD", 0.8, 0.16)]
    right = draw(frames, reference, CtmEntry("a", words))
    wrong = draw(frames, reference, CtmEntry("a", words[:1]))
    assert right.shape == wrong.shape

    def has(sheet, colour):
        return bool((sheet == colour).all(axis=2).any())

    assert has(right, CORRECT)
    assert not has(right, WRONG)
    assert has(wrong, WRONG)
    assert not has(wrong, CORRECT)
