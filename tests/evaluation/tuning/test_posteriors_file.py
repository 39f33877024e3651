"""Posteriors in a file: read back as they were, and never those of something else, of a damaged file or of a bomb."""

from __future__ import annotations

import json
import zipfile
from dataclasses import replace

import numpy as np
import pytest

from evaluation.tuning.kept_posteriors import keep_posteriors
from evaluation.tuning.posteriors_file import ARRAYS, StalePosteriorsError, read_posteriors, write_posteriors
from utils.errors import ParseError

SOURCE = {"checkpoint": "1f", "corpus": ["phoenix2014", 7], "precision": ["fp32", "cpu"]}
STEPS, CLASSES = [3, 5], 60


@pytest.fixture
def kept():
    rng = np.random.default_rng(0)
    values = [rng.random((1, steps, CLASSES)) for steps in STEPS]
    return keep_posteriors((value / value.sum(-1, keepdims=True)).astype(np.float32) for value in values)


@pytest.fixture
def path(tmp_path, kept):
    write_posteriors(tmp_path / "posteriors-dev.npz", kept, SOURCE)
    return tmp_path / "posteriors-dev.npz"


def read(path, source=SOURCE, steps=STEPS, classes=CLASSES):
    return read_posteriors(path, source, steps, classes)


def rewrite(path, **changes):
    """The file again, with some of its arrays changed."""
    with np.load(path) as content:
        arrays = dict(content) | changes
    with path.open("wb") as file:
        np.savez_compressed(file, **arrays)


def test_they_are_read_back_bit_by_bit_and_nothing_else_is_left(path, kept):
    again = read(path)
    for name in (*ARRAYS, "steps"):
        np.testing.assert_array_equal(getattr(again, name), getattr(kept, name))
    assert again.num_classes == CLASSES
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_those_of_several_networks_are_read_back_as_such(tmp_path):
    values = [np.random.default_rng(0).random((2, steps, CLASSES)) for steps in STEPS]
    kept = keep_posteriors((value / value.sum(-1, keepdims=True)).astype(np.float32) for value in values)
    write_posteriors(tmp_path / "both.npz", kept, SOURCE)
    again = read_posteriors(tmp_path / "both.npz", SOURCE, STEPS, CLASSES, members=2)
    for clip in range(2):
        np.testing.assert_array_equal(again.restore(clip), kept.restore(clip))
    with pytest.raises(ParseError, match="is damaged"):
        read(tmp_path / "both.npz")


def test_there_may_be_none(tmp_path):
    with pytest.raises(FileNotFoundError):
        read(tmp_path / "posteriors-dev.npz")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"checkpoint": "2e"}, "another checkpoint$"),
        ({"corpus": ["phoenix2014", 8], "precision": ["bf16", "cpu"]}, "another corpus, another precision$"),
        ({"new": 1}, "another new$"),
    ],
)
def test_those_of_something_else_are_not_taken(path, changes, said):
    with pytest.raises(StalePosteriorsError, match=said):
        read(path, SOURCE | changes)


def test_a_record_that_says_more_is_another_one(path):
    with pytest.raises(StalePosteriorsError):
        read(path, {"checkpoint": "1f"})


def test_pickles_are_not_read(path):
    rewrite(path, blank=np.array([print] * 8, object))
    with pytest.raises(ParseError, match="damaged"):
        read(path)


def damaged(kept, name):
    """An array of the file with one value that cannot be."""
    array = getattr(kept, name).copy()
    array.flat[0] = {"blank": np.nan, "glosses": -0.5, "classes": CLASSES, "rest": 0.5}[name]
    return array


@pytest.mark.parametrize("name", ARRAYS)
def test_values_that_cannot_be_are_refused(path, kept, name):
    rewrite(path, **{name: damaged(kept, name)})
    with pytest.raises(ParseError, match="no distribution"):
        read(path)


def test_a_class_twice_in_a_step_and_the_blank_among_the_glosses_are_refused(path, kept):
    for value in (kept.classes[0, 1], 0):
        classes = kept.classes.copy()
        classes[0, 0] = value
        rewrite(path, classes=classes)
        with pytest.raises(ParseError, match="no distribution"):
            read(path)


def test_other_shapes_and_kinds_are_refused(path, kept):
    rewrite(path, rest=kept.rest[:-1])
    with pytest.raises(ParseError, match=r"rest is float32 \(7,\)"):
        read(path)
    rewrite(path, rest=kept.rest.astype(np.float16))
    with pytest.raises(ParseError, match="rest is float16"):
        read(path)


def test_a_small_file_that_unpacks_to_much_is_not_unpacked(path):
    rewrite(path, rest=np.zeros(10**7, np.float32))
    assert path.stat().st_size < 10**5
    with pytest.raises(ParseError, match="rest is missing or too large"):
        read(path)
    rewrite(path, source=np.frombuffer(json.dumps({"a": "b" * 2**21}).encode(), np.uint8))
    with pytest.raises(ParseError, match="source is missing or too large"):
        read(path)


def test_a_header_that_promises_what_is_not_there_is_refused(path):
    parts = {}
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            parts[name] = archive.read(name)
    parts["rest.npy"] = parts["rest.npy"].replace(b"(8,)", b"(8" + b"0" * 14 + b",)")
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    with pytest.raises(ParseError, match="damaged"):
        read(path)


@pytest.mark.parametrize("cut", [0, 1, 50, 400, -30, -1])
def test_half_a_file_is_refused(path, cut):
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(ParseError, match="damaged"):
        read(path)


def test_flipped_bits_are_found(path):
    content = path.read_bytes()
    for place in range(40, len(content) - 200, 97):
        changed = bytearray(content)
        changed[place] ^= 16
        path.write_bytes(bytes(changed))
        try:
            again = read(path)
        except ParseError:
            continue
        path.write_bytes(content)
        whole = read(path)  # a bit of a date or a comment in the archive
        assert all((getattr(again, name) == getattr(whole, name)).all() for name in ARRAYS)


def test_those_of_other_clips_do_not_fit(path, kept):
    with pytest.raises(ParseError):
        read(path, steps=[3, 4])
    assert replace(kept).steps.tolist() == STEPS
