import json
import os

import pytest

from utils.errors import InputError
from utils.files import (
    atomic_folder,
    atomic_path,
    check_can_be_written,
    plain_path,
    real_path,
    set_aside,
    write_json,
    write_text,
)
from utils.table import format_table


def test_a_file_appears_whole(tmp_path):
    target = tmp_path / "new" / "a.txt"
    with atomic_path(target) as temporary:
        temporary.write_text("half")
        assert not target.exists()
        assert temporary.suffix == ".txt"
    assert target.read_text() == "half"
    assert list(target.parent.iterdir()) == [target]


def test_an_error_leaves_the_older_file(tmp_path):
    target = tmp_path / "a.txt"
    write_text(target, "old\n")
    with pytest.raises(RuntimeError, match="stop"), atomic_path(target) as temporary:
        temporary.write_text("new")
        raise RuntimeError("stop")
    assert target.read_text() == "old\n"
    assert list(tmp_path.iterdir()) == [target]


def test_text_is_utf8_with_unix_line_ends(tmp_path):
    write_text(tmp_path / "a.txt", "雨\n")
    assert (tmp_path / "a.txt").read_bytes() == "雨\n".encode()
    write_json(tmp_path / "a.json", {"gloss": "雨"})
    assert "雨" in (tmp_path / "a.json").read_text(encoding="utf-8")
    assert json.loads((tmp_path / "a.json").read_text(encoding="utf-8")) == {"gloss": "雨"}


def test_setting_a_file_aside_takes_the_first_free_name(tmp_path):
    for number in (1, 2):
        write_text(tmp_path / "a.txt", f"{number}\n")
        assert set_aside(tmp_path / "a.txt") == tmp_path / f"a-{number}.txt"
        assert (tmp_path / f"a-{number}.txt").read_text() == f"{number}\n"
        write_text(tmp_path / "a.txt", f"{number}\n")
        assert set_aside(tmp_path / "a.txt", "{stem}{suffix}.{number:03d}") == tmp_path / f"a.txt.00{number}"
    assert not (tmp_path / "a.txt").exists()


def test_what_cannot_be_written_is_known_before(tmp_path):
    (tmp_path / "folder.srt").mkdir()
    (tmp_path / "file").touch()
    (tmp_path / "loop").symlink_to("loop")
    for path, message in (
        (tmp_path / "folder.srt", "is a folder"),
        (tmp_path / "file" / "new" / "x.srt", "file: that is no folder"),
        (tmp_path / "loop" / "x.srt", "loop: that is no folder"),
        (tmp_path / ("x" * 300), "File name too long"),
    ):
        with pytest.raises(InputError, match=message):
            check_can_be_written(path)
    for path in (tmp_path / "new" / "x.srt", tmp_path / "file", "x.srt"):
        check_can_be_written(path)
    assert not (tmp_path / "new").exists()


def test_links_in_a_circle_are_no_error_until_they_are_opened(tmp_path):
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "link").symlink_to("target")
    assert real_path(tmp_path / "link") == real_path(tmp_path) / "target"
    assert real_path(tmp_path / "loop").name == "loop"


def test_tables_are_aligned():
    assert format_table(["split", "WER"], [["dev", "7.5 %"], ["  Signer01", "10.0 %"]]) == (
        "split          WER\ndev          7.5 %\n  Signer01  10.0 %"
    )


def test_files_are_valid_utf8_whatever_names_they_speak_of(tmp_path):
    value = {"video": "caf\udce9\ud83d.mp4", "gloss": 'Ä "我"'}
    write_text(tmp_path / "a.txt", value["video"])
    assert (tmp_path / "a.txt").read_bytes() == rb"caf\xE9\ud83d.mp4"
    write_json(tmp_path / "a.json", value)
    assert json.loads((tmp_path / "a.json").read_text("utf-8")) == value | {"video": r"caf\xE9\ud83d.mp4"}
    write_json(tmp_path / "b.json", value, keep_names=True)
    assert json.loads((tmp_path / "b.json").read_text("utf-8")) == value


UNDECODABLE = os.fsdecode(b"caf\xe9")


def test_libraries_get_a_path_that_utf8_can_spell(tmp_path):
    folder = tmp_path / UNDECODABLE
    folder.mkdir()
    for name in ("a.txt", f"{UNDECODABLE}.txt"):
        with atomic_path(folder / name) as temporary:
            str(temporary).encode()
            assert temporary.suffix == ".txt"
            temporary.write_text(name[:1], encoding="utf-8")
        assert (folder / name).read_text(encoding="utf-8") == name[:1]
        with plain_path(folder / name) as plain:
            assert str(plain).encode() != os.fsencode(folder / name)
            assert plain.read_text(encoding="utf-8") == name[:1]
            assert plain.suffix == ".txt"
        assert not plain.exists()
    with plain_path(folder) as plain:
        assert sorted(plain.iterdir()) == sorted(plain / path.name for path in folder.iterdir())
    assert len(list(folder.iterdir())) == 2
    with plain_path(tmp_path / "ä.txt") as plain:
        assert plain == tmp_path / "ä.txt"


def test_a_name_may_be_as_long_as_the_system_allows(tmp_path):
    name = 83 * "我" + ".txt"  # 253 bytes
    write_text(tmp_path / name, "a")
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_folder_appears_whole_or_not_at_all(tmp_path):
    with pytest.raises(RuntimeError, match="stop"), atomic_folder(tmp_path / "new/model") as temporary:
        (temporary / "half").write_text("h", encoding="utf-8")
        raise RuntimeError("stop")
    assert list((tmp_path / "new").iterdir()) == []
    with atomic_folder(tmp_path / "new/model") as temporary:
        assert temporary.parent == tmp_path / "new"  # a rename is done at once within one file system alone
        (temporary / "whole").write_text("w", encoding="utf-8")
    (tmp_path / "usual").mkdir()
    assert (tmp_path / "new/model").stat().st_mode == (tmp_path / "usual").stat().st_mode
    with pytest.raises(OSError), atomic_folder(tmp_path / "new/model"):
        pass
    assert [path.name for path in (tmp_path / "new").rglob("*")] == ["model", "whole"]


def test_a_folder_is_set_aside_as_a_file_is(tmp_path):
    for number in (1, 2):
        (tmp_path / "a.b").mkdir()
        assert set_aside(tmp_path / "a.b", "{stem}{suffix}-before-{number}") == tmp_path / f"a.b-before-{number}"
