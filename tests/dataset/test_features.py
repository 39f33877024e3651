"""Feature files that something else wrote, or that were damaged."""

import numpy as np
import pytest

from dataset.features import FeatureDataset, feature_file, read_features, write_features
from dataset.frames import FrameError
from dataset.manifest import Clip, Manifest
from utils.temporal import TemporalSpec

SPEC = TemporalSpec(2)
FRAMES = 20


@pytest.fixture
def folder(tmp_path):
    """Features of two clips, of four values each."""
    for name in ("a", "b"):
        features = np.ones((SPEC.padded_length(FRAMES), 4), np.float32)
        write_features(feature_file(tmp_path, "train", name), features, FRAMES)
    return tmp_path


def make_dataset(folder):
    clips = tuple(Clip(name, name, "Anna", ("A",), FRAMES) for name in ("a", "b"))
    return FeatureDataset(Manifest("phoenix2014", "train", 256, clips), [(1,), (1,)], folder, SPEC, 1)


def test_sound_features_are_read(folder):
    dataset = make_dataset(folder)
    assert dataset.frame_bytes == 16  # four values of four bytes
    assert dataset[(0, 1)].features.shape == (SPEC.padded_length(FRAMES), 4)


def test_a_clip_with_fewer_values_is_named(folder):
    file = feature_file(folder, "train", "b")
    write_features(file, np.ones((SPEC.padded_length(FRAMES), 3), np.float32), FRAMES)
    with pytest.raises(FrameError, match=r"b\.npz holds features of 3 values, .*a\.npz of 4"):
        make_dataset(folder)[(0, 1)]


def test_a_file_that_unpacks_to_more_than_it_has_is_refused(folder):
    file = feature_file(folder, "train", "a")
    np.savez_compressed(file, features=np.zeros((1000, 1000), np.float32), frames=FRAMES)
    with pytest.raises(FrameError, match="unpacks to more than it has"):
        read_features(file)


def test_values_that_are_not_finite_are_refused(folder):
    file = feature_file(folder, "train", "a")
    write_features(file, np.full((SPEC.padded_length(FRAMES), 4), np.nan, np.float32), FRAMES)
    with pytest.raises(FrameError, match="not finite"):
        read_features(file)


@pytest.mark.parametrize("name", ["../x", "a/../../x", "/x"])
def test_no_name_leads_out_of_the_folder(tmp_path, name):
    with pytest.raises(FrameError, match="leads out of the folder"):
        feature_file(tmp_path, "train", name)
