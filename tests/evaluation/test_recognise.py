"""Recognising the clips of a loader, decoded one batch behind, against doing one batch after the other."""

import threading
from contextlib import contextmanager
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from dataset.batch import Batch, Collate, Sample
from dataset.vocabulary import Vocabulary
from evaluation.calibration import ClipMeasures
from evaluation.ctc.posteriors import RecognitionError
from evaluation.ctc.words import build_words
from evaluation.ctm import CtmEntry
from evaluation.decode import BeamDecoder, GreedyDecoder
from evaluation.recognise import HEADS, recognise_clips
from slr_network import for_recognition
from tests.helpers.network import enliven, tiny_network
from utils import cpu_copy
from utils.cpu_copy import CpuCopy, Mark

VOCABULARY = Vocabulary(["A", "B", "C", "D"])


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(3)
    return for_recognition(enliven(tiny_network(5)), "fp32")


@pytest.fixture(scope="module")
def batches(network) -> list[Batch]:
    """Three batches of clips of several lengths."""
    rng = np.random.default_rng(0)
    samples = [
        Sample(f"clip{number}", rng.integers(0, 256, (frames, 3, 64, 64), np.uint8), ())
        for number, frames in enumerate((9, 4, 13, 6, 21))
    ]
    return [Collate(network.spec)(part) for part in (samples[:2], samples[2:4], samples[4:])]


@torch.inference_mode()
def recognise_in_turn(network, batches, decoder) -> tuple[dict, ClipMeasures]:
    """What is to come out: every batch is computed and then decoded, one head after the other."""
    entries, measures = {head: [] for head in HEADS}, ClipMeasures()
    for batch in batches:
        output = network(batch.video, batch.lengths)
        measures.add(batch, output.sequence_logits, output.lengths, network.spec.edge)
        for head, logits in zip(HEADS, (output.sequence_logits, output.conv_logits), strict=True):
            posteriors = logits.softmax(-1).transpose(0, 1).numpy()
            for index, hypotheses in enumerate(decoder(posteriors, output.lengths)):
                own, frames = posteriors[index, : output.lengths[index]], int(batch.lengths[index])
                words = build_words(hypotheses[0], own, VOCABULARY, network.spec.stride, frames, 0.04)
                entries[head].append(CtmEntry(batch.ids[index], words))
    return entries, measures


@pytest.mark.parametrize("decoder", [BeamDecoder(4), GreedyDecoder()])
@pytest.mark.parametrize("measured", [True, False])
def test_the_result_is_that_of_one_batch_after_the_other(network, batches, decoder, measured):
    expected, wanted = recognise_in_turn(network, batches, decoder)
    measures = ClipMeasures() if measured else None
    got = recognise_clips(network, batches, decoder, VOCABULARY, 0.04, measures=measures)
    assert got == expected
    assert [entry.id for entry in got["conv"]] == [f"clip{number}" for number in range(5)]
    assert any(entry.words for entry in got["sequence"])
    assert measures in (None, wanted)


def watch(network, before):
    """A network that calls `before(number)` before it computes its batch of that number, counted from 1."""
    calls = []

    def compute(video, lengths):
        calls.append(len(lengths))
        before(len(calls))
        return network(video, lengths)

    compute.device, compute.spec, compute.calls = network.device, network.spec, calls
    return compute


def test_a_batch_is_decoded_while_the_next_one_is_computed(network, batches):
    computing_next, greedy = threading.Event(), GreedyDecoder()

    def decode(posteriors, lengths):
        assert computing_next.wait(30)  # for ever, if the network waited for the decoder
        return greedy(posteriors, lengths)

    watched = watch(network, lambda number: computing_next.set() if number == 2 else None)
    recognise_clips(watched, batches, decode, VOCABULARY, 0.04)
    assert watched.calls == [2, 2, 1]


def count_threads() -> int:
    return sum(thread.name.startswith("one-behind") for thread in threading.enumerate())


def test_output_that_is_not_finite_is_an_error_with_the_names_of_its_clips(network, batches):
    def compute(video, lengths):
        output = network(video, lengths)
        if len(lengths) == 2:
            output.conv_logits[0, 1, 0] = torch.nan if lengths[0] == 13 else 0.0
        return output

    compute.device, compute.spec = network.device, network.spec
    with pytest.raises(RecognitionError, match="not finite for clip2, clip3:"):
        recognise_clips(compute, batches, GreedyDecoder(), VOCABULARY, 0.04)
    assert not count_threads()


@pytest.mark.parametrize("number", [1, 2, 3])
def test_an_interruption_leaves_no_thread(network, batches, number):
    def interrupt(call: int) -> None:
        if call == number:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        recognise_clips(watch(network, interrupt), batches, GreedyDecoder(), VOCABULARY, 0.04)
    assert not count_threads()


def test_a_copy_from_cuda_is_waited_for_once_and_not_before_it_is_asked_for(monkeypatch):
    done = []
    place = SimpleNamespace(wait=lambda: done.append("waited"))
    monkeypatch.setattr(cpu_copy, "mark_place", lambda device: done.append(device.type) or place)
    on_gpu = SimpleNamespace(
        device=torch.device("cuda"), to=lambda device, non_blocking: done.append((device, non_blocking)) or "copied"
    )
    copy = CpuCopy(on_gpu)
    assert done == [("cpu", True), "cuda"]  # the place comes after the copy
    assert copy.wait() == "copied"
    assert done[2:] == ["waited"]


def test_who_waits_for_a_gpu_opens_no_other(monkeypatch):
    """A new thread has the first GPU as its current one, and whatever it asks of CUDA would open that."""
    done = []

    @contextmanager
    def be_current(device):
        done.append(f"{device} is current")
        yield
        done.append(f"{device} is so no more")

    monkeypatch.setattr(torch.cuda, "device", be_current)
    Mark(SimpleNamespace(synchronize=lambda: done.append("waited")), torch.device("cuda", 1)).wait()
    assert done == ["cuda:1 is current", "waited", "cuda:1 is so no more"]


def test_a_tensor_on_the_cpu_is_not_copied():
    values = torch.ones(3)
    assert CpuCopy(values).wait() is values
