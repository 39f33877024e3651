import numpy as np
import pytest

from config.load import ConfigError
from config.sections import FeederArgs
from dataset.transforms import Transform


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_evaluation_takes_every_frame_and_the_centre():
    plan = Transform(FeederArgs(), 256, training=False).plan(7, generator())
    assert plan.indices == tuple(range(7))
    assert (plan.size, plan.top, plan.left, plan.flip) == (256, 16, 16, False)


def test_frame_interval_and_scale():
    plan = Transform(FeederArgs(frame_interval=3, image_scale=0.5, input_size=64), 256, training=False).plan(
        8, generator()
    )
    assert plan.indices == (0, 3, 6)
    assert (plan.size, plan.top) == (128, 32)


def test_a_scale_above_one_is_a_size_in_pixels():
    assert Transform(FeederArgs(image_scale=240), 256, training=False).plan(1, generator()).size == 240


def test_cropping_and_mirroring_move_the_right_pixels():
    frames = np.arange(2 * 66 * 66 * 3, dtype=np.uint8).reshape(2, 66, 66, 3)
    transform = Transform(FeederArgs(input_size=64, flip=0.0), 66, training=True)
    for seed in range(5):
        plan = transform.plan(2, generator(seed))
        out = transform.apply(frames, plan)
        assert out.shape == (2, 3, 64, 64)
        assert out.dtype == np.uint8
        assert out[1, 2, 10, 20] == frames[1, plan.top + 10, plan.left + 20, 2]
    mirror = Transform(FeederArgs(input_size=64, flip=1.0), 66, training=True)
    plan = mirror.plan(2, generator())
    assert plan.flip
    assert mirror.apply(frames, plan)[1, 2, 10, 20] == frames[1, plan.top + 10, plan.left + 63 - 20, 2]


def test_training_draws_every_corner_and_half_of_the_flips():
    transform = Transform(FeederArgs(input_size=64), 66, training=True)
    plans = [transform.plan(40, generator(seed)) for seed in range(300)]
    assert {plan.top for plan in plans} == {plan.left for plan in plans} == {0, 1, 2}
    assert 110 < sum(plan.flip for plan in plans) < 190


def test_temporal_rescale_is_sorted_bounded_and_a_multiple_of_four():
    transform = Transform(FeederArgs(), 256, training=True)
    lengths = set()
    for seed in range(300):
        indices = transform.plan(100, generator(seed)).indices
        assert list(indices) == sorted(indices)
        assert indices[0] >= 0
        assert indices[-1] < 100
        assert len(indices) % 4 == 0
        lengths.add(len(indices))
        if len(indices) <= 100:
            assert len(set(indices)) == len(indices)  # shorter clips lose frames, none is doubled
    assert min(lengths) == 80
    assert max(lengths) == 120


def test_temporal_rescale_keeps_to_its_bounds():
    transform = Transform(FeederArgs(), 256, training=True)
    assert {len(transform.plan(10, generator(s)).indices) for s in range(20)} == {32}
    assert {len(transform.plan(400, generator(s)).indices) for s in range(20)} == {232}


def test_temporal_rescale_never_makes_a_clip_too_short_for_its_label():
    transform = Transform(FeederArgs(min_frames=4), 256, training=True)
    assert min(len(transform.plan(40, generator(s), shortest=40).indices) for s in range(100)) == 40


def test_without_rescale_every_frame_is_kept():
    transform = Transform(FeederArgs(temporal_scale=0.0), 256, training=True)
    assert transform.plan(13, generator()).indices == tuple(range(13))


def test_a_crop_larger_than_the_frames_is_an_error():
    with pytest.raises(ConfigError, match=r"input_size is 224, but frames are 128x128 .*--frame-size"):
        Transform(FeederArgs(image_scale=0.5), 256, training=False)
