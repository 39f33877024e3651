"""The frames that a stream keeps, and what was computed of them."""

from __future__ import annotations

import numpy as np
import pytest

from evaluation.inference.frame_memory import FrameMemory


def draw_frames(count: int, side: int = 4) -> np.ndarray:
    """Random frames (count, 3, side, side) uint8."""
    return np.random.default_rng(0).integers(0, 256, (count, 3, side, side), dtype=np.uint8)


def count_values(video: np.ndarray) -> np.ndarray:
    """A network that gives each frame's sum: (T, 1)."""
    return video.sum((1, 2, 3), dtype=np.float32)[:, None]


def test_any_callable_network_reads_the_frames_of_a_window() -> None:
    frames, memory = draw_frames(6), FrameMemory(count_values)
    for frame in frames:
        memory.append(frame)
    np.testing.assert_array_equal(memory.frames([1, 2, 2, 5]), frames[[1, 2, 2, 5]])
    np.testing.assert_array_equal(memory.read([1, 2, 2, 5]), count_values(frames[[1, 2, 2, 5]]))


def test_frames_that_are_forgotten_are_freed_and_numbers_go_on() -> None:
    frames, memory = draw_frames(6), FrameMemory(count_values)
    for frame in frames[:4]:
        memory.append(frame)
    memory.forget_before(3)
    assert len(memory) == 1
    memory.append(frames[4])
    np.testing.assert_array_equal(memory.frames([3, 4]), frames[3:5])
    memory.forget_before(9)  # more than there are
    assert len(memory) == 0
    memory.append(frames[5])
    np.testing.assert_array_equal(memory.frames([5]), frames[5:])


@pytest.mark.parametrize("numbers", [[], [1, 0], [0, 7], [-1, 1]])
def test_a_window_without_its_frames_is_an_error(numbers: list[int]) -> None:
    memory = FrameMemory(count_values)
    for frame in draw_frames(2):
        memory.append(frame)
    with pytest.raises(ValueError, match="frame"):
        memory.read(numbers)
