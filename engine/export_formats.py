"""The files that other programs read a trained network from: how each is written, and read back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import torch

from engine.clip_network import ClipNetwork, ScanClipNetwork
from evaluation.inference.onnx_network import INPUT, OUTPUT, load_onnx
from evaluation.inference.torch_network import Network, TorchNetwork
from utils.errors import InputError

LONGEST = 100_000  # output steps; torch.export is given an upper limit
OLDEST = "2.8"  # PyTorch that exports a loop over time
OPSET = 17  # the newest that PyTorch's TorchScript exporter writes without conversion


@dataclass(frozen=True)
class Exported:
    """A network in a PyTorch file that was read back; called with frames, it gives logits."""

    run: Callable[[torch.Tensor], torch.Tensor]
    network: TorchNetwork

    @torch.inference_mode()
    def __call__(self, video: np.ndarray) -> np.ndarray:
        """Frames (T, 3, S, S) uint8 -> logits (T', V) float32."""
        return self.run(self.network.make_batch(video).video)[0].cpu().numpy()


def write_onnx(network: TorchNetwork, example: torch.Tensor, path: Path, notes: Mapping[str, str]) -> None:
    """Write ONNX, with the older of PyTorch's exporters: the newer one unrolls the LSTM, and one length alone works."""
    lengths = {INPUT: {0: "batch", 1: "frames"}, OUTPUT: {0: "batch", 1: "steps"}}
    model = ClipNetwork(network.model)
    torch.onnx.export(
        model, (example,), str(path), dynamo=False, input_names=[INPUT], output_names=[OUTPUT], dynamic_axes=lengths,
        opset_version=OPSET,
    )  # fmt: skip
    add_notes(path, notes)


def add_notes(path: Path, notes: Mapping[str, str]) -> None:
    """Write metadata into an ONNX file, in the place of what it has."""
    written = onnx.load(str(path))
    onnx.helper.set_model_props(written, dict(notes))
    onnx.save(written, str(path))


def write_torchscript(network: TorchNetwork, example: torch.Tensor, path: Path, notes: Mapping[str, str]) -> None:
    """Write TorchScript, which C++ reads too."""
    traced = torch.jit.trace(ClipNetwork(network.model), (example,), check_trace=False)
    torch.jit.save(traced, str(path), _extra_files=dict(notes))


def write_torch_export(network: TorchNetwork, example: torch.Tensor, path: Path, notes: Mapping[str, str]) -> None:
    """Write an exported program, PyTorch's successor of TorchScript."""
    if torch.__version__ < OLDEST:
        raise InputError(f"the format torch_export needs PyTorch {OLDEST} or newer, this is {torch.__version__}")
    spec = network.model.spec
    frames = spec.stride * torch.export.Dim("steps", min=1, max=LONGEST) + 2 * spec.edge
    shapes = ({1: frames},)
    program = torch.export.export(ScanClipNetwork(network.model), (example,), dynamic_shapes=shapes, strict=False)
    torch.export.save(program, str(path), extra_files=dict(notes))


def read_onnx(path: Path, network: TorchNetwork) -> Network:  # noqa: ARG001  onnxruntime needs none of it
    """The network of an ONNX file, in onnxruntime."""
    return load_onnx(path).network


def read_torchscript(path: Path, network: TorchNetwork) -> Network:
    """The network of a TorchScript file, on the device of `network`."""
    return Exported(torch.jit.load(str(path), map_location=network.model.device), network)


def read_torch_export(path: Path, network: TorchNetwork) -> Network:
    """The network of an exported program."""
    return Exported(torch.export.load(str(path)).module(), network)


@dataclass(frozen=True)
class Format:
    """A format: the ending of its files' names, and how they are written and read."""

    suffix: str
    write: Callable[[TorchNetwork, torch.Tensor, Path, Mapping[str, str]], None]
    read: Callable[[Path, TorchNetwork], Network]


FORMATS = {
    "onnx": Format(".onnx", write_onnx, read_onnx),
    "torchscript": Format(".ts", write_torchscript, read_torchscript),
    "torch_export": Format(".pt2", write_torch_export, read_torch_export),
}
