"""The frames that a stream keeps, and what was computed of them, against the network that reads each window anew."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from evaluation.inference.frame_memory import FrameMemory
from evaluation.inference.torch_network import TorchNetwork
from modules import frame_chunks
from tests.helpers.network import enliven, tiny_network
from tests.helpers.simulated_cuda import CudaTensor, SimulatedCuda, move

KINDS: list[dict[str, Any]] = [
    {"fusion": "stf"},
    {"fusion": "stf", "fusion_after": [3]},
    {"fusion": "stf", "fusion_after": [2, 4], "mask_padding": False},
    {"fusion": "correlation"},
    {"fusion": "correlation", "fusion_after": [4], "conv_type": 1},
    {"fusion": "none", "pooling": "max", "hfam": False},
]
WINDOWS = [
    [0],
    [0, 1, 2, 3, 4],
    [0, 1, 1, 1, 2, 3, 4, 5, 6],  # slots whose frame was dropped
    [4, 4, 5, 6, 7, 8, 9, 10, 10],
    [8, 9, 11, 13, 14],  # frames that no window reads
    [12, 13, 14],  # one that a window passed over before
]


def draw_frames(count: int, side: int = 64) -> np.ndarray:
    """Random frames (count, 3, side, side) uint8."""
    return np.random.default_rng(0).integers(0, 256, (count, 3, side, side), dtype=np.uint8)


def make_network(precision: str = "fp32", frame_chunk: int = 0, **changes: Any) -> TorchNetwork:
    """A network of which every part counts, BatchNorm's statistics too."""
    torch.manual_seed(0)
    model = enliven(tiny_network(dropout=0.0, **changes))
    with torch.no_grad():
        video = torch.randint(0, 256, (1, 24, 3, 64, 64), dtype=torch.uint8)
        model.train()(video, torch.tensor([12]))
    model.frame_chunk = frame_chunk
    return TorchNetwork(model.eval(), precision)


def fill(network: Any, frames: np.ndarray) -> FrameMemory:
    """A memory that was given frames."""
    memory = FrameMemory(network)
    for frame in frames:
        memory.append(frame)
    return memory


def difference(found: np.ndarray, expected: np.ndarray) -> float:
    """The largest one, as a share of the largest value."""
    assert found.shape == expected.shape
    return float(np.abs(found - expected).max() / np.abs(expected).max())


def assert_reads_the_same(memory: FrameMemory, network: TorchNetwork, frames: np.ndarray, most: float) -> None:
    """Read all windows, and forget what the later ones do not read."""
    read = []
    for numbers in WINDOWS:
        memory.forget_before(numbers[0])
        found = memory.read(numbers)
        assert found.dtype == np.float32
        assert difference(found, network(frames[numbers])) < most, numbers
        read.append(found)
    assert difference(read[1], read[3][: len(read[1])]) > 1e-2  # frames count


def count_values(video: np.ndarray) -> np.ndarray:
    """A network that gives each frame's sum: (T, 1)."""
    return video.sum((1, 2, 3), dtype=np.float32)[:, None]


def test_any_callable_network_reads_the_frames_of_a_window():
    frames = draw_frames(6, 4)
    memory = fill(count_values, frames)
    np.testing.assert_array_equal(memory.frames([1, 2, 2, 5]), frames[[1, 2, 2, 5]])
    np.testing.assert_array_equal(memory.read([1, 2, 2, 5]), count_values(frames[[1, 2, 2, 5]]))


def test_frames_that_are_forgotten_are_freed_and_numbers_go_on():
    frames = draw_frames(6, 4)
    memory = fill(count_values, frames[:4])
    memory.forget_before(3)
    assert len(memory) == 1
    memory.append(frames[4])
    np.testing.assert_array_equal(memory.frames([3, 4]), frames[3:5])
    memory.forget_before(9)  # more than there are
    assert len(memory) == 0
    memory.append(frames[5])
    np.testing.assert_array_equal(memory.frames([5]), frames[5:])


@pytest.mark.parametrize("numbers", [[], [1, 0], [0, 7], [-1, 1]])
def test_a_window_without_its_frames_is_an_error(numbers):
    memory = fill(count_values, draw_frames(2, 4))
    with pytest.raises(ValueError, match="frame"):
        memory.read(numbers)


@pytest.mark.parametrize("kind", KINDS, ids=str)
@pytest.mark.parametrize("chunk", [0, 3])
def test_windows_are_read_as_the_network_reads_them_anew(kind, chunk):
    network, frames = make_network(frame_chunk=chunk, **kind), draw_frames(15)
    assert_reads_the_same(fill(network, frames), network, frames, 1e-5)


@pytest.mark.parametrize("kind", KINDS[::3], ids=str)
def test_chunks_that_are_filled_up_give_the_same_in_few_shapes(kind, monkeypatch):
    """As on CUDA: new frames are filled up to powers of two, or to a chunk."""
    monkeypatch.setattr(frame_chunks, "fills_chunks", lambda _device: True)
    network, frames = make_network(frame_chunk=6, **kind), draw_frames(15)
    assert_reads_the_same(fill(network, frames), network, frames, 1e-5)
    memory, seen = fill(network, frames), watch_stem(network)
    for numbers in WINDOWS:
        memory.read(numbers)
    assert [len(images) for images in seen] == [1, 4, 2, 4, 4, 1]  # the fifth window has three new ones


@pytest.mark.parametrize("kind", KINDS[::2], ids=str)
def test_each_frame_is_seen_once_before_the_first_fusion(kind):
    network, frames = make_network(**kind), draw_frames(15)
    memory, seen = fill(network, frames), watch_stem(network)
    for numbers in WINDOWS:
        memory.read(numbers)
    images = torch.cat(seen)
    asked = sorted({number for numbers in WINDOWS for number in numbers})
    expected = torch.from_numpy(frames[asked]).float() / 127.5 - 1
    assert len(images) == len(asked) == 15
    found = sorted(image.sum().item() for image in images)
    assert found == pytest.approx(sorted(image.sum().item() for image in expected), abs=1e-2)


def watch_stem(network: TorchNetwork) -> list[torch.Tensor]:
    """The images that the first layer is called with from now on."""
    seen: list[torch.Tensor] = []
    network._fused.conv2d.conv1.register_forward_hook(lambda _layer, images, _out: seen.append(images[0]))
    return seen


@pytest.mark.parametrize(("kind", "values"), [(KINDS[0], 32 * 8 * 8), (KINDS[-1], 128)], ids=["stf", "none"])
@pytest.mark.parametrize(("precision", "size"), [("fp32", 4), ("bf16", 2)])
def test_memory_is_bounded_by_the_window(kind, values, precision, size):
    """Maps after stage 2 are a eighth of 64 pixels wide and have 32 channels; features have 128."""
    network, frames = make_network(precision, **kind), draw_frames(20)
    memory = FrameMemory(network)
    for number, frame in enumerate(frames):
        memory.append(frame)
        if number % 3 == 2:
            window = range(max(0, number - 7), number + 1)
            memory.forget_before(window[0])
            memory.read(window)
            kept = {
                maps.untyped_storage().data_ptr(): maps.untyped_storage().nbytes() for maps in memory._maps.values()
            }
            assert len(memory) == len(window)
            assert sum(kept.values()) == len(window) * values * size
    memory.forget_before(20)
    assert not len(memory)
    assert not memory._maps


@pytest.mark.parametrize("kind", KINDS[::3], ids=str)
def test_bf16_is_kept_as_bf16_and_reads_nearly_the_same(kind):
    network, frames = make_network("bf16", **kind), draw_frames(15)
    memory = fill(network, frames)
    assert_reads_the_same(memory, network, frames, 0.05)
    assert {maps.dtype for maps in memory._maps.values()} == {torch.bfloat16}


@pytest.mark.parametrize("kind", KINDS[::3], ids=str)
def test_maps_are_kept_on_the_device(kind):
    network, frames = make_network(**kind), draw_frames(15)
    expected = [network(frames[numbers]) for numbers in WINDOWS]
    with SimulatedCuda():
        memory = fill(TorchNetwork(move(network.model), "fp32"), frames)
        for numbers, logits in zip(WINDOWS, expected, strict=True):
            assert difference(memory.read(numbers), logits) < 1e-5
        assert {type(maps) for maps in memory._maps.values()} == {CudaTensor}


@pytest.mark.parametrize("kind", KINDS[::3], ids=str)
def test_a_window_waits_for_the_gpu_when_its_new_frames_come_and_when_it_is_read(kind, monkeypatch):
    """Repeated frames, as padding and dropped slots have them, cost no further wait; chunks are filled up as there."""
    monkeypatch.setattr(frame_chunks, "fills_chunks", lambda _device: True)
    network, frames = make_network(frame_chunk=4, **kind), draw_frames(15)
    with SimulatedCuda() as cuda:
        memory = fill(TorchNetwork(move(network.model), "fp32"), frames)
        for numbers in WINDOWS:
            with cuda.counting() as waits:
                memory.read(numbers)
            assert waits == {
                "evaluation/inference/torch_network.py compute_maps: copied to the GPU": 1,
                "evaluation/inference/torch_network.py read_maps: copied to the CPU": 1,
            }
