"""`--dict`: the prepared dictionary and the one of earlier systems."""

import os

import numpy as np
import pytest

from dataset.legacy import load_dictionary
from dataset.vocabulary import Vocabulary, VocabularyError
from utils.legacy_pickle import LegacyFileError


class CreatesFile:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


def saved(tmp_path, content):
    np.save(tmp_path / "gloss_dict.npy", content)
    return tmp_path / "gloss_dict.npy"


@pytest.mark.parametrize(
    "content",
    [
        {"ABEND": [1, 300], "REGEN": [2, 40], "ÜBER": [3, 5]},
        {"ÜBER": [3, 5], "ABEND": [1, 300], "REGEN": [2, 40]},
        {"ABEND": [1], "REGEN": [2], "ÜBER": [3]},
        {"ABEND": 1, "REGEN": 2, "ÜBER": 3},
        {"ABEND": (np.int64(1), 300), "REGEN": [np.int32(2), 40], "ÜBER": np.int64(3)},
    ],
)
def test_legacy_dictionaries_by_their_ids(tmp_path, content):
    vocabulary = load_dictionary(saved(tmp_path, content))
    assert vocabulary.glosses == ("ABEND", "REGEN", "ÜBER")
    assert vocabulary.source.endswith("gloss_dict.npy")


def test_prepared_dictionaries(tmp_path):
    vocabulary = Vocabulary(["B", "A", "Ä"])
    vocabulary.save(tmp_path / "gloss_dict.txt")
    (tmp_path / "glosses.json").write_text('["B", "A", "Ä"]', encoding="utf-8")
    for name in ("gloss_dict.txt", "glosses.json"):
        assert load_dictionary(tmp_path / name) == vocabulary
        assert load_dictionary(str(tmp_path / name)) == vocabulary


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"A": [0, 1], "B": [1, 1]}, "must be 1 to 2, 0 being the blank; missing: 2; too low or too high: 0"),
        ({"A": [1, 1], "B": [3, 1]}, "missing: 2; too low or too high: 3"),
        ({"A": [1, 1], "B": [1, 1]}, "missing: 2; given twice: 1"),
        ({"A": [1, 1], "B": ["2", 1]}, r"'B': \['2', 1\] is not gloss: \[id, count\]"),
        ({"A": True}, "is not gloss"),
        ({"A": []}, "is not gloss"),
        ({1: [1, 1]}, "is not gloss"),
        ({"prefix": "/data", 0: {"fileid": "x"}}, r"is it the gloss_dict\.npy"),
        ({"A B": [1, 1]}, "holds white space"),
        ({}, "holds no gloss"),
        ([1, 2], "holds ndarray, not a dictionary"),
    ],
)
def test_what_is_no_dictionary(tmp_path, content, said):
    with pytest.raises(VocabularyError, match=said):
        load_dictionary(saved(tmp_path, content))


def test_a_dictionary_that_would_run_code_is_refused(tmp_path):
    path = saved(tmp_path, {"A": [1, CreatesFile(tmp_path / "created")]})
    with pytest.raises(LegacyFileError, match="nothing in it was run"):
        load_dictionary(path)
    assert not (tmp_path / "created").exists()


def test_a_missing_dictionary(tmp_path):
    with pytest.raises(LegacyFileError, match=r"there is no file .*a\.npy"):
        load_dictionary(tmp_path / "a.npy")
    with pytest.raises(VocabularyError, match="no gloss dictionary at"):
        load_dictionary(tmp_path / "a.txt")
