import errno
import pickle
import re
import zipfile

import numpy as np
import pytest
import torch

from slr_network import SLRModel
from utils.checkpoint import CheckpointError, check_glosses, load_checkpoint, load_weights, save_checkpoint


def small(**changes) -> SLRModel:
    settings = {"backbone": "resnet18", "width": 16, "hidden_size": 16} | changes
    return SLRModel(5, **settings)


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


class Malicious:
    def __reduce__(self):
        return (exec, ("raise SystemExit('code was run')",))


def test_a_file_that_would_run_code_is_refused(tmp_path):
    torch.save({"model_state_dict": Malicious()}, tmp_path / "evil.pt")
    with pytest.raises(CheckpointError, match="could run code"):
        load_checkpoint(tmp_path / "evil.pt")
    (tmp_path / "plain.pkl").write_bytes(pickle.dumps(Malicious()))
    with pytest.raises(CheckpointError, match=r"plain\.pkl"):
        load_checkpoint(tmp_path / "plain.pkl")


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
    source, target = small(), small()
    save_checkpoint(tmp_path / "a.pt", {"model_state_dict": source.state_dict(), "glosses": ["A"]})
    load_weights(target, tmp_path / "a.pt")
    assert all(
        torch.equal(a, b) for a, b in zip(source.state_dict().values(), target.state_dict().values(), strict=True)
    )
    load_weights(target, {f"module.{name}": w + 1 for name, w in source.state_dict().items()})
    assert torch.equal(target.classifier.weight, source.classifier.weight + 1)


def test_one_and_three_alignment_attentions():
    three, one = small(share_heads=False), small(share_heads=True)
    weights = three.state_dict()
    with pytest.raises(CheckpointError, match=r"unexpected: .*HFEAM\.stse2"):
        load_weights(one, weights)
    for name in list(weights):
        if name.startswith(("HFEAM.stse2.", "HFEAM.stse3.")):
            weights[name] = weights["HFEAM.stse1." + name.split(".", 2)[2]]
    load_weights(one, weights)
    assert torch.equal(one.HFEAM.stse1.fc[0].weight, three.HFEAM.stse1.fc[0].weight)
    load_weights(small(share_heads=True), one.state_dict())


def test_what_does_not_fit_is_listed():
    weights = small().state_dict()
    del weights["conv2d.alpha"]
    weights["stranger"] = torch.zeros(1)
    weights["classifier.weight"] = torch.zeros(16, 9)
    with pytest.raises(CheckpointError) as error:
        load_weights(small(), weights)
    text = str(error.value)
    assert "missing: conv2d.alpha" in text
    assert "unexpected: stranger" in text
    assert "classifier.weight: (16, 9) in the file, (16, 5) in the network" in text


def test_ignored_weights_keep_what_they_have():
    target, other = small(), small()
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
    with pytest.raises(
        CheckpointError, match=r"2 glosses there, 2 in the prepared corpus; there alone: C; here alone: B"
    ):
        check_glosses({"glosses": ["A", "C"]}, "f.pt", ["A", "B"])
    with pytest.raises(CheckpointError):
        check_glosses({"glosses": ["B", "A"]}, "f.pt", ["A", "B"])
