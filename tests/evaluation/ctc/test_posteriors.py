"""What a network gives is checked before it is decoded."""

import numpy as np
import pytest

from evaluation.ctc.posteriors import RecognitionError, check_finite


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_spoilt_weights_are_said_to_be(value):
    with pytest.raises(RecognitionError, match="not finite for clip-1, clip-2"):
        check_finite(np.array([0.0, value]), "clip-1, clip-2")
