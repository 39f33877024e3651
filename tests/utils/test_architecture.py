"""What weights tell of their network, and that every published network loads into the one that they tell of."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from config.sections import ModelArgs
from slr_network import build_model
from tests.helpers.network import tiny_network
from tests.helpers.published import CLASSES, FILES, SWITCHES, narrow_kernels, publish, published_weights, widen_kernels
from utils.architecture import detect_architecture, detect_foreign_system
from utils.checkpoint import CheckpointError, extract_weights, load_weights, select_weights
from utils.systems import describe_system

SYSTEMS = {
    "vac": "vac (VAC, or its baseline without ConvCTC and Dist: they have one network)",
    "smkd": "smkd (VAC with SMKD, or CorrNet's baseline: they have one network)",
    "tlp": "tlp (TLP)",
    "corrnet": "corrnet (CorrNet)",
    "corrnet-CSL-Daily": "corrnet (CorrNet as for CSL-Daily)",
    "mstfnet": "mstfnet (MSTFNet)",
    "mstfnet-resnet18": "none of the published ones; the nearest is mstfnet, which has c2d_type=resnet34",
}
"""Each published network -> what is said of its weights."""

SPELLINGS = [
    (dict, lambda name: name),
    (narrow_kernels, lambda name: name),
    (narrow_kernels, lambda name: f"module.{name}"),
    (widen_kernels, lambda name: name),
    (widen_kernels, lambda name: name.replace(".", ".module.", 1)),
    (dict, lambda name: ".module.".join(name.rsplit(".", 1))),
]
"""How published weights may be stored: with kernels over a picture or over one frame, `module` anywhere in a name."""


@pytest.mark.parametrize("network", FILES)
def test_published_weights_tell_their_network_and_load_into_it(network):
    """Every weight of the network comes from the file, whichever way that spells names and kernels."""
    published = published_weights(network)
    size = {"c2d_type": FILES[network].split("_")[-1], "width": 64, "hidden_size": 1024, "conv_type": 2}
    settings = SWITCHES[network] | size
    with torch.device("meta"):
        own = build_model(ModelArgs(**settings), CLASSES, pretrained=False).state_dict()
    unused = {name for name in published if name.startswith("HFEAM.con1.")}
    if settings["share_classifier"]:
        unused.add("conv1d.fc.weight")  # the second name of the classifier
    assert set(published) - set(own) == unused
    for change, rename in SPELLINGS:
        content = {"epoch": 39, "model_state_dict": {rename(name): w for name, w in change(published).items()}}
        found = detect_architecture(extract_weights(content, "published.pt"))
        assert found.model_args == settings
        assert found.classes == CLASSES
        assert describe_system(found) == SYSTEMS[network]
        taken = select_weights(own, content, (), "published.pt")
        assert taken.keys() == own.keys()
        for name, weight in taken.items():
            assert weight.shape == own[name].shape, name
            assert weight.data_ptr() == published[name].data_ptr(), name  # the very numbers, in their order
        assert detect_foreign_system(published) is None


@pytest.mark.parametrize("network", SWITCHES)
def test_weights_in_published_form_are_put_into_a_network(network, tmp_path):
    published, target = (tiny_network(**SWITCHES[network], hidden_size=32) for _ in range(2))
    publish(published, tmp_path / "published.pt")
    load_weights(target, tmp_path / "published.pt")
    assert target.state_dict().keys() == published.state_dict().keys()
    for name, weight in published.state_dict().items():
        assert torch.equal(target.state_dict()[name], weight), name


@pytest.mark.parametrize("conv_type", [0, 1, 2])
@pytest.mark.parametrize("pooling", ["lift", "max"])
@pytest.mark.parametrize(("fusion", "fusion_after"), [("stf", (2,)), ("correlation", (2, 4)), ("stf", (3, 4))])
def test_weights_tell_the_switches_of_any_network(conv_type, pooling, fusion, fusion_after):
    settings = {"conv_type": conv_type, "pooling": pooling, "fusion": fusion, "fusion_after": fusion_after}
    weights = tiny_network(**settings, hfam=False, hidden_size=32, share_classifier=False).state_dict()
    found = detect_architecture(weights)
    others = {"c2d_type": "resnet18", "width": 16, "hidden_size": 32, "weight_norm": True, "share_classifier": False}
    assert found.model_args == settings | others | {"hfam": False}
    assert detect_architecture({**weights, "conv1d.temporal_conv.9.weight": torch.zeros(2, 2, 5)}).conv_type is None


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"fusion": "none"}, "mstfnet, which has c2d_type=resnet34 fusion=stf"),
        (
            {"fusion": "correlation", "pooling": "max", "hfam": False, "fusion_after": (2,)},
            "corrnet, which has fusion_after=[2,3,4]",
        ),
        ({"fusion_after": (3, 4)}, "mstfnet, which has c2d_type=resnet34 fusion_after=[2,3,4]"),
        ({"pooling": "max"}, "mstfnet, which has c2d_type=resnet34 pooling=lift"),
        ({"hfam": False}, "mstfnet, which has c2d_type=resnet34 hfam=true"),
        ({"fusion": "none", "hfam": False}, "smkd, which has pooling=max"),
        ({"fusion": "none", "hfam": False, "weight_norm": False}, "tlp, which has share_classifier=false"),
    ],
)
def test_the_nearest_published_system_and_what_it_has_otherwise(changes, said):
    found = detect_architecture(tiny_network(**changes).state_dict())  # of a ResNet18
    found = replace(found, width=64, hidden_size=1024)
    assert describe_system(found) == f"none of the published ones; the nearest is {said}"


def test_a_narrower_network_is_not_called_the_published_one():
    weights = tiny_network(fusion="none", pooling="max", hfam=False, hidden_size=32).state_dict()
    said = "none of the published ones; the nearest is smkd, which has width=64 hidden_size=1024"
    assert describe_system(detect_architecture(weights)) == said


def test_a_fusion_in_a_place_that_no_network_here_has_is_not_taken_for_a_setting():
    """Else an error would say that `fusion_after` may not be 5, of a file that holds no configuration."""
    weights = tiny_network(fusion="correlation", fusion_after=(4,), pooling="max", hfam=False).state_dict()
    weights = {name.replace(".corr3.", ".corr4."): w for name, w in weights.items()}
    assert detect_architecture(weights).fusion == "none"


FOREIGN = {
    "SEN": ["conv2d.layer1.0.ssem.conv_back.weight", "conv2d.layer1.0.tsem.alpha"],
    "CorrNet+": ["conv2d.corr2.attpool.query", "conv2d.temporal_weight2.alpha"],
    "SlowFastSign": ["conv2d.s1.pathway0_stem.conv.weight", "conv1d.main_temporal_conv.0.weight"],
}


@pytest.mark.parametrize("system", FOREIGN)
def test_weights_of_systems_that_are_not_of_the_family(system):
    """Each has VAC's names besides; SEN has all of its weights."""
    weights = tiny_network(fusion="none", pooling="max", hfam=False).state_dict()
    weights = {f"module.{name}": w for name, w in weights.items()}
    weights |= {f"module.{name}": torch.zeros(1) for name in FOREIGN[system]}
    assert detect_foreign_system(extract_weights(weights, "")) == system
    with pytest.raises(CheckpointError) as error:
        load_weights(tiny_network(), weights, name="best.pt")
    assert str(error.value) == (
        f"best.pt holds the weights of {system}, which is not supported; weights of VAC, SMKD, TLP, CorrNet and "
        "MSTFNet are"
    )
