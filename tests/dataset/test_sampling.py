import numpy as np
import pytest

from dataset.sampling import sample_at_rate, sample_every_frame, thin_out_evenly


def clock(count: int, rate: float) -> np.ndarray:
    return np.arange(count + 1) / rate


def test_every_frame_keeps_the_clock():
    sampling = sample_every_frame(clock(10, 50))
    assert len(sampling) == 10
    assert sampling.indices.tolist() == list(range(10))
    seconds = [sampling.seconds_at(position) for position in (0, 5, 2.5, 10, 12)]
    assert seconds == pytest.approx([0, 0.1, 0.05, 0.2, 0.2])


@pytest.mark.parametrize(
    ("source", "rate", "indices"),
    [
        (50, 25, [0, 2, 4, 6, 8]),
        (25, 25, list(range(10))),
        (12.5, 25, [0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 9]),
        (30, 25, [0, 1, 2, 4, 5, 6, 7, 8]),
        (29.97, 25, [0, 1, 2, 4, 5, 6, 7, 8]),
    ],
)
def test_resampling_takes_the_nearest_frames(source, rate, indices):
    sampling = sample_at_rate(clock(10, source), rate)
    assert sampling.indices.tolist() == indices
    assert sampling.times[:-1] == pytest.approx(np.arange(len(indices)) / rate)
    assert sampling.times[-1] == pytest.approx(10 / source, abs=0.5 / rate)


def test_resampling_frames_that_last_differently():
    times = np.array([0, 0.02, 0.04, 0.06, 0.10, 0.14, 0.18])  # first 50, then 25 frames a second
    assert sample_at_rate(times, 25).indices.tolist() == [0, 2, 4, 5]
    assert sample_at_rate(times, 50).indices.tolist() == [0, 1, 2, 3, 4, 4, 5, 5, 5]


def test_a_single_frame_and_a_late_start():
    assert sample_at_rate(np.array([0, 0.04]), 25).indices.tolist() == [0]
    assert sample_at_rate(np.array([0, 0.01]), 25).indices.tolist() == [0]
    late = sample_at_rate(2 + clock(10, 50), 25)
    assert late.indices.tolist() == [0, 2, 4, 6, 8]
    assert late.seconds_at(1) == pytest.approx(2.04)


def test_long_clips_are_thinned_out_evenly_and_short_ones_kept():
    whole = sample_every_frame(clock(10, 25))
    assert thin_out_evenly(whole, 10) is whole
    thin = thin_out_evenly(whole, 4)
    assert thin.indices.tolist() == [0, 3, 6, 9]
    assert thin.times == pytest.approx([0, 0.12, 0.24, 0.36, 0.4])
    assert thin_out_evenly(whole, 1).indices.tolist() == [0]
    long = thin_out_evenly(sample_every_frame(clock(3000, 25)), 360)
    assert len(long) == 360
    assert (long.indices[0], long.indices[-1]) == (0, 2999)
    assert set(np.diff(long.indices)) == {8, 9}
    assert long.seconds_at(180) == pytest.approx(60, abs=0.4)  # half of the two minutes
