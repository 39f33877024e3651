"""What readers share: finding the root, reading tables, and the messages about mistakes in them."""

from pathlib import Path

import pytest

from preprocess.corpora.corpus import PreparationError
from preprocess.corpora.registry import CORPORA
from tests.helpers import corpora as tiny
from tests.helpers.corpora import BUILDERS, PHOENIX_CSV, T_CSV
from tests.helpers.diagnosis import edit

RELEASED = [name for name in CORPORA if name != "custom"]

# The root


@pytest.mark.parametrize("name", RELEASED)
def test_missing_root_says_what_to_link_and_where_to_get_it(tmp_path, name):
    root = tmp_path / "dataset" / name
    with pytest.raises(PreparationError, match=r"no .* corpus at") as caught:
        CORPORA[name].read(root)
    message = str(caught.value)
    assert "ln -sfn /path/to/" in message
    assert str(root) in message
    assert "http" in message
    assert "--dataset-root" in message


def test_dangling_link_is_named(tmp_path):
    (tmp_path / "phoenix2014").symlink_to("/nowhere/phoenix2014-release")
    with pytest.raises(PreparationError, match="link to /nowhere/phoenix2014-release, which does not exist"):
        CORPORA["phoenix2014"].read(tmp_path / "phoenix2014")


@pytest.mark.parametrize("name", RELEASED)
@pytest.mark.parametrize("above", ["release", "downloads/release"])
def test_link_too_high_names_the_right_level(tmp_path, name, above):
    right = BUILDERS[name](tmp_path / "disk" / above)
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "disk")
    with pytest.raises(PreparationError, match="too high") as caught:
        CORPORA[name].read(link)
    assert f"ln -sfn {right} {link}" in str(caught.value)


@pytest.mark.parametrize(
    ("name", "below"),
    [
        ("phoenix2014", "phoenix-2014-multisigner"),
        ("phoenix2014", "phoenix-2014-multisigner/features/fullFrame-210x260px"),
        ("phoenix2014-T", "features"),
        ("CSL-Daily", "sentence/frames_512x512"),
        ("CSL", "color/000"),
    ],
)
def test_link_too_low_names_the_right_level(tmp_path, name, below):
    right = BUILDERS[name](tmp_path / "release")
    with pytest.raises(PreparationError, match="too low") as caught:
        CORPORA[name].read(right / below)
    assert f"--dataset-root {right}" in str(caught.value)
    assert "ln -sfn" not in str(caught.value)


def test_folder_of_something_else(tmp_path):
    with pytest.raises(PreparationError, match="holds no annotations/manual: is this PHOENIX2014-T"):
        CORPORA["phoenix2014-T"].read(tmp_path)


# The tables


@pytest.mark.parametrize(
    ("name", "table"),
    [
        ("phoenix2014", PHOENIX_CSV.format("dev")),
        ("phoenix2014-T", T_CSV.format("test")),
        ("CSL-Daily", "split_1.txt"),
        ("CSL-Daily", "video_map.txt"),
        ("CSL", "dev.txt"),
    ],
)
def test_missing_table_is_named(tmp_path, name, table):
    (BUILDERS[name](tmp_path) / table).unlink()
    with pytest.raises(PreparationError, match=f"no file .*{Path(table).name}"):
        CORPORA[name].read(tmp_path)


@pytest.mark.parametrize(
    ("name", "table", "old", "new", "message"),
    [
        ("phoenix2014", PHOENIX_CSV.format("dev"), "id|folder", "name|folder", r"first line must be 'id\|folder\|"),
        ("phoenix2014", PHOENIX_CSV.format("dev"), "|Signer04|", "|", r"dev\.corpus\.csv:2: 3 fields where"),
        ("phoenix2014", PHOENIX_CSV.format("dev"), "REGEN SONNE", "  ", r"dev\.corpus\.csv:2: .* has no gloss"),
        ("phoenix2014", PHOENIX_CSV.format("dev"), "Signer04", "", r"dev\.corpus\.csv:2: the signer must be one word"),
        ("phoenix2014", PHOENIX_CSV.format("test"), "\n04April", "\n../04April", r"corpus\.csv:2: .* name of a folder"),
        ("phoenix2014-T", T_CSV.format("train"), "|-1|-1|Signer08|MEIN", "|-1|Signer08|MEIN", r"csv:3: 6 fields"),
        ("CSL-Daily", "split_1.txt", "|dev", "|valid", r"split_1\.txt:4: the split must be one of train, dev, test"),
        ("CSL-Daily", "split_1.txt", "S000021", "S999999", r"split_1\.txt:4: S999999_P0001_T00 has no row"),
        ("CSL-Daily", "video_map.txt", "|postag", "", r"video_map\.txt: the first line must be"),
        ("CSL", "train.txt", "0|我们 喜欢 你", "0 我们", r"train\.txt:1: not of the form <video folder>\|<glosses>"),
        ("CSL", "train.txt", "|你 你", "|", r"train\.txt:2: .* has no gloss"),
    ],
)
def test_malformed_rows_are_named(tmp_path, name, table, old, new, message):
    edit(BUILDERS[name](tmp_path) / table, old, new)
    with pytest.raises(PreparationError, match=message):
        CORPORA[name].read(tmp_path)


@pytest.mark.parametrize(
    ("name", "table", "old", "new"),
    [
        ("phoenix2014", PHOENIX_CSV.format("test"), "default-2|", "default-1|"),
        ("phoenix2014", PHOENIX_CSV.format("dev"), "03April_2010_Saturday", "01April_2010_Thursday"),
        ("phoenix2014-T", T_CSV.format("train"), "tagesschau-3", "tagesschau-2"),
        ("CSL-Daily", "split_1.txt", "S000021_P0001_T00", "S000020_P0000_T00"),
        ("CSL-Daily", "video_map.txt", "S000021_P0001_T00", "S000020_P0000_T00"),
        ("CSL", "dev.txt", "P03_s1_00_0", "P01_s1_00_0"),
    ],
    ids=["same split", "two splits", "T", "split_1", "video_map", "CSL"],
)
def test_duplicate_ids_are_refused(tmp_path, name, table, old, new):
    edit(BUILDERS[name](tmp_path) / table, old, new)
    with pytest.raises(PreparationError, match="duplicate"):
        CORPORA[name].read(tmp_path)


@pytest.mark.parametrize("text", ["", "id|folder|signer|annotation\n", "\n\n"])
def test_empty_tables_are_refused(tmp_path, text):
    (tiny.phoenix2014(tmp_path) / PHOENIX_CSV.format("dev")).write_text(text)
    with pytest.raises(PreparationError, match=r"dev\.corpus\.csv"):
        CORPORA["phoenix2014"].read(tmp_path)


def test_a_split_without_recordings_is_refused(tmp_path):
    tiny.csl_daily(tmp_path)
    edit(tmp_path / "split_1.txt", "|test", "|dev")
    with pytest.raises(PreparationError, match="test split has no recording"):
        CORPORA["CSL-Daily"].read(tmp_path)


def test_tables_in_other_encodings(tmp_path):
    table = tiny.phoenix2014_t(tmp_path) / T_CSV.format("train")
    text = table.read_text(encoding="utf-8")
    table.write_bytes(text.encode("utf-8-sig").replace(b"\n", b"\r\n"))
    assert CORPORA["phoenix2014-T"].read(tmp_path).splits["train"][0].glosses == ("DRUCK", "TIEF")
    table.write_bytes(text.encode("latin-1"))
    with pytest.raises(PreparationError, match=r"train\.corpus\.csv is not a readable UTF-8"):
        CORPORA["phoenix2014-T"].read(tmp_path)
