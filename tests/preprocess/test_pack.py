import os
import shutil

import numpy as np
import pytest

from dataset.frames import list_frame_files, read_frames
from dataset.manifest import Manifest
from dataset.packed import Pack, pack_path
from preprocess import pack as pack_module
from preprocess import prepare as prepare_module
from preprocess.corpora.corpus import PreparationError
from preprocess.pack import pack
from preprocess.prepare import prepare

SPLITS = ["train", "dev", "test"]


@pytest.fixture
def own(prepared, tmp_path):
    """A copy of the prepared corpus that a test may change."""
    return shutil.copytree(prepared, tmp_path / "own")


def first_frame(prepared, split="dev"):
    manifest = Manifest.load(prepared / f"{split}.json")
    return list_frame_files(manifest.clip_folder(manifest.clips[0]))[0]


def states(prepared):
    return [(path.stat().st_ino, path.stat().st_mtime_ns) for path in (pack_path(prepared, s) for s in SPLITS)]


def test_every_frame_of_every_split_is_there_pixel_for_pixel(own):
    assert [(split.path, split.written) for split in pack(own)] == [(pack_path(own, name), True) for name in SPLITS]
    for name in SPLITS:
        manifest, packed = Manifest.load(own / f"{name}.json"), Pack(pack_path(own, name))
        packed.check_manifest(manifest)
        assert len(packed.clips) == len(manifest.clips)
        for clip in manifest.clips:
            frames = packed.open_clip(clip.id)
            paths = list_frame_files(manifest.clip_folder(clip))
            assert frames.names == [path.name for path in paths]
            np.testing.assert_array_equal(read_frames(frames), read_frames(manifest.clip_folder(clip)))
    assert sorted(path.name for path in (own / "frames").iterdir()) == sorted([*SPLITS, *(f"{s}.lmdb" for s in SPLITS)])


def test_what_has_not_changed_is_kept_and_what_has_is_packed_again(own):
    pack(own)
    before = states(own)
    assert [split.written for split in pack(own)] == [False] * 3
    assert states(own) == before
    image = first_frame(own)
    state = image.stat()
    os.utime(image, ns=(state.st_atime_ns, state.st_mtime_ns + 1))
    assert [split.written for split in pack(own)] == [False, True, False]


def test_a_pack_of_other_frames_is_deleted_by_preparing_again(corpus, tmp_path):
    out = tmp_path / "out"
    prepare("phoenix2014", corpus, out, True, frame_size=72)
    pack(out)
    assert prepare("phoenix2014", corpus, out, True, frame_size=72).resized == 0
    assert all(pack_path(out, name).is_file() for name in SPLITS)
    image = first_frame(out)
    image.write_bytes(image.read_bytes()[:100])  # damaged, so written again
    prepared = prepare("phoenix2014", corpus, out, True, frame_size=72)
    assert [pack_path(out, name).is_file() for name in SPLITS] == [True, False, True]
    assert any("packed from other frames" in note for note in prepared.notes)


def test_a_damaged_pack_is_written_again(own):
    pack(own)
    path = pack_path(own, "dev")
    path.write_bytes(path.read_bytes()[:5000])
    assert [split.written for split in pack(own)] == [False, True, False]
    Pack(path).check_manifest(Manifest.load(own / "dev.json"))


def test_what_a_killed_run_left_is_swept_and_the_old_file_survives_a_failure(own, monkeypatch):
    pack(own)
    before = states(own)
    left = own / "frames" / ".dev.x1y2.lmdb"
    left.write_bytes(b"half")
    first_frame(own).write_bytes(first_frame(own, "test").read_bytes())

    def fail(*_):
        raise OSError("disk on fire")

    with monkeypatch.context() as patched:
        patched.setattr(pack_module, "seal", fail)
        with pytest.raises(PreparationError, match="disk on fire"):
            pack(own)
    assert states(own) == before
    assert not list((own / "frames").glob(".*"))
    pack(own)
    changed = read_frames(Pack(pack_path(own, "dev")).open_clip(Manifest.load(own / "dev.json").clips[0].id), [0])
    np.testing.assert_array_equal(changed, read_frames(first_frame(own).parent, [0]))


def test_missing_frames_and_missing_room_are_errors(own, monkeypatch, tmp_path):
    with monkeypatch.context() as patched:
        patched.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(9, 9, 2**20))
        with pytest.raises(PreparationError, match=r"train\.lmdb needs 0\.0 GiB, 0\.0 GiB are free there"):
            pack(own)
    image = first_frame(own)
    image.unlink()
    clip = Manifest.load(own / "dev.json").clips[0]
    with pytest.raises(PreparationError, match=rf"{clip.id}: .* holds {clip.num_frames - 1} frames, the manifest says"):
        pack(own)
    with pytest.raises(PreparationError, match=r"no manifest at .*train\.json.*preprocess\.prepare"):
        pack(tmp_path / "nowhere")


def test_commands(own, corpus, tmp_path, capsys):
    assert pack_module.main(pack_module.parse_args(["--prepared", str(own)])) == 0
    assert pack_module.main(pack_module.parse_args(["--prepared", str(own)])) == 0
    written = capsys.readouterr().out.splitlines()
    assert written[1].startswith(f"{pack_path(own, 'dev')}  3 clips, ")
    assert written[1].endswith("packed now")
    assert written[5].endswith("kept")
    assert "feeder_args.datatype=lmdb" in written[3]
    assert pack_module.main(pack_module.parse_args(["--prepared", str(tmp_path / "nowhere")])) == 1
    assert "error: " in capsys.readouterr().err

    given = ["--dataset", "phoenix2014", "--dataset-root", str(corpus), "--output", str(tmp_path / "out")]
    given += ["--frame-size", "16", "--pack", "lmdb"]
    assert prepare_module.main(prepare_module.parse_args([*given, "--process-image"])) == 0
    assert f"{pack_path(tmp_path / 'out', 'test')}  3 clips" in capsys.readouterr().out
    Pack(pack_path(tmp_path / "out", "test")).check_manifest(Manifest.load(tmp_path / "out" / "test.json"))
    with pytest.raises(SystemExit):
        prepare_module.parse_args(given)
    assert "give both" in capsys.readouterr().err
