"""What `python -m benchmarks.gpu` finds on a CPU, in its small form, and what its sections take for right."""

import json
import re
import warnings
from dataclasses import asdict, fields

import pytest
import torch

from benchmarks.gpu import fixtures, parity, recipe, repeatable, waits
from benchmarks.gpu.isolation import run_section
from benchmarks.gpu.section import Task
from benchmarks.gpu.subjects import build_network, draw_batch, render_batches
from config import schema
from tests.helpers.commands import run_python
from tests.helpers.family import published_system, weigh_losses
from tests.helpers.hidden_packages import hide_packages
from utils.environment import SPARED

CPU = torch.device("cpu")
SECTIONS = ("machine", "parity", "waits", "training", "repeatable", "compiled")


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """By section, what the command found where the packages that it may lack are missing: name -> finding."""
    folder = tmp_path_factory.mktemp("check")
    path = folder / "gpu.json"
    words = ["--device=cpu", f"--only={','.join(SECTIONS)}", f"--out={path}"]
    done = run_python("-m", "benchmarks.gpu", *words, env=hide_packages(SPARED, folder), check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    sections = json.loads(path.read_text())["sections"]
    held = {name: {each["name"]: each for each in section["findings"]} for name, section in sections.items()}
    assert all(len(held[name]) == len(sections[name]["findings"]) for name in held), "a name comes twice"
    assert "\n0 failures, " in done.stdout
    return held


def passed(findings) -> set[str]:
    return {name for name, finding in findings.items() if finding["outcome"] == "pass"}


def skipped(findings) -> set[str]:
    return {name for name, finding in findings.items() if finding["outcome"] == "skipped"}


def test_every_section_has_run_and_none_has_failed(found):
    assert tuple(found) == SECTIONS
    for section, findings in found.items():
        assert findings, section
        assert {finding["outcome"] for finding in findings.values()} <= {"pass", "number", "skipped"}, section


def test_the_machine_is_described_and_measured(found):
    machine = found["machine"]
    assert machine["copy within the device"]["value"] > 0.1
    assert machine["copy within the device"]["unit"] == "GB/s"
    assert machine["matrix product"]["unit"] == "TFLOP/s"
    assert skipped(machine) == {"driver", "copy to the device"}
    assert f"torch {torch.__version__}" in machine["packages"]["value"]


def test_published_numbers_and_steps_agree(found):
    options = {f"step in float32, {option.name}, {of}" for option in parity.OPTIONS for of in ("loss", "gradient")}
    assert passed(found["parity"]) == {"float32 vac_eval_b1", *options}
    # A difference of nothing would be a comparison of something with itself.
    assert all(found["parity"][name]["value"] > 0 for name in passed(found["parity"]))


def test_waits_are_counted_on_cuda_alone(found):
    names = {"waits of a step, unequal clips", "waits of a step, equal clips", "waits of an evaluation"}
    assert skipped(found["waits"]) == found["waits"].keys() == names


def test_trainings_learn_and_end_alike(found):
    assert passed(found["training"]) == {
        "tf32, share of the loss that is left", "bf16, share of the loss that is left",
        "bf16, distance of the last loss from tf32's", "overflow in fp16 is told and skipped",
        "overflow in fp16 changes no weight", "overflow in fp16 halves the scale",
    }  # fmt: skip
    assert skipped(found["training"]) == {"memory that runs out"}


def test_trainings_are_repeated_resumed_and_moved(found):
    assert passed(found["repeatable"]) == {
        "two deterministic trainings are equal", "a training resumed within an epoch equals one in one go",
        "a checkpoint of the device on the CPU",
        "a checkpoint of the CPU on the device",
    }  # fmt: skip


def test_compiled_networks_agree(found):
    assert passed(found["compiled"]) == {
        "recognition, difference of compiled from plain", "training, difference of compiled from plain",
    }  # fmt: skip
    assert found["compiled"]["recognition, graphs"]["value"] >= 1
    assert found["compiled"]["training, graphs"]["value"] >= 1


def test_a_broken_tolerance_is_a_failure(tmp_path, monkeypatch):
    folder = tmp_path / "gpu_strict"
    folder.mkdir()
    source = "import torch\nfrom benchmarks.gpu import parity\nparity.OPTIONS = parity.OPTIONS[2:3]\n"
    (folder / "parity.py").write_text(f"{source}parity.STEP[torch.float32] = (0.0, 0.1)\nrun = parity.run\n")
    monkeypatch.syspath_prepend(tmp_path)
    outcomes = {each.name: each.outcome for each in run_section("parity", Task(CPU, True, seconds=300), "gpu_strict")}
    assert outcomes["step in float32, equal clips, loss"] == "fail"
    assert outcomes["step in float32, equal clips, gradient"] == "pass"
    assert outcomes["float32 vac_eval_b1"] == "pass"


@pytest.mark.parametrize("name", ["LossWeights", "OptimizerArgs"])
def test_the_recipe_is_that_of_the_configuration(name):
    own, configured = getattr(recipe, name)(), getattr(schema, name)()
    assert asdict(own) == asdict(configured)


def test_what_a_step_needs_of_the_configuration_is_called_and_set_as_there():
    for field in fields(recipe.Recipe):
        if field.name not in {"loss_weights", "optimizer_args"}:
            assert getattr(recipe.Recipe(), field.name) == getattr(schema.Config(), field.name), field.name


@pytest.mark.parametrize("system", fixtures.NETWORKS)
def test_the_networks_of_the_fixtures_are_those_of_the_systems(system):
    own = build_network(40, **fixtures.NETWORKS[system], width=64, hidden_size=1024)
    expected = published_system(system, 40, c2d_type="resnet18")
    assert {name: weight.shape for name, weight in own.state_dict().items()} == {
        name: weight.shape for name, weight in expected.state_dict().items()
    }
    assert weigh_losses(system) == fixtures.LOSSES[system]


def test_every_file_of_expected_numbers_is_compared():
    names = {path.stem.removeprefix("expected_") for path in fixtures.FOLDER.glob("expected_*.npz")}
    assert {fixture.name for kind in fixtures.FIXTURES.values() for fixture in kind} == names


@pytest.fixture
def a_debug_mode(monkeypatch):
    """PyTorch's mode in which it warns of waits, on a machine without CUDA."""
    modes = [0]
    monkeypatch.setattr(torch.cuda, "get_sync_debug_mode", lambda: modes[-1])
    monkeypatch.setattr(torch.cuda, "set_sync_debug_mode", modes.append)
    return modes


def wait_here():
    warnings.warn(
        "called a synchronizing CUDA operation (Triggered internally at CUDAFunctions.cpp:148.)", stacklevel=1
    )


def test_waits_are_counted_by_the_line_of_the_project_that_asks(a_debug_mode):
    with waits.counted_waits() as places:
        for _ in range(3):
            wait_here()
        warnings.warn("something else", stacklevel=1)
        wait_here()
    assert a_debug_mode == [0, "warn", 0]
    (place,) = places
    assert re.fullmatch(r"tests/benchmarks/test_gpu_sections\.py:\d+", place)
    assert places[place] == 4


@pytest.mark.parametrize(("count", "outcome"), [(8, "pass"), (9, "fail")])
def test_as_many_waits_as_expected_pass_and_one_more_fails(a_debug_mode, count, outcome):
    finding = waits.judge("waits", lambda: [wait_here() for _ in range(count)], parts=4, most=2)
    assert (finding.outcome, finding.value) == (outcome, count / 4)


def test_a_resumed_training_is_another_one_if_its_random_state_is_lost(monkeypatch):
    """So the comparison can fail, and dropout is among what it sees."""
    batches = [draw_batch((12, 8), seed=seed) for seed in range(repeatable.STEPS)]
    whole = repeatable.train(batches, CPU)
    assert repeatable.equal(whole, repeatable.train_in_two_parts(batches, CPU))
    monkeypatch.setattr(repeatable, "restore_random_states", lambda *_: None)
    assert not repeatable.equal(whole, repeatable.train_in_two_parts(batches, CPU))


def test_rendered_batches_are_signed_sentences():
    one, other = render_batches(2, size=32, interval=8)
    assert one.video.shape[0] == other.video.shape[0] == 2
    assert one.video.shape[2:] == (3, 32, 32)
    assert all(2 <= length <= 6 for length in one.target_lengths.tolist())
    assert len(one.targets) == one.target_lengths.sum()
    assert not torch.equal(one.video[0, 0], one.video[1, 0])
