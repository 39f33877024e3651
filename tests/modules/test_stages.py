"""The order of stages and fusions is the network's, and is known without PyTorch."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from modules.resnet import ResNet
from modules.stages import LAYERS, name_fusions


def test_the_layers_are_those_of_the_network():
    net = ResNet("resnet18", 16)
    found = {name for name, _ in net.named_children()} - {"conv1", "bn1", "relu", "maxpool"}
    assert set(net.layers) == found
    assert set(net.layers) <= set(LAYERS)
    assert [stage.layer for stage in net.stages] == [net.layer1, net.layer2, net.layer3, net.layer4]
    assert [stage.fusion for stage in net.stages] == [None, net.stf1, net.stf2, net.stf3]


@pytest.mark.parametrize(
    ("fusion", "after", "stages"), [("stf", [2, 3, 4], 2), ("correlation", [3], 3), ("stf", [4], 4), ("none", [2], 4)]
)
def test_stages_up_to_the_first_fusion_see_one_frame_alone(fusion, after, stages):
    net = ResNet("resnet18", 16, fusion, after)
    layers = [net.layer1, net.layer2, net.layer3, net.layer4]
    assert [stage.layer for stage in net.first_stages] == layers[:stages]


def test_a_fusion_keeps_the_number_of_its_place():
    assert name_fusions("correlation", [3, 4]) == {"layer3": "corr2", "layer4": "corr3"}
    assert name_fusions("stf", [2]) == {"layer2": "stf1"}
    assert name_fusions("none", [2, 3]) == {}


@pytest.mark.parametrize("after", [[], [2, 2], [4, 3], [1, 2], [2, 5]])
def test_places_that_there_are_not(after):
    with pytest.raises(ValueError, match=re.escape(f"fusion_after is {after}; it must name stages among [2, 3, 4]")):
        name_fusions("stf", after)


def test_a_fusion_that_there_is_not():
    with pytest.raises(ValueError, match=r"fusion is 'corr'; choose one of \['none', 'stf', 'correlation'\]"):
        name_fusions("corr")


def test_the_names_of_the_layers_are_known_without_pytorch():
    code = "import sys; from evaluation.heat.request import LAYERS; print('torch' in sys.modules)"
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
