"""Files of earlier systems: their content is read, and no code of theirs is run."""

import os
import pickle
import random
from collections import Counter

import numpy as np
import pytest

from dataset.legacy import PlainType, load_dictionary, load_legacy_npy
from dataset.vocabulary import Vocabulary, VocabularyError
from tests.helpers.pickles import CreatesFolder
from utils.errors import InputError


def write(path, content, protocol=3, numpy_1=False):
    """A `.npy` file as `numpy.save` writes it, with the pickle protocol and module names of an older numpy."""
    pickled = pickle.dumps(np.array(content, dtype=object), protocol=protocol)
    if numpy_1:
        pickled = pickled.replace(b"numpy._core.multiarray", b"numpy.core.multiarray")
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "|O", "fortran_order": False, "shape": ()})
        file.write(pickled)


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("numpy_1", [True, False])
def test_dictionaries_of_any_numpy_and_protocol(tmp_path, protocol, numpy_1):
    content = {"prefix": "/data", 0: {"fileid": "A", "label": "ÜBER MORGEN", "num_frames": 93, "loss": 0.5, "x": None}}
    write(tmp_path / "info.npy", content, protocol, numpy_1 and protocol < 4)  # later protocols count the letters
    assert load_legacy_npy(tmp_path / "info.npy") == content


def test_what_numpy_saves_here(tmp_path):
    content = {"a": [np.int64(1), np.float32(0.5), np.str_("é"), np.bool_(True)], "b": Counter("aab"), "c": b"\x00\xff"}
    np.save(tmp_path / "a.npy", content)
    loaded = load_legacy_npy(tmp_path / "a.npy")
    assert loaded == content
    assert type(loaded["a"][0]) is int
    array = np.arange(6.0).reshape(2, 3)
    np.save(tmp_path / "b.npy", {"inner": array, "objects": np.array([1, "x"], dtype=object)})
    loaded = load_legacy_npy(tmp_path / "b.npy")
    assert np.array_equal(loaded["inner"], array)
    assert loaded["objects"].tolist() == [1, "x"]
    np.save(tmp_path / "c.npy", array)
    assert np.array_equal(load_legacy_npy(tmp_path / "c.npy"), array)


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("wrap", [lambda evil: evil, lambda evil: {"REGEN": [1, evil]}, lambda evil: {evil: 1}])
def test_a_file_that_would_run_code_is_refused_and_runs_nothing(tmp_path, protocol, wrap):
    path = tmp_path / "gloss_dict.npy"
    write(path, wrap(CreatesFolder(tmp_path / "created")), protocol)
    with pytest.raises(InputError, match=r"gloss_dict\.npy is refused, and nothing in it was run.*posix\.mkdir"):
        load_legacy_npy(path)
    assert not (tmp_path / "created").exists()
    np.load(path, allow_pickle=True)  # it is what it claims to be
    assert (tmp_path / "created").exists()


@pytest.mark.parametrize(
    "name", ["builtins.eval", "builtins.getattr", "numpy.load", "functools.partial", "codecs.encode", "numpy.memmap"]
)
def test_only_plain_types_are_admitted(tmp_path, name):
    module, _, attribute = name.rpartition(".")
    path = tmp_path / "a.npy"
    write(path, {})
    header = path.read_bytes()[:128]
    path.write_bytes(header + f"c{module}\n{attribute}\n(I1\ntR.".encode())
    with pytest.raises(InputError, match=name.replace(".", r"\.")):
        load_legacy_npy(path)


def test_types_and_encodings_are_limited_too(tmp_path):
    path = tmp_path / "a.npy"
    write(path, {})
    header = path.read_bytes()[:128]
    for call in (b"cnumpy\ndtype\n(VV8\ntR.", b"cnumpy\ndtype\n(Vi4,O\ntR.", b"c_codecs\nencode\n(Vx\nVrot13\ntR."):
        path.write_bytes(header + call)
        with pytest.raises(InputError, match="is refused"):
            load_legacy_npy(path)
    path.write_bytes(header + b"cnumpy\nndarray\n(I9\ntR.")
    with pytest.raises(InputError, match=r"damaged or no \.npy file: .*not callable"):
        load_legacy_npy(path)


def test_missing_foreign_and_damaged_files(tmp_path):
    with pytest.raises(InputError, match=r"there is no file .*nowhere\.npy"):
        load_legacy_npy(tmp_path / "nowhere.npy")
    with pytest.raises(InputError, match="cannot be read"):
        load_legacy_npy(tmp_path)
    (tmp_path / "text.npy").write_text("REGEN\n")
    (tmp_path / "empty.npy").touch()
    for name in ("text.npy", "empty.npy"):
        with pytest.raises(InputError, match=r"damaged or no \.npy file"):
            load_legacy_npy(tmp_path / name)


def test_a_damaged_file_is_never_more_than_an_error_of_ours(tmp_path):
    np.save(tmp_path / "whole.npy", {"a": [np.int64(1), 3], "b": np.arange(3)})
    whole = (tmp_path / "whole.npy").read_bytes()
    chance, path, refused = random.Random(0), tmp_path / "damaged.npy", 0
    for _ in range(500):
        damaged = bytearray(whole[: chance.randrange(1, len(whole))] if chance.random() < 0.2 else whole)
        for _ in range(chance.randrange(5)):
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        path.write_bytes(damaged)
        try:
            load_legacy_npy(path)
        except InputError as error:
            assert type(error) is InputError
            refused += 1
    assert refused > 100


def crafted(path, value):
    """A `.npy` file of objects whose pickle is `value`."""
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "|O", "fortran_order": False, "shape": ()})
        file.write(value)
    return path


def test_a_class_cannot_be_changed(tmp_path):
    before = Counter.most_common
    change = b"\x80\x02ccollections\nCounter\nN}X\x0b\x00\x00\x00most_commonK\x05s\x86b."
    with pytest.raises(InputError, match="is refused"):
        load_legacy_npy(crafted(tmp_path / "x.npy", change))
    assert Counter.most_common is before


def test_a_type_cannot_be_made_larger_than_its_data(tmp_path):
    # An array of one S8, whose type then claims 200 bytes: its eight bytes are all that may be read.
    grown = b"\x80\x02cnumpy\ndtype\nX\x02\x00\x00\x00S8K\x00K\x01\x87R(K\x03X\x01\x00\x00\x00|NNNK\xc8K\x01K\x00tb."
    array = PlainType("S8", 0, 1)
    array.__setstate__((3, "|", None, None, None, 200, 1, 0))
    assert array.type.itemsize == 8
    value = load_legacy_npy(crafted(tmp_path / "x.npy", grown))
    assert value.type.itemsize == 8


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
    path = saved(tmp_path, {"A": [1, CreatesFolder(tmp_path / "created")]})
    with pytest.raises(InputError, match="nothing in it was run"):
        load_dictionary(path)
    assert not (tmp_path / "created").exists()


def test_a_missing_dictionary(tmp_path):
    with pytest.raises(InputError, match=r"there is no file .*a\.npy"):
        load_dictionary(tmp_path / "a.npy")
    with pytest.raises(VocabularyError, match="no gloss dictionary at"):
        load_dictionary(tmp_path / "a.txt")


def nest(times: int, inner: object = 1) -> object:
    """A list that holds the next one ten times, and so on."""
    for _ in range(times):
        inner = [inner] * 10
    return inner


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    ("content", "said"),
    [
        (nest(9), "its containers hold more than 1,000,000 values"),
        ({"A": nest(9)}, "its containers hold more than 1,000,000 values"),
        ({"A": np.array([nest(9), 1], dtype=object)}, "its containers hold more than 1,000,000 values"),
        (nest(40), "its containers lie more than 32 deep"),
    ],
)
def test_what_stands_in_many_places_is_not_followed_for_ever(tmp_path, content, said):
    path = crafted(tmp_path / "gloss_dict.npy", pickle.dumps(content, 2))
    with pytest.raises(InputError, match=rf"gloss_dict\.npy is refused: {said}"):
        load_dictionary(path)


def test_a_list_within_itself_and_one_level_too_many_for_python(tmp_path):
    within: list = []
    within.append(within)
    for value in (pickle.dumps(within, 2), b"]" * 5000 + b"a" * 4999 + b"."):
        with pytest.raises(InputError):
            load_legacy_npy(crafted(tmp_path / "x.npy", value))


def test_what_stands_in_two_places_is_read_in_both(tmp_path):
    shared = [np.arange(2), "x"]
    read = load_legacy_npy(crafted(tmp_path / "x.npy", pickle.dumps({"a": shared, "b": (shared, 1)}, 2)))
    assert read["a"] is read["b"][0]
    assert read["a"][0].tolist() == [0, 1]


def test_a_number_for_a_value_does_not_cost_memory(tmp_path):
    """Python's own reader would make room for 4 thousand million values."""
    with pytest.raises(InputError, match=r"4,294,967,295 values in 9 bytes"):
        load_legacy_npy(crafted(tmp_path / "x.npy", b"\x80\x02]r\xff\xff\xff\xff."))


def test_messages_are_short_whatever_is_in_the_file(tmp_path):
    for content in (
        {f"G{number}": [number + 2, 1] for number in range(20_000)},
        {f"G{number}": [1, 1] for number in range(20_000)},
        {"A" * 100_000: "B" * 100_000},
        {"A": {str(number): number for number in range(100_000)}},
    ):
        np.save(tmp_path / "gloss_dict.npy", content)
        with pytest.raises(VocabularyError) as error:
            load_dictionary(tmp_path / "gloss_dict.npy")
        assert len(str(error.value)) < 600


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "x.npy")
    with pytest.raises(InputError, match="a folder, a pipe or a device"):
        load_legacy_npy(tmp_path / "x.npy")
