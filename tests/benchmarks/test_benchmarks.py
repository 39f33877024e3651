"""What the README's figures come from does what it says."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest

from benchmarks import boundaries, decode
from benchmarks.leakage import copy_with_shuffled_labels, shuffle_labels
from config.load import load_config
from dataset.manifest import Clip, Manifest
from dataset.rendered import BOUNDARIES
from evaluation.ctm import CtmEntry, CtmWord, write_ctm
from evaluation.decode import BeamDecoder
from utils.errors import InputError


def test_shuffled_labels_are_the_same_labels_and_nobody_keeps_his_own():
    clips = tuple(Clip(f"c{i}", f"f{i}", "s", (f"G{i}",), 9) for i in range(20))
    for seed in range(10):
        shuffled = shuffle_labels(Manifest("phoenix2014", "train", 72, clips), seed).clips
        assert sorted(clip.glosses for clip in shuffled) == sorted(clip.glosses for clip in clips)
        assert all(new.glosses != old.glosses for new, old in zip(shuffled, clips, strict=True))
        assert [clip.id for clip in shuffled] == [clip.id for clip in clips]


def test_only_training_labels_are_shuffled(prepared, tmp_path):
    config = replace(load_config(None, {})[0], prepared=str(prepared))
    changed = copy_with_shuffled_labels(config, tmp_path)
    assert changed.prepared == str(tmp_path)
    before, after = (Manifest.load(folder / "train.json") for folder in (prepared, tmp_path))
    assert [clip.glosses for clip in before.clips] != [clip.glosses for clip in after.clips]
    assert all(after.clip_folder(clip).is_dir() for clip in after.clips)
    for name in ("dev.json", "test.json", "gloss_dict.txt", "phoenix2014-groundtruth-test.stm"):
        assert (tmp_path / name).read_bytes() == (prepared / name).read_bytes()


SIGNED = {"a": [("NORD", 5, 14), ("NORD", 20, 30), ("REGEN", 33, 42)], "b": [("WARM", 4, 12)], "c": [("KALT", 4, 12)]}
RECOGNISED = [
    # NORD 4 to 16; WIND and SUED for the second NORD, so one of them is inserted; REGEN 32 to 36
    CtmEntry("a", [CtmWord("NORD", 0.16, 0.48), CtmWord("WIND", 0.8, 0.16), CtmWord("SUED", 1.12, 0.08),
                   CtmWord("REGEN", 1.28, 0.16)]),
    CtmEntry("b", [CtmWord("WARM", 0.16, 0.64)]),  # 4 to 20; nothing was recognised in c
]  # fmt: skip


def test_boundary_errors_by_hand():
    errors = boundaries.compute_boundary_errors(SIGNED, RECOGNISED, 25)
    assert errors.tolist() == [[-1, 2], [-1, -6], [0, 8]]
    # starts off by 1, 1, 0; ends by 2, 6, 8; four of the six within 4 frames
    assert boundaries.format_row("dev", errors) == ["dev", "3", "1.0", "6.0", "1.5", "66.7 %", "-1.0", "+2.0"]
    assert boundaries.compute_boundary_errors(SIGNED, [], 25).shape == (0, 2)
    assert boundaries.format_row("dev", np.zeros((0, 2)))[:3] == ["dev", "0", "-"]
    assert len(boundaries.format_row("dev", np.zeros((0, 2)))) == len(boundaries.HEADER)


@pytest.fixture
def recognised_run(tmp_path):
    """(run, corpus) with the values above as the test split."""
    run, corpus = tmp_path / "run", tmp_path / "corpus"
    run.mkdir()
    corpus.mkdir()
    write_ctm(run / "output-hypothesis-test.ctm", RECOGNISED)
    (corpus / BOUNDARIES).write_text(json.dumps({"frame_rate": 25, "clips": {"dev": {}, "test": SIGNED}}))
    return run, corpus


def test_boundaries_of_a_run(recognised_run, capsys):
    run, corpus = recognised_run
    boundaries.main(boundaries.parse_args(["--run", str(run), "--corpus", str(corpus), "--splits", "test"]))
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert [line[0] for line in lines] == ["frames", "test", "all"]
    assert lines[1][1:] == lines[2][1:] == ["3", "1.0", "6.0", "1.5", "66.7", "%", "-1.0", "+2.0"]


def test_what_is_missing_is_named_with_its_remedy(recognised_run, tmp_path):
    run, corpus = recognised_run
    for arguments, message in (
        ((run, tmp_path, ["test"]), "rendered by an older version.*make quickstart"),
        ((run, corpus, ["dev"]), "no file .*output-hypothesis-dev.ctm.*make quickstart"),
        ((run, corpus, ["holdout"]), "no split 'holdout'; choose from dev, test"),
    ):
        with pytest.raises(InputError, match=message):
            boundaries.measure_boundary_errors(*arguments)
    with pytest.raises(InputError, match=r"1 recognised clips are not in the corpus \(first: z\)"):
        boundaries.compute_boundary_errors(SIGNED, [CtmEntry("z", [])], 25)


@pytest.mark.parametrize("kind", list(decode.KINDS))
def test_the_decoders_that_are_timed_agree(kind):
    for seed in range(3):
        rows = decode.sample_posteriors(kind, 12, 30, seed)
        assert rows.shape == (1, 12, 30)
        assert rows.dtype == np.float32
        found = BeamDecoder(6, cutoff_top_n=8)(rows, [12])[0]
        assert [h.tokens for h in found] == decode.search_in_plain_python(rows[0], 6, 8)


def test_posteriors_get_less_and_less_sure():
    sureness = [decode.sample_posteriors(kind, 60, 300, 0).max(axis=2).mean() for kind in decode.KINDS]
    assert sureness[0] > 0.9 > sureness[1] > 0.5 > sureness[2]
    assert sureness[2] < 0.1


def test_decoding_is_timed(capsys):
    small = ["--classes=20", "--steps=6", "--batch=3", "--beam=4", "--repeats=1", "--clips=3", "--test-batch=2"]
    small += ["--sentences=30"]
    decode.main(decode.parse_args(small))
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("first call")
    assert [line.split()[0] for line in lines[-4:-1]] == list(decode.KINDS)
    assert "language model of order 4" in lines[-6]
    assert re.match(r"evaluation on cpu, 2 batches of 2 clips: \d+ ms a batch .* ratio \d", lines[-1])
