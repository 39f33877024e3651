"""Steps of two processes that share their gradients."""

from __future__ import annotations

import copy

import pytest
import torch
from torch.nn.parallel import DistributedDataParallel
from torch.optim.lr_scheduler import LambdaLR

from dataset.batch import Batch
from engine.distributed import wrap_ddp
from engine.training_step import NonFiniteLossError, TrainingStep
from modules.batch_norm import find_batch_norms
from modules.losses import SLRCriterion
from tests.helpers.network import enliven, tiny_network
from tests.helpers.processes import in_two
from tests.helpers.training import Slope, batch, criterion
from utils import ranks
from utils.log import LOGGER

CPU = torch.device("cpu")


def shared_step(skip: bool) -> TrainingStep:
    model = DistributedDataParallel(Slope())
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    return TrainingStep(model, criterion, optimizer, LambdaLR(optimizer, lambda _: 1), CPU, skip=skip)


def not_finite_in_the_second(rank: int) -> dict:
    clips = [batch(1), batch(float("inf"), 2)][rank]
    said: list[str] = []
    LOGGER.info = lambda text, *values: said.append(text % values)
    try:
        shared_step(skip=False)([clips])
        error = None
    except NonFiniteLossError as refusal:
        error = str(refusal)
    lenient = shared_step(skip=True)
    skipped = lenient([clips])
    again = lenient([[batch(1), batch(3)][rank]])
    return {
        "error": error,
        "log": said,
        "skipped": (skipped.skipped, again.skipped),
        "weight": lenient.network.module.weight.item(),
        "seen": float(lenient.network.module.seen),
    }


def test_the_process_whose_loss_is_not_finite_is_the_one_whose_clips_are_named(tmp_path):
    first, second = in_two(not_finite_in_the_second, tmp_path)
    assert first == second
    assert "SeqCTC inf, total inf on clipinf (7 frames, 3 glosses), clip2 (7 frames, 3 glosses). A" in first["error"]
    assert "clip1 " not in first["error"]
    (line,) = first["log"]
    assert line == f"a step was skipped: {first['error']}"
    assert first["skipped"] == (True, False)
    assert first["weight"] == pytest.approx(
        1 - 0.1 * 2 * (1 + 3) / 2
    )  # of the second step, the mean of both processes' clips
    assert first["seen"] == 1  # of the second step alone


def learnt_in_float64(rank: int | None = None) -> dict[str, torch.Tensor]:
    """Gradients and running statistics of a step on four clips, or on three and one of them in two processes."""
    torch.manual_seed(0)
    model = enliven(tiny_network(hidden_size=8, dropout=0.0)).double().train()
    clips = torch.randint(256, (4, 28, 3, 64, 64), dtype=torch.uint8)
    if rank is not None:
        clips = clips[:3] if rank == 0 else clips[3:]
    network = wrap_ddp(model, sync_batchnorm=True)  # kept until the backward pass, in which it shares gradients
    output = network(clips, torch.full((len(clips),), 16))
    heads = (output.sequence_logits, output.conv_logits, *output.scale_logits)
    loss = torch.stack([logits.square().sum() for logits in heads]).sum()
    (ranks.world_size() * loss).backward()  # it takes the mean over processes
    gradients = {name: weight.grad for name, weight in model.named_parameters()}
    return gradients | dict(model.named_buffers())


def test_two_processes_learn_what_one_learns_from_all_clips(tmp_path):
    """In float64, where the order of sums, which differs with the number of processes and threads, counts little."""
    expected = learnt_in_float64()
    parts = in_two(learnt_in_float64, tmp_path)
    for found in parts:
        assert found.keys() == expected.keys()
        for name, value in expected.items():
            torch.testing.assert_close(found[name], value, rtol=1e-9, atol=1e-10, msg=name)
    for name, value in parts[0].items():  # nobody sends running statistics around: they are the same bit by bit
        assert torch.equal(value, parts[1][name]), name
    assert expected["conv2d.conv1.weight"].abs().max() > 1e-2


def with_and_without_checkpoints(rank: int) -> list[dict]:
    torch.manual_seed(0)
    model = tiny_network(hidden_size=8, dropout=0.0)
    shared = wrap_ddp(model, sync_batchnorm=True).train()
    start = copy.deepcopy(shared.state_dict())
    clips = torch.randint(256, (2, 2, 44, 3, 64, 64), dtype=torch.uint8)[rank]  # other clips in each process
    found = []
    for level in ("blocks", "stages"):
        shared.load_state_dict(start)
        shared.zero_grad(set_to_none=True)
        model.conv2d.recompute.level = level
        output = shared(clips, torch.tensor([32, 32]))
        heads = (output.sequence_logits, output.conv_logits, *output.scale_logits)
        torch.stack([logits.square().mean() for logits in heads]).sum().backward()
        gradients = {name: weight.grad.clone() for name, weight in model.named_parameters()}
        found.append({"gradients": gradients, "buffers": {name: of.clone() for name, of in model.named_buffers()}})
    return found


def test_maps_computed_again_give_the_same_gradients_and_statistics_of_both_processes(tmp_path):
    results = in_two(with_and_without_checkpoints, tmp_path)
    for kept, again in results:
        for kind in ("gradients", "buffers"):
            for name, value in kept[kind].items():
                torch.testing.assert_close(again[kind][name], value, rtol=1e-4, atol=1e-6, msg=name)
    (first, _), (second, _) = results
    for name, value in first["gradients"].items():
        assert torch.equal(value, second["gradients"][name]), name
    assert first["gradients"]["conv2d.conv1.weight"].abs().max() > 1e-4
    assert int(first["buffers"]["conv2d.bn1.num_batches_tracked"]) == 1


def count_exchanges(rank: int) -> dict[str, object]:
    """How often the processes exchange something in a step, each with clips of its own lengths."""
    torch.manual_seed(0)
    model = tiny_network(hidden_size=8)
    network = wrap_ddp(model, sync_batchnorm=True).train()
    loss = SLRCriterion({"SeqCTC": 1.0, "ConvCTC": 1.0, "AuxCTC": 0.25, "Dist": 10.0}, model.mask_padding)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
    step = TrainingStep(network, loss, optimizer, LambdaLR(optimizer, lambda _: 1), CPU)
    lengths = torch.tensor([[16, 9], [12, 12]][rank])
    frames = model.spec.padded_length(int(lengths.max()))
    video = torch.randint(256, (2, frames, 3, 64, 64), dtype=torch.uint8)
    clips = Batch(("a", "b"), video, lengths, torch.tensor([1, 2]), torch.tensor([1, 1]))
    step([clips])
    uses = sum(int(norm.num_batches_tracked) for norm in find_batch_norms([model]))
    step([clips])  # before this one DDP settles which gradients go together
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
        step([clips])
    counts = {event.key: event.count for event in profile.key_averages() if event.key.startswith("c10d::")}
    return {"uses": uses, "buckets": len(network.reducer._get_zeros_like_grad_buckets()), "counts": counts}


def test_a_step_exchanges_two_vectors_for_each_use_of_a_norm_and_one_loss_besides_the_gradients(tmp_path):
    """Whatever is computed again; a classifier of HFAM's is used for three levels, and so are its norms."""
    for found in in_two(count_exchanges, tmp_path):
        assert found["uses"] == 45
        assert 1 <= found["buckets"] <= 3
        assert found["counts"] == {"c10d::allreduce_": 2 * 45 + found["buckets"] + 1}
