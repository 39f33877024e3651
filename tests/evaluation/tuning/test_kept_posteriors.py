"""What is kept of posteriors: a search decides on it as on the whole."""

from __future__ import annotations

import numpy as np
import pytest

from evaluation.decode import BeamDecoder
from evaluation.tuning.kept_posteriors import KEPT, keep_posteriors

SHAPES = [(1, 2), (7, 5), (12, KEPT), (12, KEPT + 1), (9, KEPT + 2), (20, 150)]


def make_clips(steps: int, classes: int, levels: int, members: int = 1) -> list[np.ndarray]:
    """Clips (M, T', V) of so many steps and one more; with few levels many classes are equally probable, some are 0."""
    rng = np.random.default_rng(steps + classes + levels)
    clips = []
    for length in (steps, steps + 1):
        shape = (members, length, classes)
        values = rng.integers(0, levels, shape).astype(np.float64) if levels else np.exp(rng.normal(0, 2, shape))
        values[..., 0] += 1  # no step without a class
        clips.append((values / values.sum(-1, keepdims=True)).astype(np.float32))
    return clips


@pytest.mark.parametrize("levels", [0, 2, 4])
@pytest.mark.parametrize(("steps", "classes"), SHAPES)
def test_a_search_finds_the_same_with_the_same_scores(steps, classes, levels):
    clips = make_clips(steps, classes, levels)
    kept = keep_posteriors(clips)
    for place, whole in enumerate(clips):
        restored = kept.restore(place)
        assert restored.shape == whole.shape
        assert restored.dtype == np.float32
        for width in (1, 10):
            decoder = BeamDecoder(width)
            assert decoder(restored, [restored.shape[1]]) == decoder(whole, [whole.shape[1]])


def test_the_same_classes_are_the_best_when_the_blank_has_become_less_probable():
    whole = make_clips(30, 120, 3)[0]
    restored = keep_posteriors([whole]).restore(0)
    for posteriors in (whole, restored):
        posteriors[..., 0] /= 20
    best = [np.argsort(-posteriors[0], axis=1, kind="stable")[:, :KEPT] for posteriors in (whole, restored)]
    np.testing.assert_array_equal(*best)


def test_what_is_kept_is_little_and_the_rest_is_below_it():
    whole = make_clips(30, 1000, 0)[0]
    kept = keep_posteriors([whole])
    assert kept.glosses.nbytes + kept.classes.nbytes < 0.1 * whole.nbytes
    restored = kept.restore(0)
    assert (restored == whole).sum(-1).min() >= KEPT + 1
    assert (kept.rest < kept.glosses[:, -1]).all()
    np.testing.assert_allclose(restored.sum(-1, dtype=np.float64), whole.sum(-1, dtype=np.float64), atol=1e-6)


@pytest.mark.parametrize("classes", [5, 150])
def test_of_several_networks_all_is_kept_as_each_judges_what_another_one_finds(classes):
    clips = make_clips(20, classes, 0, members=3)
    kept = keep_posteriors(clips)
    assert (kept.members, kept.steps.tolist(), len(kept.blank)) == (3, [20, 21], 3 * 41)
    for place, whole in enumerate(clips):
        np.testing.assert_array_equal(kept.restore(place), whole)


def test_clips_may_come_one_by_one():
    clips = make_clips(4, 60, 0)
    kept = keep_posteriors(clip for clip in clips)
    assert kept.steps.tolist() == [4, 5]
    np.testing.assert_array_equal(kept.restore(1), keep_posteriors(clips[1:]).restore(0))
