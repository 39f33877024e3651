import copy
import json
import pickle
from dataclasses import FrozenInstanceError

import pytest

from dataset.vocabulary import Vocabulary, VocabularyError

GLOSSES = ("ABEND", "__ON__", "今天", "SÜD", "11")


def test_ids_follow_the_order_from_one():
    vocabulary = Vocabulary(list(GLOSSES))
    assert vocabulary.glosses == GLOSSES
    assert (len(vocabulary), vocabulary.num_classes) == (5, 6)
    assert vocabulary.encode(GLOSSES) == [1, 2, 3, 4, 5]
    assert vocabulary.decode([5, 1, 1]) == ("11", "ABEND", "ABEND")
    assert vocabulary.encode([]) == []
    assert "SÜD" in vocabulary
    assert "WEST" not in vocabulary


def test_is_immutable_comparable_and_travels_to_workers():
    vocabulary = Vocabulary(GLOSSES, source="here")
    with pytest.raises(FrozenInstanceError):
        vocabulary.glosses = ()
    assert vocabulary == Vocabulary(list(GLOSSES), source="there")
    assert hash(vocabulary) == hash(Vocabulary(GLOSSES))
    assert pickle.loads(pickle.dumps(vocabulary)).encode(["11"]) == [5]
    assert copy.deepcopy(vocabulary) == vocabulary


@pytest.mark.parametrize("name", ["gloss_dict.txt", "voc.TXT"])
def test_save_and_load(tmp_path, name):
    Vocabulary(GLOSSES).save(tmp_path / name)
    assert (tmp_path / name).read_bytes() == "".join(f"{gloss}\n" for gloss in GLOSSES).encode()
    assert Vocabulary.load(tmp_path / name).glosses == GLOSSES


@pytest.mark.parametrize(
    "content",
    [
        b"A\nB",
        b"A\r\nB\r\n",
        b"\xef\xbb\xbfA\nB\n",
    ],
    ids=["no last line end", "windows", "byte order mark"],
)
def test_load_takes_text_from_other_editors(tmp_path, content):
    (tmp_path / "dict.txt").write_bytes(content)
    assert Vocabulary.load(tmp_path / "dict.txt").glosses == ("A", "B")


def test_load_takes_a_json_list(tmp_path):
    (tmp_path / "dict.json").write_text(json.dumps(GLOSSES, ensure_ascii=False), encoding="utf-8")
    assert Vocabulary.load(tmp_path / "dict.json").glosses == GLOSSES


def test_unknown_glosses_are_named_with_the_remedy(tmp_path):
    Vocabulary(GLOSSES).save(tmp_path / "gloss_dict.txt")
    vocabulary = Vocabulary.load(tmp_path / "gloss_dict.txt")
    with pytest.raises(VocabularyError) as caught:
        vocabulary.encode(["ABEND", "NORD", "WEST", "NORD"])
    message = str(caught.value)
    assert "NORD, WEST" in message
    assert "ABEND" not in message
    assert "gloss_dict.txt" in message
    assert "preprocess.prepare" in message
    assert isinstance(caught.value, ValueError)
    with pytest.raises(VocabularyError, match=r"G0, G1, G2, G3, G4, G5, G6, G7, G8, G9, and 19,990 more\. Labels"):
        vocabulary.encode(f"G{number}" for number in range(20_000))
    with pytest.raises(VocabularyError, match=r"\[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, and 19,990 more\]; its glosses"):
        vocabulary.decode([0] * 20_000)


@pytest.mark.parametrize("number", [0, 6, -1])
def test_decode_refuses_ids_without_a_gloss(number):
    with pytest.raises(VocabularyError, match=rf"\[{number}\].*1 to 5"):
        Vocabulary(GLOSSES).decode([1, number])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("A\nB\nA\n", "line 3: 'A' is already on line 1"),
        ("A\n\nB\n", "line 2 is empty"),
        ("A\n \t\nB\n", "line 2 is empty"),
        ("A\nB C\n", "line 2: 'B C' holds white space"),
        ("A\nB \n", "line 2: 'B ' holds white space"),
        ("\n\nA\nA\n", "line 1 is empty; line 2 is empty; line 4"),
        ("", "holds no gloss"),
    ],
)
def test_bad_lines_are_named(tmp_path, text, message):
    (tmp_path / "dict.txt").write_text(text)
    with pytest.raises(VocabularyError, match=message) as caught:
        Vocabulary.load(tmp_path / "dict.txt")
    assert "dict.txt" in str(caught.value)


@pytest.mark.parametrize("text", ['{"A": 1}', '["A", 2]', "[", "[" * 9999, '"A"'])
def test_bad_json_is_refused(tmp_path, text):
    (tmp_path / "dict.json").write_text(text)
    with pytest.raises(VocabularyError, match=r"dict\.json.*(JSON|levels)"):
        Vocabulary.load(tmp_path / "dict.json")


def test_missing_and_undecodable_files(tmp_path):
    with pytest.raises(VocabularyError, match=r"no gloss dictionary at .*preprocess\.prepare"):
        Vocabulary.load(tmp_path / "dict.txt")
    (tmp_path / "dict.txt").write_bytes("SÜD\n".encode("latin-1"))
    with pytest.raises(VocabularyError, match="UTF-8"):
        Vocabulary.load(tmp_path / "dict.txt")


def test_one_string_is_no_list_of_glosses():
    with pytest.raises(VocabularyError, match="one string"):
        Vocabulary("ABC")


NFC, NFD = "SÜD", "SU\u0308D"


def test_one_gloss_in_two_forms_is_one_gloss(tmp_path):
    vocabulary = Vocabulary(["ABEND", NFD])
    assert vocabulary.glosses == ("ABEND", NFC)
    assert vocabulary == Vocabulary(["ABEND", NFC])
    assert NFC in vocabulary
    assert NFD in vocabulary
    assert vocabulary.encode([NFC, NFD]) == [2, 2]
    assert vocabulary.decode([2]) == (NFC,)


def test_an_old_dictionary_with_both_forms_keeps_its_ids(tmp_path):
    path = tmp_path / "gloss_dict.txt"
    path.write_text(f"{NFD}\nABEND\n{NFC}\nA\u200b\n", encoding="utf-8")
    vocabulary = Vocabulary.load(path)
    assert (len(vocabulary), vocabulary.num_classes) == (4, 5)
    assert vocabulary.decode([1, 2, 3, 4]) == (NFC, "ABEND", NFC, "A\u200b")
    assert vocabulary.encode([NFC, NFD, "ABEND"]) == [1, 1, 2]
    vocabulary.save(tmp_path / "copy.txt")  # as it was, or it could not be read again
    assert (tmp_path / "copy.txt").read_bytes() == path.read_bytes()
    assert Vocabulary(vocabulary.stored) == vocabulary
    with pytest.raises(VocabularyError, match="is already on line 1"):
        Vocabulary([NFD, NFD])


def test_case_and_width_make_other_glosses():
    assert Vocabulary(["A", "a", "\uff21"]).encode(["\uff21", "a"]) == [3, 2]
