"""Every system of the family trains with every setting that there is for training."""

from __future__ import annotations

import copy
from functools import partial

import pytest
import torch
from torch import Tensor

from config.sections import LossWeights
from engine.distributed import wrap_ddp
from engine.optim import freeze_unused
from engine.run import run
from engine.training_step import prepare_network
from modules.losses import TERMS, SLRCriterion
from modules.stages import STAGES
from slr_network import SLRModel
from tests.helpers.config import tiny_config
from tests.helpers.family import SYSTEMS, criterion_of, draw_clips, tiny_system, weigh_losses
from tests.helpers.network import tiny_network
from tests.helpers.processes import in_two
from utils.checkpoint import load_checkpoint

CPU = torch.device("cpu")
LENGTHS = [9, 5]
CORRELATION_ALONE = {"fusion": "correlation", "fusion_after": (3,), "pooling": "lift", "hfam": True}


def lively(system: str) -> SLRModel:
    torch.manual_seed(0)
    return tiny_system(system).train()


def learn(network: torch.nn.Module, system: str, lengths: list[int], video: Tensor) -> dict[str, Tensor]:
    """The terms of the loss on these clips, after their gradients were computed."""
    labels = torch.arange(len(lengths)) % 4 + 1
    terms = criterion_of(system)(
        network(video, torch.tensor(lengths)), labels, torch.ones(len(lengths), dtype=torch.long)
    )
    terms["total"].backward()
    return terms


def learnt(model: SLRModel) -> dict[str, Tensor]:
    """Gradients and running statistics, by name."""
    return {name: p.grad for name, p in model.named_parameters()} | dict(model.named_buffers())


@pytest.mark.parametrize("system", SYSTEMS)
def test_maps_that_are_computed_again_give_the_same_gradients_and_statistics(system):
    start, found = lively(system).double(), []
    for level in ("none", "blocks", "stages"):
        model = copy.deepcopy(start)
        model.conv2d.recompute.level = level
        terms = learn(model, system, LENGTHS, draw_clips(LENGTHS))
        assert {name.rstrip("123") for name in terms} == {*weigh_losses(system), "total"}
        found.append(learnt(model))
    for again in found[1:]:
        for name, value in found[0].items():
            assert value is not None, name
            torch.testing.assert_close(again[name], value, rtol=1e-9, atol=1e-12, msg=name)
    assert found[0]["conv2d.conv1.weight"].abs().max() > 1e-6


@pytest.mark.parametrize("system", SYSTEMS)
@pytest.mark.parametrize(("dtype", "least"), [(torch.bfloat16, 0.7), (torch.float16, 0.96)])
def test_maps_in_half_precision_give_nearly_the_same(system, dtype, least):
    gradients = []
    for kind in (torch.float32, dtype):
        model = lively(system)
        model.autocast = kind
        seen = []
        model.conv2d.layer3[0].conv1.register_forward_hook(lambda _, __, out, seen=seen: seen.append(out.dtype))
        terms = learn(model, system, LENGTHS, draw_clips(LENGTHS))
        assert set(seen) == {kind}
        assert {term.dtype for term in terms.values()} == {torch.float32}
        gradients.append(torch.cat([p.grad.flatten() for p in model.parameters()]))
    similarity = torch.nn.functional.cosine_similarity(*gradients, dim=0)
    assert least < similarity < 1 - 1e-7


@pytest.mark.parametrize("system", SYSTEMS)
def test_what_no_loss_uses_is_frozen_and_all_else_learns(system):
    for term in weigh_losses(system):
        weights = dict.fromkeys(TERMS, 0.0) | weigh_losses(system) | {term: 0.0}
        model = lively(system)
        freeze_unused(model, LossWeights(**weights), on_features=False, freeze_bn=True)
        output = model(draw_clips(LENGTHS), torch.tensor(LENGTHS), None if weights["AuxCTC"] else False)
        SLRCriterion(weights)(output, torch.tensor([1, 2]), torch.tensor([1, 1]))["total"].backward()
        for name, weight in model.named_parameters():
            assert weight.requires_grad == (weight.grad is not None), (term, name)
        norms = [name for name, weight in model.named_parameters() if ".bn1." in name and weight.requires_grad]
        assert norms == []


def learn_in_float64(system: str, rank: int | None = None) -> dict[str, Tensor]:
    """What a step on four clips teaches, or on the two of one of two processes."""
    model, clips = lively(system).double(), draw_clips([8, 8, 8, 8])
    if rank is not None:
        clips = clips[2 * rank : 2 * rank + 2]
    network = wrap_ddp(model, sync_batchnorm=True)  # kept until the backward pass, in which it shares gradients
    output = network(clips, torch.full((len(clips),), 8))
    heads = (output.sequence_logits, output.conv_logits, *(output.scale_logits or ()))
    torch.stack([logits.square().mean() for logits in heads]).sum().backward()
    return learnt(model)


def learn_every_system(rank: int | None = None) -> dict[str, dict[str, Tensor]]:
    return {system: learn_in_float64(system, rank) for system in SYSTEMS if system != "mstfnet"}


def test_two_processes_learn_what_one_learns_from_all_clips(tmp_path):
    expected = learn_every_system()
    for found in in_two(learn_every_system, tmp_path):
        for system, values in expected.items():
            for name, value in values.items():
                torch.testing.assert_close(found[system][name], value, rtol=1e-9, atol=1e-10, msg=f"{system} {name}")


def test_a_compiled_network_with_correlation_learns_the_same(monkeypatch):
    """The compiler gets the stages alone; here it is one that follows what is computed and changes nothing."""
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="eager"))
    plain, compiled = lively("corrnet"), lively("corrnet")
    network = prepare_network(tiny_config(system="corrnet", compile=True), compiled, CPU)
    assert compiled.conv2d._compiled_call_impl is None
    assert all(getattr(compiled.conv2d, name)._compiled_call_impl for name in STAGES)
    for called in (plain, network):
        learn(called, "corrnet", LENGTHS, draw_clips(LENGTHS))
    for name, value in learnt(plain).items():
        torch.testing.assert_close(learnt(compiled)[name], value, rtol=1e-3, atol=1e-4, msg=name)
    whole = lively("tlp")
    prepare_network(tiny_config(system="tlp", compile=True), whole, CPU)
    assert whole.conv2d._compiled_call_impl is not None


@pytest.mark.parametrize("system", ["tlp", "corrnet"])
def test_a_system_is_trained_and_then_reads_frames_or_their_features(system, prepared, tmp_path):
    """By its name alone; the losses of the system are TensorBoard's curves."""
    made = partial(tiny_config, prepared, system=system, num_epoch=1, log_interval=1, accumulate=2)
    trained = run(made(tmp_path / "run"))
    best = tmp_path / "run/best.pt"
    names = set(load_checkpoint(best)["model_state_dict"])
    assert names == set(tiny_system(system, 7).state_dict())
    (events,) = (tmp_path / "run").glob("events.*")
    for term in weigh_losses(system):
        assert f"loss/{term}".encode() in events.read_bytes()
    tested = run(made(tmp_path / "test", phase="test", load_weights=str(best)))
    assert [of.results for of in tested] == [of.results for of in trained]
    run(made(tmp_path / "features", phase="features", load_weights=str(best)))
    on_features = {"feeder_args.datatype": "features", "feeder_args.features": str(tmp_path / "features/features")}
    read = run(made(tmp_path / "read", phase="test", load_weights=str(best), **on_features))
    assert [of.results for of in read] == [of.results for of in trained]
    run(made(tmp_path / "more", load_weights=str(best), **on_features))
    before, after = (load_checkpoint(path)["model_state_dict"] for path in (best, tmp_path / "more/last.pt"))
    kept = {name for name in names if torch.equal(before[name], after[name])}
    assert {name for name in names if name.startswith("conv2d.")} <= kept
    assert "temporal_model.rnn.weight_hh_l0" not in kept


def test_other_combinations_learn_too():
    """Correlation after one stage with lift pooling and HFAM, which nobody published."""
    torch.manual_seed(0)
    model = tiny_network(5, **CORRELATION_ALONE).train()
    learn(model, "mstfnet", LENGTHS, draw_clips(LENGTHS))
    assert all(weight.grad is not None for weight in model.parameters())
    assert model.conv2d.alpha.grad.abs().max() > 0
