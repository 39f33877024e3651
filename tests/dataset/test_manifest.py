import json
from dataclasses import replace
from pathlib import Path

import pytest

from dataset.manifest import Clip, Manifest, ManifestError, load_manifest

CLIPS = (
    Clip("a-1", "frames/dev/a-1", "Signer01", ("SÜD", "今天"), 16),
    Clip("b-2", "/corpus/dev/b-2/1", "Signer02", (), 27),
)
MANIFEST = Manifest("phoenix2014", "dev", 256, CLIPS)


def written(path: Path, **changes) -> Path:
    """The manifest as JSON with changes to its first clip (or, for keys that clips lack, to the whole)."""
    MANIFEST.save(path)
    content = json.loads(path.read_text(encoding="utf-8"))
    for key, value in changes.items():
        (content["clips"][0] if key in content["clips"][0] else content)[key] = value
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def test_round_trip(tmp_path):
    path = tmp_path / "preprocess" / "phoenix2014" / "dev.json"
    MANIFEST.save(path)
    loaded = Manifest.load(path)
    assert loaded == MANIFEST
    assert "今天" in path.read_text(encoding="utf-8")
    assert str(tmp_path) not in path.read_text(encoding="utf-8")


def test_relative_folders_start_at_the_manifest(tmp_path):
    MANIFEST.save(tmp_path / "dev.json")
    loaded = Manifest.load(tmp_path / "dev.json")
    assert loaded.clip_folder(loaded.clips[0]) == tmp_path / "frames/dev/a-1"
    assert loaded.clip_folder(loaded.clips[1]) == Path("/corpus/dev/b-2/1")


def test_a_moved_folder_still_works(tmp_path):
    MANIFEST.save(tmp_path / "old/dev.json")
    (tmp_path / "old").rename(tmp_path / "new")
    loaded = Manifest.load(tmp_path / "new/dev.json")
    assert loaded.clip_folder(loaded.clips[0]) == tmp_path / "new/frames/dev/a-1"


def test_missing_file_names_the_command(tmp_path):
    with pytest.raises(ManifestError, match=r"python -m preprocess\.prepare --dataset phoenix2014-T"):
        Manifest.load(tmp_path / "preprocess/phoenix2014-T/train.json")
    with pytest.raises(ManifestError, match=r"--dataset NAME --output .*elsewhere"):
        Manifest.load(tmp_path / "elsewhere/train.json")
    quickstart = tmp_path / "preprocess/quickstart"  # the name of a folder there, but of no corpus
    with pytest.raises(ManifestError, match=r"--dataset NAME --output .*quickstart"):
        Manifest.load(quickstart / "train.json")
    with pytest.raises(ManifestError, match=r"--dataset phoenix2014 --output .*quickstart"):
        load_manifest(quickstart, "phoenix2014", "train")


@pytest.mark.parametrize("content", ["", "[1]", "{", '{"clips": 1}', "[" * 9999, '{"clips": [], "clips": []}', "NaN"])
def test_no_json_object(tmp_path, content):
    (tmp_path / "dev.json").write_text(content)
    with pytest.raises(ManifestError, match=r"dev\.json"):
        Manifest.load(tmp_path / "dev.json")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_frames": 0}, r"clip 1 \(a-1\): num_frames must be at least 1, but is 0"),
        ({"num_frames": "16"}, r"clip 1 \(a-1\): num_frames must be a whole number, but is '16'"),
        ({"num_frames": True}, r"num_frames .*True"),
        ({"glosses": "A B"}, r"clip 1 \(a-1\): glosses must be a list"),
        ({"glosses": ["A", 3]}, r"clip 1 \(a-1\): glosses must be a list of words"),
        ({"signer": None}, r"clip 1 \(a-1\): signer"),
        ({"folder": ""}, r"clip 1 \(a-1\): folder .*empty"),
        ({"id": "b-2"}, "same id: b-2"),
        ({"clips": []}, "lists no clip"),
        ({"clips": {"a-1": {}}}, "clips must be a list"),
        ({"clips": ["a-1"]}, "clip 1 must be an object"),
        ({"frame_size": 256.0}, "frame_size must be a whole number, but is 256.0"),
        ({"frame_size": 0}, "frame_size must be at least 1"),
        ({"folder": "a\0b"}, r"clip 1 \(a-1\): folder: 'a\\x00b' holds a character of value zero"),
        ({"frame_size": 1_000_000}, "frame_size must be a size or length that pictures and clips have, but is 1000000"),
        ({"num_frames": 10**9}, r"clip 1 \(a-1\): num_frames must be a size or length .*, but is 1000000000"),
    ],
)
def test_malformed_entries_are_named(tmp_path, changes, message):
    path = written(tmp_path / "dev.json", **changes)
    with pytest.raises(ManifestError, match=message) as caught:
        Manifest.load(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("entry", [3, None, [], "a", "b\udcfc", {"b\udcfc": 1}])
def test_an_entry_that_is_no_clip_is_shown(tmp_path, entry):
    content = {"dataset": "x", "split": "dev", "frame_size": 8, "clips": [entry]}
    (tmp_path / "dev.json").write_text(json.dumps(content))
    with pytest.raises(ManifestError, match=r"dev\.json, clip 1 "):
        Manifest.load(tmp_path / "dev.json")


def test_keys_that_mean_nothing_here_are_passed_over(tmp_path):
    path = written(tmp_path / "dev.json", home="/elsewhere", fps=25)
    assert Manifest.load(path) == MANIFEST
    assert Manifest.load(path).home == tmp_path


def test_missing_key_is_named(tmp_path):
    path = written(tmp_path / "dev.json")
    content = json.loads(path.read_text())
    del content["clips"][1]["signer"]
    path.write_text(json.dumps(content))
    with pytest.raises(ManifestError, match=r"clip 2 \(b-2\) has no 'signer'"):
        Manifest.load(path)


def test_duplicate_ids_are_refused_in_memory_too():
    with pytest.raises(ManifestError, match=r"phoenix2014 dev.*same id: a-1"):
        replace(MANIFEST, clips=(CLIPS[0], CLIPS[0]))


def test_labels_are_read_in_one_form_and_the_digest_is_of_what_is_stored(tmp_path):
    stored = (("a", 16, ["SU\u0308D", "A\u200b"]), ("b", 9, ["SÜD"]))
    content = {"dataset": "custom", "split": "train", "frame_size": 64, "clips": []}
    for name, frames, glosses in stored:
        clip = {"id": name, "folder": name, "signer": "p", "glosses": glosses, "num_frames": frames}
        content["clips"].append(clip)
    (tmp_path / "train.json").write_text(json.dumps(content), encoding="utf-8")
    manifest = Manifest.load(tmp_path / "train.json")
    assert [clip.glosses for clip in manifest.clips] == [("SÜD", "A\u200b"), ("SÜD",)]
    # Computed before labels were brought into one form: trainings that began then go on.
    assert manifest.digest() == "81bd2d6a945a724c12628884a6533dabec8f0736b7b1d59eff849985a5e8710f"
    manifest.save(tmp_path / "copy.json")
    assert Manifest.load(tmp_path / "copy.json").digest() == manifest.digest()


def test_folders_are_found_by_the_name_on_disk_and_need_not_be_utf8(tmp_path):
    nfc, nfd = "Gebärde", "Geba\u0308rde"
    (tmp_path / nfd).mkdir()
    clips = (replace(CLIPS[0], folder=nfc), replace(CLIPS[1], folder=str(tmp_path / "caf\udce9")))
    replace(MANIFEST, clips=clips).save(tmp_path / "dev.json")
    assert (tmp_path / "dev.json").read_bytes().decode("utf-8")
    loaded = Manifest.load(tmp_path / "dev.json")
    assert loaded.clip_folder(loaded.clips[0]) == tmp_path / nfd
    assert loaded.clip_folder(loaded.clips[1]) == tmp_path / "caf\udce9"


def test_the_frame_rate_is_kept_and_older_manifests_have_none(tmp_path):
    path = tmp_path / "dev.json"
    replace(MANIFEST, frame_rate=29.97).save(path)
    assert Manifest.load(path).frame_rate == 29.97
    assert Manifest.load(path).digest() == MANIFEST.digest()  # so that older runs can be resumed
    assert Manifest.load(written(path, frame_rate=30)).frame_rate == 30
    MANIFEST.save(path)
    assert Manifest.load(path).frame_rate is None
    for value, message in (("25", "a number"), (0, "above 0"), (-5.0, "above 0"), (2000.0, "at most 1000")):
        with pytest.raises(ManifestError, match=rf"frame_rate must be {message}, but is"):
            Manifest.load(written(path, frame_rate=value))
