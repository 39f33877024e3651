"""Frame features on disk in place of frames."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch

import engine.features
from config.load import ConfigError
from dataset.features import feature_file, read_features, write_features
from dataset.frames import FrameError
from dataset.manifest import Manifest
from engine.run import run
from tests.helpers.config import tiny_config
from utils.checkpoint import load_checkpoint, save_checkpoint
from utils.errors import InputError
from utils.temporal import TemporalSpec

FEATURES = {"num_epoch": 1, "test_batch_size": 2, "loss_weights.AuxCTC": 0}


@pytest.fixture(scope="module")
def setting(prepared, random_checkpoint, tmp_path_factory):
    """(configuration of the test phase, folder of features) of a network with random weights."""
    folder = tmp_path_factory.mktemp("features")
    config = tiny_config(prepared, folder / "run", **FEATURES, load_weights=str(random_checkpoint), phase="test")
    assert run(replace(config, phase="features")) == []
    return config, folder / "run" / "features"


def on_features(config, folder, **changes):
    feeder = replace(config.feeder_args, datatype="features", features=str(folder))
    return replace(config, feeder_args=feeder, **changes)


def test_every_clip_of_every_split_has_a_file_of_its_own_length(setting, prepared):
    _, folder = setting
    spec = TemporalSpec()
    for split in ("train", "dev", "test"):
        clips = Manifest.load(prepared / f"{split}.json").clips
        assert len(list((folder / split).iterdir())) == len(clips)
        for clip in clips:
            features, frames = read_features(feature_file(folder, split, clip.id))
            assert frames == clip.num_frames
            assert features.shape == (spec.padded_length(frames), 8 * 16)


def test_evaluating_features_gives_what_evaluating_frames_gives(setting, tmp_path):
    config, folder = setting
    frames = run(replace(config, work_dir=str(tmp_path / "frames")))
    features = run(on_features(config, folder, work_dir=str(tmp_path / "features")))
    assert [of.split for of in features] == ["dev", "test"]
    for of_frames, of_features in zip(frames, features, strict=True):
        assert of_frames.results == of_features.results
        assert of_frames.hypotheses == of_features.hypotheses
        assert any(of_frames.hypotheses["sequence"].values())  # random weights read something, so this can fail


def test_training_on_features_leaves_the_backbone_and_makes_a_network_for_frames(setting, tmp_path):
    config, folder = setting
    before = load_checkpoint(config.load_weights)["model_state_dict"]
    trained = run(on_features(config, folder, phase="train", work_dir=str(tmp_path / "run")))
    after = load_checkpoint(tmp_path / "run" / "best.pt")["model_state_dict"]
    changed = {name.split(".")[0] for name in before if not torch.equal(before[name], after[name])}
    assert changed == {"conv1d", "classifier", "temporal_model"}
    weights = str(tmp_path / "run" / "best.pt")
    frames = run(replace(config, load_weights=weights, work_dir=str(tmp_path / "test")))
    assert [of.results for of in frames] == [of.results for of in trained]


def test_settings_that_contradict_features(setting, prepared):
    config, folder = setting

    def mistakes(**changes):
        with pytest.raises(ConfigError) as error:
            tiny_config(prepared, **FEATURES | {"feeder_args.datatype": "features"} | changes)
        return str(error.value)

    assert "needs `features`" in mistakes()
    given = {"feeder_args.features": str(folder), "load_weights": "x.pt"}
    assert "AuxCTC" in mistakes(**given, **{"loss_weights.AuxCTC": 1.0})
    assert "set feeder_args.datatype to video" in mistakes(**given, phase="features")
    assert "mask_padding" in mistakes(**given, **{"model_args.mask_padding": False})
    assert "load_weights" in mistakes(**{"feeder_args.features": str(folder)})
    with pytest.raises(ConfigError, match="--phase features needs --load-weights"):
        run(replace(config, phase="features", load_weights=None))


def test_missing_damaged_and_misfitting_files(setting, tmp_path):
    config, folder = setting
    dev = Manifest.load(config.prepared + "/dev.json").clips
    with pytest.raises(FrameError, match=f"3 of 3 clips of dev have no features .*{dev[0].id}"):
        run(on_features(config, tmp_path / "nowhere", work_dir=str(tmp_path / "run")))
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    broken = feature_file(copy, "dev", dev[1].id)
    broken.write_bytes(broken.read_bytes()[:500])
    with pytest.raises(FrameError, match="is damaged or holds no features"):
        run(on_features(config, copy, work_dir=str(tmp_path / "run")))
    write_features(broken, np.zeros((40, 128), np.float32), 20)
    with pytest.raises(FrameError, match="holds 40 features of 20 frames"):
        run(on_features(config, copy, work_dir=str(tmp_path / "run")))
    write_features(broken, np.zeros((40,), np.float32), 20)
    with pytest.raises(FrameError, match=r"expected float32 \(frames, channels\)"):
        read_features(broken)


def test_features_of_another_network_or_setting_or_not_all_of_them_are_refused(setting, tmp_path):
    config, folder = setting
    content = load_checkpoint(config.load_weights)
    content["model_state_dict"]["conv2d.alpha"] = content["model_state_dict"]["conv2d.alpha"] + 1
    other = str(tmp_path / "other.pt")
    save_checkpoint(other, content)
    for phase in ("test", "train"):
        mixed = on_features(config, folder, phase=phase, load_weights=other, work_dir=str(tmp_path / "run"))
        with pytest.raises(FrameError, match=r"computed with something else \(backbone [0-9a-f]{64} there"):
            run(mixed)
    feeder = replace(on_features(config, folder).feeder_args, image_scale=0.9)
    with pytest.raises(FrameError, match=r"\(image_scale 1.0 there, 0.9 here\)"):
        run(replace(config, feeder_args=feeder, work_dir=str(tmp_path / "run")))
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    source = json.loads((copy / "features.json").read_text())
    (copy / "features.json").write_text(json.dumps(source | {"channels": 512}))
    with pytest.raises(FrameError, match=r"\(channels 512 there, 128 here\)"):
        run(on_features(config, copy, work_dir=str(tmp_path / "run")))
    (copy / "features.json").write_text("{")
    with pytest.raises(FrameError, match="cannot be read"):
        run(on_features(config, copy, work_dir=str(tmp_path / "run")))
    (copy / "features.json").unlink()
    with pytest.raises(FrameError, match="which --phase features writes at its end"):
        run(on_features(config, copy, work_dir=str(tmp_path / "run")))


def test_an_interrupted_extraction_leaves_nothing_that_looks_complete(setting, tmp_path, monkeypatch):
    config, folder = setting
    again = replace(config, phase="features", work_dir=str(tmp_path / "run"))
    shutil.copytree(folder, tmp_path / "run" / "features")

    def full(*_):
        raise OSError("no space left")

    monkeypatch.setattr(engine.features, "write_features", full)
    with pytest.raises(OSError, match="no space left"):
        run(again)
    assert not (tmp_path / "run" / "features" / "features.json").exists()


def test_memory_that_runs_out_is_said_with_the_split_and_the_remedy(setting, tmp_path, monkeypatch):
    config, _ = setting

    def run_out(*_):
        raise RuntimeError("cuDNN error: CUDNN_STATUS_NOT_INITIALIZED")

    monkeypatch.setattr("slr_network.SLRModel.frame_features", run_out)
    with pytest.raises(InputError, match=r"probably ran out .* while features of train were computed; lower test_"):
        run(replace(config, phase="features", work_dir=str(tmp_path / "run")))
