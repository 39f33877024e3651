import errno
import pickle
import random
import re
import zipfile

import numpy as np
import pytest
import torch
import torchvision

from tests.helpers.network import tiny_network
from tests.helpers.pickles import CreatesFolder
from tests.helpers.published import SWITCHES
from utils.checkpoint import (
    CheckpointError,
    check_glosses,
    load_checkpoint,
    load_weights,
    save_checkpoint,
    select_weights,
)


def test_what_is_saved_is_what_is_loaded(tmp_path):
    content = {
        "weights": {"a": torch.arange(3)},
        "epoch": 2,
        "names": ["x"],
        "state": np.random.get_state()[1].tolist(),
    }
    save_checkpoint(tmp_path / "a.pt", content)
    loaded = load_checkpoint(tmp_path / "a.pt")
    assert torch.equal(loaded["weights"]["a"], torch.arange(3))
    assert {key: loaded[key] for key in ("epoch", "names", "state")} == {
        key: content[key] for key in ("epoch", "names", "state")
    }
    assert [file.name for file in tmp_path.iterdir()] == ["a.pt"]


def test_published_files_with_numpy_states_load(tmp_path):
    """Earlier systems keep numpy's random state and the scheduler's counter in their files."""
    torch.save({"model_state_dict": {}, "rng_state": {"numpy": np.random.get_state()}}, tmp_path / "a.pt")
    assert load_checkpoint(tmp_path / "a.pt")["rng_state"]["numpy"][0] == "MT19937"


@pytest.mark.parametrize("module", [b"numpy.core.multiarray", b"numpy._core.multiarray"])
def test_arrays_written_by_any_numpy_load(tmp_path, module):
    """numpy 1 and 2 call the function that rebuilds an array by different names."""
    written = tmp_path / "written.pt"
    torch.save({"rng_state": np.arange(3, dtype=np.uint32)}, written)
    changed = tmp_path / "changed.pt"
    with zipfile.ZipFile(written) as source, zipfile.ZipFile(changed, "w") as target:
        for name in source.namelist():
            data = source.read(name)
            if name.endswith("data.pkl"):
                assert data.count(b"multiarray") == 1
                data = re.sub(rb"numpy\.(_core|core)\.multiarray", module, data)
            target.writestr(name, data)
    assert load_checkpoint(changed)["rng_state"].tolist() == [0, 1, 2]


def test_a_full_disk_leaves_the_old_checkpoint_whole(tmp_path, monkeypatch):
    path = tmp_path / "last.pt"
    save_checkpoint(path, {"epoch": 1})

    def fills_up(content, file):
        file.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(torch, "save", fills_up)
    with pytest.raises(CheckpointError, match=r"No space left on device.*the older .*last\.pt is whole"):
        save_checkpoint(path, {"epoch": 2})
    assert load_checkpoint(path) == {"epoch": 1}
    assert [file.name for file in tmp_path.iterdir()] == ["last.pt"]


def write_zip(content, path):
    torch.save(content, path)


def write_legacy(content, path):
    torch.save(content, path, _use_new_zipfile_serialization=False)


def write_pickle(content, path):
    path.write_bytes(pickle.dumps(content, protocol=2))


def write_text_pickle(content, path):
    path.write_bytes(pickle.dumps(content, protocol=0))


@pytest.mark.parametrize("write", [write_zip, write_legacy, write_pickle, write_text_pickle])
@pytest.mark.parametrize("place", ["alone", "for the weights", "beside the weights", "in a random state"])
def test_a_file_that_would_run_code_is_refused_and_runs_nothing(tmp_path, write, place):
    evil, weights = CreatesFolder(tmp_path / "created"), {"a": torch.zeros(2)}
    content = {
        "alone": evil,
        "for the weights": {"model_state_dict": evil},
        "beside the weights": {"model_state_dict": weights, "epoch": evil},
        "in a random state": {"rng_state": {"numpy": ("MT19937", np.array([evil], dtype=object))}},
    }[place]
    path = tmp_path / "evil.pt"
    write(content, path)
    with pytest.raises(CheckpointError, match=r"evil\.pt is refused, and nothing in it was run") as error:
        load_checkpoint(path)
    assert not (tmp_path / "created").exists()
    assert "weights_only" not in str(error.value)  # PyTorch's own message tells how to read it all the same
    if write in (write_zip, write_legacy) and place != "in a random state":
        assert "posix.mkdir" in str(error.value)
        assert "could run code" in str(error.value)
    if write is write_pickle:  # it is what it claims to be
        pickle.loads(path.read_bytes())
        assert (tmp_path / "created").exists()


@pytest.mark.parametrize("write", [write_zip, write_legacy])
def test_what_published_files_hold_beside_their_weights(tmp_path, write):
    """VAC, CorrNet and those after them save these five entries."""
    layer = torch.nn.Linear(2, 2)
    optimizer = torch.optim.Adam(layer.parameters(), lr=1e-4, weight_decay=1e-4)
    scheduler = torch.optim.lr_scheduler.MultiStepLR(optimizer, [40, 60], 0.2)
    layer(torch.ones(1, 2)).sum().backward()
    optimizer.step()
    scheduler.step()
    states = {
        "torch": torch.get_rng_state(),
        "cuda": [torch.get_rng_state()],
        "numpy": np.random.get_state(),
        "random": random.getstate(),
    }
    content = {
        "epoch": 39,
        "model_state_dict": layer.state_dict(),
        "optimizer_state_dict": optimizer.state_dict(),
        "scheduler_state_dict": scheduler.state_dict(),
        "rng_state": states,
        "best_dev": np.float64(17.25),
        "seed": np.int64(0),
    }
    write(content, tmp_path / "published.pt")
    loaded = load_checkpoint(tmp_path / "published.pt")
    assert loaded["scheduler_state_dict"]["milestones"] == {40: 1, 60: 1}
    assert loaded["rng_state"]["random"] == states["random"]
    assert np.array_equal(loaded["rng_state"]["numpy"][1], states["numpy"][1])
    assert loaded["best_dev"] == 17.25
    other = torch.nn.Linear(2, 2)
    load_weights(other, tmp_path / "published.pt")
    assert torch.equal(other.weight, layer.weight)


@pytest.mark.parametrize("write", [write_zip, write_legacy])
def test_a_damaged_file_is_never_more_than_a_checkpoint_error(tmp_path, write):
    write({"epoch": 3, "weights": {"a": torch.arange(5.0)}, "state": np.random.get_state()}, tmp_path / "whole.pt")
    whole = (tmp_path / "whole.pt").read_bytes()
    chance, path, refused = random.Random(0), tmp_path / "damaged.pt", 0
    for _ in range(200):
        damaged = bytearray(whole[: chance.randrange(len(whole))] if chance.random() < 0.3 else whole)
        for _ in range(chance.randrange(4)):
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        path.write_bytes(damaged)
        try:
            load_checkpoint(path)
        except CheckpointError:
            refused += 1
    assert refused > 50


def test_missing_truncated_and_foreign_files(tmp_path):
    with pytest.raises(CheckpointError, match=r"no checkpoint .*nowhere\.pt"):
        load_checkpoint(tmp_path / "nowhere.pt")
    save_checkpoint(tmp_path / "a.pt", {"x": torch.zeros(5000)})
    whole = (tmp_path / "a.pt").read_bytes()
    (tmp_path / "half.pt").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(CheckpointError, match=r"half\.pt"):
        load_checkpoint(tmp_path / "half.pt")
    torch.save([1, 2], tmp_path / "list.pt")
    with pytest.raises(CheckpointError, match="holds list"):
        load_checkpoint(tmp_path / "list.pt")


def test_weights_from_a_file_of_ours_and_from_a_bare_state_dict(tmp_path):
    source, target = tiny_network(), tiny_network()
    save_checkpoint(tmp_path / "a.pt", {"model_state_dict": source.state_dict(), "glosses": ["A"]})
    load_weights(target, tmp_path / "a.pt")
    assert all(
        torch.equal(a, b) for a, b in zip(source.state_dict().values(), target.state_dict().values(), strict=True)
    )
    load_weights(target, {f"module.{name}": w + 1 for name, w in source.state_dict().items()})
    assert torch.equal(target.classifier.weight, source.classifier.weight + 1)


def test_one_and_three_alignment_attentions():
    three, one = tiny_network(share_heads=False), tiny_network(share_heads=True)
    weights = three.state_dict()
    with pytest.raises(CheckpointError, match=r"unexpected: .*HFEAM\.stse2"):
        load_weights(one, weights)
    for name in list(weights):
        if name.startswith(("HFEAM.stse2.", "HFEAM.stse3.")):
            weights[name] = weights["HFEAM.stse1." + name.split(".", 2)[2]]
    load_weights(one, weights)
    assert torch.equal(one.HFEAM.stse1.fc[0].weight, three.HFEAM.stse1.fc[0].weight)
    load_weights(tiny_network(share_heads=True), one.state_dict())


def test_what_does_not_fit_is_listed():
    weights = tiny_network().state_dict()
    del weights["conv2d.alpha"]
    weights["stranger"] = torch.zeros(1)
    weights["classifier.weight"] = torch.zeros(16, 9)
    with pytest.raises(CheckpointError) as error:
        load_weights(tiny_network(), weights)
    text = str(error.value)
    assert "missing: conv2d.alpha" in text
    assert "unexpected: stranger" in text
    assert "classifier.weight: (16, 9) in the file, (16, 5) in the network" in text


@pytest.mark.parametrize(
    ("theirs", "ours", "said"),
    [
        ({"num_classes": 9}, {}, ["another vocabulary: 8 glosses and the blank in the file, 4 glosses and the blank"]),
        ({"backbone": "resnet34"}, {}, ["another backbone: resnet34 in the file, resnet18 in the network"]),
        ({}, {"backbone": "resnet34"}, ["another backbone: resnet18 in the file, resnet34 in the network"]),
        ({"hidden_size": 32}, {}, ["another hidden_size: 32 in the file, 16 in the network (model_args.hidden_size)"]),
        ({"width": 32}, {}, ["another width: 32 in the file, 16 in the network (model_args.width)"]),
        ({"conv_type": 1}, {}, ["another conv_type: 1 in the file, 2 in the network"]),
        ({"share_heads": True}, {}, ["another share_heads: true in the file, false in the network"]),
        ({}, {"share_heads": True}, ["another share_heads: false in the file, true in the network"]),
        ({}, {"share_classifier": False}, ["another share_classifier: true in the file, false in the network"]),
        ({"weight_norm": False}, {}, ["another weight_norm: false in the file, true in the network"]),
        ({"fusion": "none"}, {}, ["another fusion: none in the file, stf in the network (model_args.fusion)"]),
        ({"fusion": "correlation"}, {}, ["another fusion: correlation in the file, stf in the network"]),
        ({"fusion_after": (3, 4)}, {}, ["another fusion_after: [3,4] in the file, [2,3,4] in the network"]),
        ({"pooling": "max"}, {}, ["another pooling: max in the file, lift in the network (model_args.pooling)"]),
        ({}, {"hfam": False}, ["another hfam: true in the file, false in the network (model_args.hfam)"]),
        (
            {"fusion": "none", "pooling": "max", "hfam": False},  # VAC's, with less than half of MSTFNet's names
            {},
            ["another fusion: none", "another pooling: max in the file", "another hfam: false in the file"],
        ),
        (
            {"num_classes": 9, "backbone": "resnet34"},
            {},
            ["another vocabulary", "another backbone: resnet34 in the file"],
        ),
    ],
)
def test_a_mismatch_says_what_it_probably_is(theirs, ours, said):
    with pytest.raises(CheckpointError) as error:
        load_weights(tiny_network(**ours), tiny_network(**theirs).state_dict())
    guess = str(error.value).splitlines()[1]
    assert guess.startswith("  probably another")
    assert guess.count("another") == len(said)
    for text in said:
        assert text in guess


def test_a_mismatch_names_ten_weights_and_the_settings_that_would_fit():
    with pytest.raises(CheckpointError) as error:
        load_weights(tiny_network(), tiny_network(backbone="resnet34", width=32, weight_norm=False).state_dict())
    lines = str(error.value).splitlines()
    settings = "model_args.c2d_type=resnet34 model_args.width=32 model_args.weight_norm=false"
    assert lines[2].strip() == f"the network of these weights has {settings}"
    named = [name for name in re.split(r"[\s,;:]+", " ".join(lines[3:])) if "." in name]
    assert len(named) == len(set(named)) == 10  # 5 of those unexpected, 5 of those misshapen
    assert re.search(r"unexpected: (\S+, ){4}\S+ and \d+ more$", lines[3])
    assert re.search(r" and \d+ more$", lines[4])
    with pytest.raises(CheckpointError, match=r"missing: (\S+, ){9}\S+ and \d+ more$"):
        load_weights(tiny_network(), {"conv2d.alpha": torch.zeros(3)})


@pytest.mark.parametrize(
    ("network", "changes", "settings"),
    [
        ("vac", {}, "system=vac"),
        ("corrnet", {"width": 32}, "system=corrnet model_args.width=32"),
        ("corrnet-CSL-Daily", {}, "system=corrnet model_args.fusion_after=[3,4]"),
        ("tlp", {"share_classifier": True}, "system=tlp model_args.share_classifier=true"),
        ("mstfnet", {"pooling": "max"}, "model_args.pooling=max"),
    ],
)
def test_weights_of_another_system_name_it_instead_of_its_switches(network, changes, settings):
    theirs = tiny_network(**SWITCHES[network] | changes).state_dict()
    with pytest.raises(CheckpointError) as error:
        load_weights(tiny_network(), theirs)
    assert str(error.value).splitlines()[2].strip() == f"the network of these weights has {settings}"


def test_a_mismatch_is_told_of_a_network_that_has_no_values_yet():
    """As `load_model` builds it, before it takes memory for it."""
    with torch.device("meta"):
        own = tiny_network(share_classifier=False, share_heads=False).state_dict()
    with pytest.raises(CheckpointError, match="another share_classifier: true in the file, false in the network"):
        select_weights(own, tiny_network().state_dict(), (), "a.pt")


def test_weights_of_other_networks_are_called_that():
    with pytest.raises(CheckpointError, match=r"image network, as torchvision offers them"):
        load_weights(tiny_network(), torchvision.models.resnet18().state_dict())
    with pytest.raises(CheckpointError, match=r"another kind of network: 1 of \d+ names"):
        load_weights(tiny_network(), {"conv2d.conv1.weight": torch.zeros(16, 3, 1, 7, 7), "gru.weight": torch.zeros(2)})


def test_what_is_ignored_is_no_reason():
    weights = tiny_network(num_classes=9).state_dict()
    del weights["conv2d.alpha"]
    with pytest.raises(CheckpointError) as error:
        load_weights(tiny_network(), weights, ignore=["classifier.weight"])
    assert "missing: conv2d.alpha" in str(error.value)
    assert "probably" not in str(error.value)


@pytest.mark.parametrize("content", [{}, {"epoch": 3}, {"model_state_dict": [1]}, {"model_state_dict": {"a": 1}}])
def test_a_file_without_weights(content):
    with pytest.raises(CheckpointError, match="the weights: no tensor is there"):
        load_weights(tiny_network(), content)


def test_ignored_weights_keep_what_they_have():
    target, other = tiny_network(), tiny_network()
    before = target.classifier.weight.clone()
    weights = other.state_dict() | {"classifier.weight": torch.zeros(16, 9)}
    load_weights(target, weights, ignore=["classifier.weight"])
    assert torch.equal(target.classifier.weight, before)
    assert torch.equal(target.HFEAM.fc.weight, other.HFEAM.fc.weight)
    with pytest.raises(CheckpointError, match="clasifier"):
        load_weights(target, weights, ignore=["clasifier.weight"])


def test_another_dictionary_is_refused():
    check_glosses({}, "f.pt", ["A"])
    check_glosses({"glosses": ["A", "B"]}, "f.pt", ("A", "B"))
    check_glosses({"glosses": ["SU\u0308D"]}, "f.pt", ("SÜD",))
    with pytest.raises(
        CheckpointError, match=r"2 glosses there, 2 in the prepared corpus; there alone: C; here alone: B"
    ):
        check_glosses({"glosses": ["A", "C"]}, "f.pt", ["A", "B"])
    with pytest.raises(CheckpointError):
        check_glosses({"glosses": ["B", "A"]}, "f.pt", ["A", "B"])
