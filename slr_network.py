"""The network of MSTFNet and its relatives: frames in, logits of glosses out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from modules.alignment import FeatureAlignment
from modules.bilstm import BiLSTM
from modules.classifier import build_classifier
from modules.convolution import time_mask
from modules.folding import fold_norms
from modules.frame_chunks import compute_features, compute_new_maps, compute_window_features
from modules.input_check import check_input
from modules.output import SLROutput
from modules.resnet import ResNet
from modules.stages import FUSION_AFTER
from modules.temporal_conv import TemporalConv
from utils.checkpoint import check_glosses, load_checkpoint, select_weights
from utils.errors import explain_out_of_memory
from utils.precision import select_dtype
from utils.pretrained import load_pretrained
from utils.temporal import TemporalSpec

if TYPE_CHECKING:  # the network itself needs no pydantic
    from config.sections import ModelArgs


class SLRModel(nn.Module):
    """MSTFNet, and with other switches VAC, SMKD, TLP and CorrNet (`config/systems` says which).

    Args:
        num_classes: V, the glosses and the blank (class 0).
        backbone: "resnet18" or "resnet34".
        hidden_size: channels of the temporal convolutions and of the BiLSTM; even.
        conv_type: the temporal chain, as in `TemporalSpec`.
        weight_norm: whether classifiers have columns of length one, or are linear ones with bias.
        share_classifier: whether the convolutional and the sequence head have one classifier.
        share_heads: whether the three levels have one alignment attention (PHOENIX2014), or one each.
        mask_padding: whether what a clip yields depends on that clip alone; False is the published behaviour.
        fusion: what the backbone's frames learn from their neighbours by: "stf", "correlation" or "none".
        fusion_after: the numbers of the stages that a fusion follows, in increasing order.
        pooling: the pooling of the temporal chain, "lift" or "max".
        hfam: whether there is HFAM, whose heads train the backbone's levels.
        width: channels of the backbone's first stage, a multiple of 16; 64 is the published network.
        dropout: the rate of dropout in the BiLSTM and in HFAM.
        frame_chunk: the number of frames that the backbone computes at a time in evaluation; 0: by the frames' size.
    """

    def __init__(
        self, num_classes: int, backbone: str = "resnet34", hidden_size: int = 1024, conv_type: int = 2,
        weight_norm: bool = True, share_classifier: bool = True, share_heads: bool = False, mask_padding: bool = True,
        fusion: str = "stf", fusion_after: Sequence[int] = FUSION_AFTER, pooling: str = "lift", hfam: bool = True,
        width: int = 64, dropout: float = 0.3, frame_chunk: int = 0,
    ) -> None:  # fmt: skip
        super().__init__()
        if num_classes < 2:
            raise ValueError(f"num_classes is {num_classes}; a blank and at least one gloss are needed")
        if hidden_size < 2 or hidden_size % 2:
            raise ValueError(f"hidden_size is {hidden_size}; the BiLSTM needs a positive even number")
        if width < 16 or width % 16:
            raise ValueError(f"width is {width}; the alignment attention needs a positive multiple of 16")
        self.spec = TemporalSpec(conv_type)
        self.mask_padding = mask_padding
        self.frame_chunk = frame_chunk
        self.autocast = torch.float32  # of the maps of frames in training; weights stay float32
        self.conv2d = ResNet(backbone, width, fusion, fusion_after)
        conv_classifier = None if share_classifier else build_classifier(hidden_size, num_classes, weight_norm)
        self.conv1d = TemporalConv(self.conv2d.out_channels, hidden_size, conv_type, conv_classifier, pooling)
        self.classifier = build_classifier(hidden_size, num_classes, weight_norm)
        self.temporal_model = BiLSTM(hidden_size, hidden_size, dropout)
        # HFAM, by the name that it has in published weights.
        self.HFEAM = FeatureAlignment(width, hidden_size, conv_type, share_heads, dropout) if hfam else None

    def forward(self, video: Tensor, lengths: Tensor, with_scales: bool | None = None) -> SLROutput:
        """Recognise a batch.

        Args:
            video: (B, T_pad, 3, H, W), uint8 or float in [-1, 1], each clip padded as `TemporalSpec.pad` does; or
                (B, T_pad, C), what `frame_features` gave for such a video.
            lengths: the number of real frames of each clip, before padding, (B,).
            with_scales: whether HFAM is computed, which needs frames; by default only in training on frames, where the
                network has it.

        Raises:
            ValueError: shapes or lengths do not fit, or HFAM is asked for and not there.
        """
        lengths = lengths.cpu()
        padded = check_input(video, lengths, self.conv2d.out_channels, self.spec)  # (B,)
        mask = self._mask(padded, video)  # (B, T)
        if with_scales and self.HFEAM is None:
            raise ValueError("with_scales asks for HFAM, which this network does not have")
        with_scales = self.training and self.HFEAM is not None if with_scales is None else with_scales
        with self._autocast():
            features, levels = self._backbone(video, padded, mask, with_scales)  # (B, C, T)
        features = features.to(self.temporal_dtype)
        steps, lift_norms = self.conv1d(features, None if mask is None else padded)
        steps = steps.permute(2, 0, 1)  # (T', B, hidden)
        conv_logits = (self.conv1d.fc or self.classifier)(steps)  # (T', B, V)
        out_lengths = torch.tensor([self.spec.output_length(n) for n in lengths.tolist()])
        sequence = self.temporal_model(steps, out_lengths)  # (T', B, hidden)
        scale_logits = None
        if levels and self.HFEAM is not None:
            with self._autocast():
                scale_logits = self.HFEAM(levels, self.classifier, video.shape[0], mask)
        return SLROutput(self.classifier(sequence), conv_logits, scale_logits, out_lengths, lift_norms)

    def frame_features(self, video: Tensor, lengths: Tensor) -> Tensor:
        """Compute the backbone's features of each frame, padding included: as `forward` is called -> (B, T_pad, C)."""
        padded = check_input(video, lengths.cpu(), self.conv2d.out_channels, self.spec)  # (B,)
        features, _ = self._backbone(video, padded, self._mask(padded, video), with_levels=False)  # (B, C, T)
        return features.to(self.temporal_dtype).transpose(1, 2)

    def compute_maps(self, frames: Tensor) -> Tensor:
        """For recognition: what depends on one frame alone, of frames (N, 3, H, W); rows of it are for `read_maps`."""
        return compute_new_maps(self.conv2d, frames, self.normalise, self.frame_chunk)

    def read_maps(self, maps: Sequence[Tensor], places: Sequence[int]) -> SLROutput:
        """Recognise one clip, of which `maps` has each distinct frame's, and `places` each frame's place among them."""
        padded = [places[i] for i in self.spec.pad(len(places))]
        features = compute_window_features(self.conv2d, maps, padded, self.frame_chunk)  # (T_pad, C)
        return self(features[None], torch.tensor([len(places)]))

    @property
    def device(self) -> torch.device:
        """Where the network is."""
        return self.conv2d.conv1.weight.device

    @property
    def temporal_dtype(self) -> torch.dtype:
        """The number format in which the layers after the backbone compute."""
        return next(self.temporal_model.parameters()).dtype

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self.device.type, self.autocast, enabled=self.autocast != torch.float32)

    def _mask(self, padded: Tensor, video: Tensor) -> Tensor | None:
        """(B, T), zero past each clip's end; None if no clip ends early or padding is not masked."""
        frames = video.shape[1]
        if not self.mask_padding or not (padded < frames).any():
            return None
        return time_mask(padded, frames, video.device, self.temporal_dtype)

    def _backbone(
        self, video: Tensor, padded: Tensor, mask: Tensor | None, with_levels: bool
    ) -> tuple[Tensor, list[Tensor]]:  # fmt: skip
        """Compute features (B, C, T), and the levels for HFAM where asked for; given features stay as they are."""
        if video.ndim == 3:
            return video.transpose(1, 2), []
        # With gradients or levels all frames are needed at once; else a chunk at a time keeps the memory flat.
        if not (self.training or with_levels or torch.is_grad_enabled()):
            own = padded if self.mask_padding else None
            return compute_features(self.conv2d, video, own, self.normalise, self.frame_chunk), []
        x = self.normalise(video.flatten(0, 1)).contiguous(memory_format=torch.channels_last)  # (B*T, 3, H, W)
        features, levels = self.conv2d(x, video.shape[0], mask, padded)
        return features, levels if with_levels else []

    def normalise(self, video: Tensor) -> Tensor:
        """Scale uint8 in [0, 255] to the network's float in [-1, 1]; floats only change their type."""
        dtype = self.conv2d.conv1.weight.dtype
        return video.to(dtype) / 127.5 - 1 if video.dtype == torch.uint8 else video.to(dtype)


def build_model(args: ModelArgs, num_classes: int, pretrained: bool = True) -> SLRModel:
    """Build the network of a configuration.

    Args:
        args: the configuration's `model_args`.
        num_classes: V, the glosses and the blank.
        pretrained: whether the backbone starts from `args.pretrained`; False where all weights are loaded anyway.

    Raises:
        CheckpointError: the pretrained weights cannot be downloaded or read, or do not fit.
        InputError: memory ran out.
    """
    with explain_out_of_memory(lambda: "while the network was built; lower model_args.width or hidden_size"):
        model = SLRModel(
            num_classes, backbone=args.c2d_type, hidden_size=args.hidden_size, conv_type=args.conv_type,
            weight_norm=args.weight_norm, share_classifier=args.share_classifier, share_heads=args.share_heads,
            mask_padding=args.mask_padding, fusion=args.fusion, fusion_after=args.fusion_after, pooling=args.pooling,
            hfam=args.hfam, width=args.width, dropout=args.dropout,
        )  # fmt: skip
    if pretrained and args.pretrained != "none":
        load_pretrained(model.conv2d, args.c2d_type, args.pretrained)
    return model


def load_model(
    source: str | Path | Mapping[str, Any], args: ModelArgs, glosses: Sequence[str], name: str | Path = "the checkpoint"
) -> SLRModel:
    """Build the network of a checkpoint, with its weights, on the CPU.

    Args:
        source: the file, or what it holds.
        args: the configuration's `model_args`.
        glosses: the vocabulary, in the order of the ids; a checkpoint that holds one must hold the same.
        name: what `source` is called in an error, where it is no file.

    Raises:
        CheckpointError: the file cannot be read, is of another network, or was trained on other glosses.
    """
    if not isinstance(source, Mapping):
        return load_model(load_checkpoint(source), args, glosses, source)
    check_glosses(source, name, glosses)
    classes = len(glosses) + 1  # one class more: the blank
    with torch.device("meta"):  # needs no memory, whatever size the configuration asks for
        shapes = build_model(args, classes, pretrained=False).state_dict()
    weights = select_weights(shapes, source, (), str(name))
    model = build_model(args, classes, pretrained=False)
    model.load_state_dict(weights)
    return model


def fuse_for_inference(model: SLRModel, dtype: torch.dtype = torch.float32) -> SLRModel:
    """Copy a network for recognition; the copy cannot be trained, nor stored.

    BatchNorm becomes part of the convolutions; the backbone computes in `dtype`, what follows it in float32.
    """
    fused = fold_norms(model)
    fused.conv2d.to(dtype)
    return fused


def for_recognition(model: SLRModel, precision: str, *, frame_chunk: int = 0, compiled: bool = False) -> SLRModel:
    """Copy a network by `fuse_for_inference` as a configuration wants it, on the device of `model`.

    Args:
        model: the network.
        precision: the number format of the backbone, as for `select_dtype`.
        frame_chunk: as in `SLRModel`.
        compiled: whether the backbone's stages are compiled when they first run.
    """
    fused = fuse_for_inference(model, select_dtype(precision, model.device))
    fused.frame_chunk = frame_chunk
    if compiled:
        fused.conv2d.compile_stages()
    return fused
