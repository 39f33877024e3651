import numpy as np
import pytest

from benchmarks.confidence import compute_brier_score, compute_calibration_error, make_foreign_clips


def test_the_calibration_error_of_a_few_glosses():
    # 0.75, 0.7 share a bin (1.45 given, 1 right), 1.0 is in the highest with 0.95 (1.95 given, 2 right).
    given, right = [0.75, 0.7, 1.0, 0.95], [True, False, True, True]
    assert compute_calibration_error(given, right) == pytest.approx((0.45 + 0.05) / 4)
    assert compute_calibration_error([0.5, 0.5], [True, False]) == 0


def test_the_brier_score_is_the_mean_square_error():
    assert compute_brier_score([0.75, 0.5, 1.0], [True, False, True]) == pytest.approx((0.0625 + 0.25) / 3)


def test_foreign_clips_have_the_size_of_the_corpus():
    true = {"a": np.arange(5 * 36 * 36 * 3, dtype=np.uint32).astype(np.uint8).reshape(5, 36, 36, 3)}
    clips = list(make_foreign_clips(36, true))
    assert {kind for kind, _ in clips} == {
        "one colour", "one colour with grain", "noise", "text", "moving ball", "still frame, first",
        "still frame, middle", "blurred", "shuffled", "upside down"
    }  # fmt: skip
    assert all(frames.shape[1:] == (36, 36, 3) and frames.dtype == np.uint8 for _, frames in clips)
    (still,) = [frames for kind, frames in clips if kind == "still frame, middle"]
    assert (still == true["a"][2]).all()
