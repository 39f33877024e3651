"""Learning curves as pictures."""

import pytest

from evaluation.reporting.charts import draw_learning_curve
from evaluation.reporting.history import EpochRecord
from tests.helpers.evaluation import make_report


@pytest.mark.parametrize(
    "history",
    [
        [EpochRecord(1, 30.0, 1e-4, 60.0)],
        [EpochRecord(1, 30.0, 1e-4, 60.0, 90.0)],
        [EpochRecord(1, 30.0, 1e-4, 60.0, 90.0, 80.0), EpochRecord(2, 20.0, 1e-4, 60.0, 95.0, 85.0)],
    ],
)
def test_learning_curves_with_and_without_rates(history):
    svg = draw_learning_curve(make_report(history=history)["history"])
    assert svg.startswith("<svg")
    assert ("WER on dev" in svg) == (history[0].wer is not None)
    if history[0].wer:
        assert "lowest: 90.00 % in epoch 1" in svg
    assert draw_learning_curve(make_report(history=history)["history"]) == svg
