"""Confidences that are probabilities, and clips that are unlike those of the training."""

import math
from dataclasses import asdict, replace

import numpy as np
import pytest
import torch

from dataset.batch import Batch
from evaluation.calibration import (
    Calibration,
    ClipMeasures,
    calibrate,
    fit_logistic_curve,
    measure_energy,
    measure_motion,
    read_calibration,
)
from evaluation.ctm import CtmWord

FOUND = Calibration(1.0, 0.0, least_energy=6.0, least_motion=0.5, clips=40, glosses=98)


def test_the_energy_is_the_mean_of_log_sum_exp():
    logits = np.array([[0.0, 0.0], [3.0, 3.0 + math.log(3)]], np.float32)  # log 2, and 3 + log 4
    assert measure_energy(logits) == pytest.approx((math.log(2) + 3 + math.log(4)) / 2)
    assert measure_energy(np.full((2, 4), 1000.0, np.float32)) == pytest.approx(1000 + math.log(4))


def test_the_motion_is_the_mean_difference_of_grey_levels():
    frames = np.zeros((3, 3, 2, 2), np.uint8)
    frames[1] = 10
    frames[2] = 4
    assert measure_motion(frames) == pytest.approx((10 + 6) / 2)
    assert measure_motion(frames[[1, 1, 1]]) == 0
    assert measure_motion(frames[:1]) == math.inf  # one frame cannot move, and is no still picture either


def test_what_is_said_of_clips_that_are_unlike_the_corpus():
    assert FOUND.find_doubts(6.5, 2.0) == ()
    (still,) = FOUND.find_doubts(6.5, 0.1)
    assert "nothing moves" in still
    (strange,) = FOUND.find_doubts(5.0, 2.0)
    assert "does not look like the clips that the network was trained on" in strange
    assert len(FOUND.find_doubts(5.0, 0.0)) == 2


def test_the_limits_lie_outside_what_dev_has():
    found = calibrate([0.9], [True], energies=[7.0, 6.0, 8.0, 7.0], motions=[2.0, 4.0, math.inf])
    assert found.least_energy == pytest.approx(7 - 2 * math.sqrt(0.5))
    assert found.least_motion == pytest.approx(0.4)
    assert (found.clips, found.glosses) == (4, 1)
    assert calibrate([], [], [7.0], [math.inf]).least_motion == 0
    assert calibrate([], [], [7.0], []).least_motion == 0  # of features


def test_confidences_become_the_share_that_is_right_and_keep_their_order():
    # Shares of 0.95 are right in 6 of 10 cases, shares of 0.6 in 2 of 10.
    shares = [0.95] * 1000 + [0.6] * 1000
    correct = ([True] * 600 + [False] * 400) + ([True] * 200 + [False] * 800)
    found = calibrate(shares, correct, [7.0], [1.0])
    assert found.adjust(0.95) == pytest.approx(0.6, abs=0.01)
    assert found.adjust(0.6) == pytest.approx(0.2, abs=0.01)
    values = [found.adjust(share) for share in np.linspace(0, 1, 50)]
    assert values == sorted(values)
    assert 0 < values[0] < values[-1] < 1


def test_a_network_without_errors_is_not_sure_of_everything():
    found = calibrate([1.0] * 50, [True] * 50, [7.0], [1.0])
    assert found.adjust(1.0) == pytest.approx(51 / 52, abs=1e-3)  # (50 right + 1) / (50 + 2)


def test_no_gloss_is_ever_certain():
    sure = replace(FOUND, offset=30.0)
    assert sure.adjust(1.0) == pytest.approx(0.99)  # 98 glosses: 1 - 1 / 100
    assert replace(sure, glosses=3).adjust(1.0) == pytest.approx(0.8)
    assert replace(sure, glosses=100_000).adjust(1.0) == 0.99  # outputs have two decimals
    assert replace(FOUND, offset=-1e6, slope=1e6).adjust(0.5) == 0.0  # no overflow


def test_the_clips_of_a_batch_are_measured_without_their_padding():
    video = torch.zeros(2, 5, 3, 2, 2, dtype=torch.uint8)  # one frame of padding in front
    video[0, 2:] = 10  # clip 0 has the frames 1 to 3: 0, 10, 10
    video[1, 1:] = 7  # clip 1 has the frames 1 to 2, which are equal
    logits = torch.full((2, 2, 4), 100.0)  # (T', B, V)
    logits[:, 0] = torch.tensor([[0.0] * 4, [3.0] * 4])
    logits[0, 1] = 1.0
    batch = Batch(("a", "b"), video, torch.tensor([3, 2]), torch.tensor([]), torch.tensor([0, 0]))
    measures = ClipMeasures()
    measures.add(batch, logits, torch.tensor([2, 1]), edge=1)
    assert measures.energies == pytest.approx([1.5 + math.log(4), 1 + math.log(4)])
    assert measures.motions == pytest.approx([5.0, 0.0])
    features = replace(batch, video=torch.zeros(2, 5, 8))
    measures.add(features, logits, torch.tensor([2, 1]), edge=1)
    assert (len(measures.energies), len(measures.motions)) == (4, 2)


def test_a_falling_curve_is_flattened():
    slope, _ = fit_logistic_curve([-3.0] * 200 + [3.0] * 200, [True] * 200 + [False] * 200)
    assert slope == pytest.approx(1e-3)


def test_words_without_confidence_stay_without():
    assert FOUND.adjust_word(CtmWord("A", 0, 1, None)).confidence is None
    assert FOUND.adjust_word(CtmWord("A", 0, 1, 0.8)).confidence == pytest.approx(0.8)  # slope 1, offset 0
    assert FOUND.adjust_word(CtmWord("A", 0, 1, None), doubted=True).confidence is None
    assert FOUND.adjust_word(CtmWord("A", 0, 1, 0.8), doubted=True).confidence == pytest.approx(0.4)


def test_a_checkpoint_keeps_it_and_older_ones_have_none():
    assert read_calibration({"calibration": asdict(FOUND)}) == FOUND
    assert read_calibration({}) is None
