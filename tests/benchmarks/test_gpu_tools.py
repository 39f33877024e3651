"""The sections of the check of GPUs that compare processes and tools, in the small form."""

import math

import numpy as np
import pytest
import torch

from benchmarks.gpu import pair, processes, several, streams, tools
from benchmarks.gpu.section import Task
from engine import distributed

CPU = torch.device("cpu")


def test_the_worst_tensor_by_hand():
    expected = {"a": torch.tensor([4.0, -2.0]), "b": torch.tensor([[0.5]])}
    found = {"a": torch.tensor([4.0, -2.4]), "b": torch.tensor([[0.45]])}
    share, name = processes.find_worst(found, expected)
    assert (share, name) == (pytest.approx(0.1), "a")  # 0.4 of 4; 0.05 of 0.5
    share, name = processes.find_worst(found | {"b": torch.tensor([[0.25]])}, expected)
    assert (share, name) == (pytest.approx(0.5), "b")


def test_rounding_of_a_gradient_that_is_zero_is_no_difference():
    expected = {"a": torch.tensor([1.0]), "b": torch.tensor([1e-18])}
    assert processes.find_worst(expected | {"b": torch.tensor([-1e-18])}, expected)[0] < 1e-9


def test_what_is_not_a_number_or_not_there_is_the_worst():
    expected = {"a": torch.tensor([1.0]), "b": torch.tensor([1.0])}
    share, name = processes.find_worst({"a": torch.tensor([3.0]), "b": torch.tensor([math.nan])}, expected)
    assert (math.isnan(share), name) == (True, "b")
    share, name = processes.find_worst({"a": torch.tensor([1.0])}, expected)
    assert (math.isnan(share), name) == (True, "the tensors differ: b")


def test_processes_in_the_small_form():
    found = {finding.name: finding for finding in processes.run(Task(CPU, small=True))}
    assert [finding.outcome for finding in found.values()] == ["pass", "pass", "pass", "skipped", "skipped"]
    assert found["norms left unfolded"].value == 0
    assert "of 41 over several processes" in found["norms left unfolded"].note
    assert found["two processes with SyncBatchNorm"].value < 1e-9


@pytest.mark.parametrize("cards", [1, 2])
def test_a_second_card_is_tried_where_there_is_one(monkeypatch, cards):
    compared = []
    monkeypatch.setattr(torch.cuda, "device_count", lambda: cards)
    monkeypatch.setattr(processes.dist, "is_nccl_available", lambda: True)
    monkeypatch.setattr(processes, "check_folding", lambda device: iter(()))
    monkeypatch.setattr(processes, "take_step", lambda *_: {})
    monkeypatch.setattr(processes, "compare_in_processes", lambda *asked: compared.append(asked[:3]))
    list(processes.run(Task(torch.device("cuda", 0), small=False)))
    expected = [("NCCL, one process", processes.NCCL, 1), ("NCCL, two cards", processes.NCCL, 2)]
    assert compared[1:] == expected[:cards]


def test_each_process_has_a_card_of_its_own(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert [processes.choose_card(torch.device("cuda", 1), rank).index for rank in range(2)] == [1, 0]


def test_processes_are_connected_as_those_of_a_training(monkeypatch):
    connected = []
    monkeypatch.setenv("LOCAL_RANK", "0")
    monkeypatch.setattr(distributed.dist, "init_process_group", lambda backend, **_: connected.append(backend))
    monkeypatch.setattr(distributed.dist, "destroy_process_group", lambda: None)
    with distributed.join_process_group(torch.device("cuda", 0)):
        pass
    assert connected == [processes.NCCL]


def test_a_process_that_normalises_alone_is_found_out():
    """Each process with the statistics of its own clip, as without SyncBatchNorm."""
    alone = processes.take_step(CPU, lambda model: model, range(2))
    halves = [processes.take_step(CPU, lambda model: model, range(n, n + 1)) for n in range(2)]
    sums = {name: halves[0][name] + halves[1][name] for name in alone if not name.endswith("tracked")}
    assert processes.find_worst(sums, {name: alone[name] for name in sums})[0] > 1e-3


@pytest.fixture(scope="module")
def found():
    return {finding.name: finding for finding in tools.run(Task(CPU, small=True))}


def test_tools_in_the_small_form(found):
    checks = (
        "recogniser", "recogniser, glosses", "windows", "live reading", "live reading, kept maps", "several networks",
        "several networks, glosses", "several networks, evaluation", "moving average", "heat map of layer1",
        "heat map of stf2", "in a thread, logits", "in a thread, heat map", "features", "export, onnx",
        "export, safetensors",
    )  # fmt: skip
    assert {name: found[name].outcome for name in checks} == dict.fromkeys(checks, "pass")
    assert not any(finding.outcome == "fail" for finding in found.values())
    assert found["heat map, time"].value > 0


def test_the_network_reads_something(found):
    assert len(found["recogniser, glosses"].value.split()) >= 2
    assert len(found["several networks, glosses"].value.split()) >= 2
    for name in ("windows", "live reading", "several networks, evaluation"):
        assert int(found[name].value.split()[0]) >= 2, name


def test_another_network_is_found_out():
    two = pair.build_pair(Task(CPU, small=True))
    with torch.no_grad():
        two.device.network.model.conv2d.conv1.weight.mul_(1.01)
    comparisons = (
        tools.compare_recognition, tools.compare_heat, tools.compare_features, several.compare_combination,
        several.compare_average,
    )  # fmt: skip
    failed = [finding.name for compare in comparisons for finding in compare(two) if finding.outcome == "fail"]
    assert {"recogniser", "heat map of layer1", "heat map of stf2", "features"} < set(failed)
    assert {"several networks", "moving average"} < set(failed)


def test_maps_of_other_frames_are_found_out(monkeypatch):
    two = pair.build_pair(Task(CPU, small=True))
    monkeypatch.setattr(streams.FrameMemory, "forget_before", lambda memory, number: memory._maps.pop(number, None))
    assert streams.compare_kept_maps(two.device, two.frames) < 1e-4
    read = streams.FrameMemory.read
    monkeypatch.setattr(streams.FrameMemory, "read", lambda memory, numbers: read(memory, [0, *numbers[1:]]))
    assert streams.compare_kept_maps(two.device, two.frames) > 1e-4


@pytest.mark.parametrize(("is_open", "held", "outcome"), [(False, 0, "pass"), (True, 0, "fail"), (False, 512, "fail")])
def test_the_first_card_is_left_alone_by_pytorch_and_by_cuda(monkeypatch, is_open, held, outcome):
    monkeypatch.setattr(torch._C, "_cuda_hasPrimaryContext", lambda index: is_open and index == 0, raising=False)
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda index: held)
    assert streams.check_first_card(torch.device("cuda", 1)).outcome == outcome
    assert streams.check_first_card(torch.device("cuda", 0)).outcome == "skipped"


def test_shares_by_hand():
    assert pair.share(np.array([1.0, -4.0]), np.array([1.0, -5.0])) == pytest.approx(0.2)
    assert math.isnan(pair.share(np.zeros(2), np.zeros(3)))
