import re
import shutil
from dataclasses import replace

import cv2
import lmdb
import numpy as np
import pytest
import torch

from config.load import load_config
from dataset.frames import FrameError, read_frames
from dataset.manifest import Clip, Manifest
from dataset.pack_index import INDEX, clip_key, seal
from dataset.packed import Pack, pack_path
from preprocess.pack import pack
from tests.helpers.loading import build_loader, load_manifest, load_vocabulary


@pytest.fixture(scope="module")
def packed(prepared, tmp_path_factory):
    """The prepared corpus, packed, its folders gone but for the manifests' names of them."""
    own = shutil.copytree(prepared, tmp_path_factory.mktemp("packed") / "corpus")
    pack(own)
    for split in ("train", "dev", "test"):
        shutil.rmtree(own / "frames" / split)
    return own


@pytest.fixture
def jpegs(tmp_path):
    """(manifest, pack file) of two clips of three JPEGs each, which have no checksums of their own."""
    rng = np.random.default_rng(0)
    for clip in ("a", "b"):
        (tmp_path / clip).mkdir()
        for number in (1, 2, 10):
            cv2.imwrite(str(tmp_path / clip / f"{number}.jpg"), rng.integers(0, 256, (32, 32, 3), dtype=np.uint8))
    manifest = Manifest("CSL", "train", 32, tuple(Clip(c, c, "s", ("A",), 3) for c in ("a", "b")), tmp_path)
    manifest.save(tmp_path / "train.json")
    pack(tmp_path)
    return manifest, pack_path(tmp_path, "train")


def batches(prepared, split, training, **changes):
    overrides = {"prepared": str(prepared), "feeder_args.input_size": 64, "num_worker": 0, "batch_size": 3} | changes
    config = load_config(None, overrides)[0]
    loader = build_loader(config, load_manifest(config, split), load_vocabulary(config), training)
    loader.sampler.epoch = 2
    return list(loader)


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("split", ["train", "test"])
def test_batches_are_those_of_the_folders(prepared, packed, split, workers):
    training = split == "train"
    expected = batches(prepared, split, training)
    found = batches(packed, split, training, **{"feeder_args.datatype": "lmdb", "num_worker": workers})
    assert [batch.ids for batch in found] == [batch.ids for batch in expected]
    assert sum(len(batch.ids) for batch in found) == len(Manifest.load(packed / f"{split}.json").clips)
    for one, other in zip(found, expected, strict=True):
        assert torch.equal(one.video, other.video)
        assert torch.equal(one.lengths, other.lengths)


def test_indices_as_in_folders(jpegs):
    manifest, path = jpegs
    frames, folder = Pack(path).open_clip("b"), manifest.clip_folder(manifest.clips[1])
    assert frames.names == ["1.jpg", "2.jpg", "10.jpg"]
    for indices in (None, [2, 0, 2], [1]):
        np.testing.assert_array_equal(read_frames(frames, indices, 16), read_frames(folder, indices, 16))
    with pytest.raises(FrameError, match=r"frame 3 was asked for, but clip b of .*train\.lmdb holds 3 \(0 to 2\)"):
        read_frames(frames, [3])
    with pytest.raises(FrameError, match=r"no frame was asked for, of the 3 in clip b of "):
        read_frames(frames, [])


def test_a_changed_bit_is_found_and_named(jpegs):
    manifest, path = jpegs
    image = (manifest.clip_folder(manifest.clips[1]) / "2.jpg").read_bytes()
    data = bytearray(path.read_bytes())
    place = data.index(image) + len(image) // 2
    data[place] ^= 1
    path.write_bytes(data)
    frames = Pack(path).open_clip("b")
    read_frames(Pack(path).open_clip("a"))
    read_frames(frames, [0, 2])
    remedy = rf"delete {path} and pack it again with `python -m preprocess\.pack --prepared {manifest.home}`"
    with pytest.raises(FrameError, match=rf"the image 2\.jpg of clip b of {path} is damaged .*: {remedy}"):
        read_frames(frames)


@pytest.mark.parametrize("key", [b'"version"', b'"names"'])
def test_a_changed_bit_in_an_index_is_found(jpegs, key):
    _, path = jpegs
    data = path.read_bytes()
    path.write_bytes(data.replace(key, key.upper()))
    with pytest.raises(
        FrameError, match=r"train\.lmdb is damaged \(the checksum of its index differs\): pack it again"
    ):
        Pack(path).open_clip("a")


@pytest.mark.parametrize("part", [0.0, 0.01, 0.3, 0.7, 0.999])
def test_a_truncated_file_is_found_at_once(jpegs, part):
    _, path = jpegs
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * part)])
    with pytest.raises(FrameError, match=r"train\.lmdb is damaged .*: pack it again"):
        Pack(path)


def test_a_file_of_another_kind_and_none(jpegs):
    _, path = jpegs
    path.write_bytes(b"not a pack " * 5000)
    with pytest.raises(FrameError, match=r"train\.lmdb is damaged"):
        Pack(path)
    path.unlink()
    with pytest.raises(FrameError, match=r"there is no .*train\.lmdb .*: pack it again with `python -m preproc"):
        Pack(path)


def test_clips_and_frames_that_a_pack_lacks_are_named_before_anything_is_read(packed):
    overrides = {"feeder_args.datatype": "lmdb", "feeder_args.input_size": 64, "num_worker": 0}
    config = load_config(None, {"prepared": str(packed), **overrides})[0]
    manifest, vocabulary = load_manifest(config, "dev"), load_vocabulary(config)
    first, second, third = manifest.clips
    more = replace(manifest, clips=(first, replace(second, num_frames=999), replace(third, id="new")))
    with pytest.raises(
        FrameError,
        match=rf"dev\.lmdb lacks 2 of 3 clips of dev.*: {second.id} \({second.num_frames} frames, not 999\), "
        rf"new \(no frames, not {third.num_frames}\): pack it again",
    ):
        build_loader(config, more, vocabulary, training=False)
    with pytest.raises(FrameError, match=r"packed at 72x72 pixels, the corpus is now prepared at 80x80: pack it again"):
        build_loader(config, replace(manifest, frame_size=80), vocabulary, training=False)
    build_loader(config, replace(manifest, clips=(third, first)), vocabulary, training=False)  # a part of it will do
    with pytest.raises(FrameError, match=r"has no clip new"):
        Pack(pack_path(packed, "dev")).open_clip("new")


def test_a_pack_that_was_replaced_is_read_anew(jpegs):
    manifest, path = jpegs
    old = Pack(path)
    before = read_frames(old.open_clip("a"))
    cv2.imwrite(str(manifest.clip_folder(manifest.clips[0]) / "1.jpg"), np.zeros((32, 32, 3), np.uint8))
    pack(manifest.home)
    after = read_frames(Pack(path).open_clip("a"))
    assert before[0].any()
    assert not after[0].any()
    np.testing.assert_array_equal(before[1:], after[1:])
    with pytest.raises(FrameError, match="packed anew since it was opened: start again"):
        old.open_clip("a")


def test_another_version_is_refused(jpegs, monkeypatch):
    _, path = jpegs
    monkeypatch.setattr("dataset.packed.VERSION", 2)
    with pytest.raises(FrameError, match="has version 1, version 2 is needed: pack it again"):
        Pack(path)


def test_a_pack_may_lie_in_a_folder_of_any_name(packed, tmp_path):
    moved = shutil.copytree(packed, tmp_path / "caf\udce9")
    name = Manifest.load(moved / "train.json").clips[0].id
    there, here = (Pack(pack_path(home, "train")).open_clip(name) for home in (moved, packed))
    assert np.array_equal(read_frames(there), read_frames(here))


CLIPS = {"a": {"number": 0, "frames": 3, "stamp": 1}, "b": {"number": 1, "frames": 3, "stamp": 1}}
IMAGES = {"names": ["1", "2", "3"], "ends": [1, 2, 3], "checksums": [0, 0, 0]}


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        (INDEX, [1], "has version None, version 1 is needed"),
        (INDEX, {"version": "1"}, "has version '1', version 1 is needed"),
        (INDEX, {"version": 1, "frame_size": 32}, "index is wrong: clips: field required"),
        (INDEX, {"version": 1, "frame_size": "32", "clips": CLIPS}, "index is wrong: frame_size: input should be a"),
        (INDEX, {"version": 1, "frame_size": 32, "clips": [1]}, "index is wrong: clips: input should be a valid dict"),
        (INDEX, {"version": 1, "frame_size": 32, "clips": CLIPS | {"a": {"number": 0}}}, "index is wrong: clips.a.fra"),
        (INDEX, {"version": 1, "frame_size": 32, "clips": CLIPS | {"a": CLIPS["a"] | {"number": -1}}}, "clips.a.numbe"),
        (INDEX, {"version": 1, "frame_size": 32, "clips": CLIPS | {"a": CLIPS["a"] | {"number": 9}}}, "is missing"),
        (
            INDEX,
            {"version": 1, "frame_size": 32, "clips": CLIPS | {"a": CLIPS["a"] | {"frames": 2}}},
            "images, not 2",
        ),
        (clip_key(0), 3, "index is wrong: it: input should be a dictionary"),
        (clip_key(0), IMAGES | {"names": [1, 2, 3]}, "index is wrong: names.0"),
        (clip_key(0), IMAGES | {"ends": [1, 2]}, "do not belong together"),
        (clip_key(0), IMAGES | {"ends": [3, 2, 1]}, "do not belong together"),
        (clip_key(0), {"names": [], "ends": [], "checksums": []}, "do not belong together"),
        (clip_key(0), IMAGES | {"checksums": ["0", 0, 0]}, "index is wrong: checksums.0"),
    ],
)
def test_an_index_that_is_wrong_under_a_right_checksum(jpegs, key, value, said):
    _, path = jpegs
    with lmdb.open(str(path), subdir=False, lock=False) as environment, environment.begin(write=True) as transaction:
        transaction.put(key, seal(value))
    with pytest.raises(FrameError, match=rf"train\.lmdb .*{re.escape(said)}.*pack it again"):
        Pack(path).open_clip("a")
