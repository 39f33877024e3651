from urllib.error import URLError

import pytest
import torch
import torchvision

from modules.resnet import ResNet
from utils.checkpoint import CheckpointError
from utils.pretrained import get_weights, load_pretrained


@pytest.fixture(scope="module")
def torchvision_file(tmp_path_factory):
    """A file as torchvision offers it, with random weights and running statistics."""
    torch.manual_seed(0)
    model = torchvision.models.resnet18()
    model(torch.randn(4, 3, 64, 64))
    path = tmp_path_factory.mktemp("weights") / "resnet18.pth"
    torch.save(model.state_dict(), path)
    return path


@pytest.mark.parametrize("fusion", ["none", "correlation", "stf"])
def test_the_backbone_computes_what_torchvision_computes(fusion, torchvision_file):
    """With alpha at zero the fusion layers change nothing, so the features are those of the bare ResNet."""
    backbone = ResNet("resnet18", fusion=fusion).eval()
    load_pretrained(backbone, "resnet18", str(torchvision_file))
    reference = torchvision.models.resnet18()
    reference.load_state_dict(torch.load(torchvision_file, weights_only=True))
    reference.fc = torch.nn.Identity()
    images = torch.randn(3, 3, 96, 96)
    with torch.inference_mode():
        features, levels = backbone(images.contiguous(memory_format=torch.channels_last), batch=1)
        expected = reference.eval()(images)
    assert (features[0].T - expected).abs().max() < 1e-4 * expected.abs().max()
    assert [tuple(level.shape) for level in levels] == [(3, 128, 12, 12), (3, 256, 6, 6), (3, 512, 3, 3)]


def test_another_network_or_width_is_refused(torchvision_file):
    for backbone, name in ((ResNet("resnet34"), "resnet34"), (ResNet("resnet18", 32), "resnet18")):
        with pytest.raises(CheckpointError, match="do not fit"):
            load_pretrained(backbone, name, str(torchvision_file))


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda w: w * float("nan"), "conv1.weight holds values that are not finite"),
        (lambda w: w.long(), "conv1.weight is of the type int64"),
        (lambda w: w.to_sparse(), "conv1.weight is sparse"),
    ],
)
def test_weights_of_another_kind_are_refused(torchvision_file, tmp_path, spoil, words):
    weights = torch.load(torchvision_file, weights_only=True)
    torch.save(weights | {"conv1.weight": spoil(weights["conv1.weight"])}, tmp_path / "odd.pth")
    with pytest.raises(CheckpointError, match=words):
        load_pretrained(ResNet("resnet18"), "resnet18", str(tmp_path / "odd.pth"))


def test_a_file_that_is_not_there_is_named():
    with pytest.raises(CheckpointError, match=r"'imagnet': neither imagenet, nor none, nor a file"):
        load_pretrained(ResNet("resnet18"), "resnet18", "imagnet")


def test_a_failed_download_says_what_to_do(monkeypatch):
    def offline(*_, **__):
        raise URLError("no network")

    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", offline)
    with pytest.raises(CheckpointError) as error:
        load_pretrained(ResNet("resnet18"), "resnet18", "imagenet")
    assert get_weights("resnet18").url in str(error.value)
    assert "pretrained=FILE" in str(error.value)
    assert "pretrained=none" in str(error.value)
