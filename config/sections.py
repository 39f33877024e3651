"""The sections of the configuration as frozen records: losses, optimiser, feeder and network (`config.schema`)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from config.values import (
    AutoMultiple,
    Chain,
    Channels,
    Count,
    Epochs,
    Frames,
    OptionalText,
    Pixels,
    Positive,
    Rate,
    Real,
    Share,
    Stage,
    Text,
    Weight,
    Whole,
)  # fmt: skip
from utils.arguments import LARGEST_SIDE

# A misspelt key is an error. Numbers count as text where text is needed: YAML reads `device: 0` as a number.
STRICT = ConfigDict(extra="forbid", coerce_numbers_to_str=True, allow_inf_nan=False)


@dataclass(frozen=True)
class LossWeights:
    """The weight of each term of the training loss (`modules.losses`); zero leaves the term out."""

    __pydantic_config__ = STRICT

    SeqCTC: Weight = 1.0  # CTC of the sequence head, whose output is the result
    ConvCTC: Weight = 1.0  # CTC of the convolutional head
    AuxCTC: Weight = 1.0  # CTC of each level of HFAM
    Dist: Weight = 25.0  # distillation: the convolutional head learns from the sequence head
    Cu: Weight = 0.0  # of lift pooling: its approximation is to be near the odd steps
    Cp: Weight = 0.0  # of lift pooling: the odd steps are to be predicted well

    def __post_init__(self) -> None:
        # Dist alone would let one head imitate another that learns nothing.
        if not (self.SeqCTC or self.ConvCTC or self.AuxCTC):
            raise ValueError("SeqCTC, ConvCTC and AuxCTC are all zero: nothing would be learnt")


@dataclass(frozen=True)
class OptimizerArgs:
    """The optimiser (`engine.optim`) and its learning rate (`engine.learning_rate`)."""

    __pydantic_config__ = STRICT

    optimizer: Literal["Adam", "SGD"] = "Adam"
    base_lr: Rate = 1e-4
    step: Epochs = (40, 60)  # epochs after which the rate is multiplied by gamma
    gamma: Rate = 0.2
    weight_decay: Weight = 1e-4
    momentum: Share = 0.9  # of SGD alone, as is nesterov
    nesterov: bool = False
    warmup_steps: Count = 0  # the optimiser's steps, not epochs
    max_gradient_norm: Weight = 0.0  # 0: gradients are not clipped

    def __post_init__(self) -> None:
        if self.optimizer == "SGD" and self.nesterov and not self.momentum:
            raise ValueError("nesterov needs a momentum above zero")


@dataclass(frozen=True)
class FeederArgs:
    """From prepared frames to what the network sees (`dataset.loader`, `dataset.transforms`)."""

    __pydantic_config__ = STRICT

    datatype: Literal["video", "lmdb", "features"] = "video"  # folders of images, a pack of them, or stored features
    features: OptionalText = None  # the folder that --phase features wrote
    bucket: bool = False  # batches of clips of similar length
    pad_to: AutoMultiple = "auto"  # the padded length of a training batch is a multiple of it; auto: `engine.pad_to`
    frame_interval: Frames = 1  # 2 takes every second frame
    image_scale: Annotated[Real, Field(gt=0, le=LARGEST_SIDE)] = 1.0  # above 1 it is a size in pixels
    input_size: Pixels = 224  # the side of the crop, in pixels
    flip: Share = 0.5
    temporal_scale: Annotated[Real, Field(ge=0, lt=1)] = 0.2
    min_frames: Frames = 32  # temporal_scale stays between these two
    max_frames: Positive = 230
    skip_short: bool = False

    def __post_init__(self) -> None:
        if self.min_frames > self.max_frames:
            raise ValueError(f"min_frames {self.min_frames} is above max_frames {self.max_frames}")
        if self.datatype == "features" and not self.features:
            raise ValueError("datatype features needs `features`, the folder that --phase features wrote")


@dataclass(frozen=True)
class ModelArgs:
    """The network (`slr_network.build_model`)."""

    __pydantic_config__ = STRICT

    c2d_type: Literal["resnet18", "resnet34"] = "resnet34"  # the backbone
    pretrained: Text = "imagenet"
    fusion: Literal["none", "correlation", "stf"] = "stf"  # what sees a frame's neighbours in the backbone
    fusion_after: tuple[Stage, ...] = (2, 3, 4)  # the stages of the backbone that a fusion follows
    pooling: Literal["lift", "max"] = "lift"  # of the temporal chain
    hfam: bool = True  # whether there are the three heads of AuxCTC
    width: Annotated[Whole, Field(ge=16, le=512, multiple_of=16)] = 64  # HFAM splits 2 * width channels into 32 groups
    hidden_size: Channels = 1024  # the BiLSTM's two directions share it evenly
    conv_type: Chain = 2  # the temporal chain, as `utils.temporal.TemporalSpec` has it
    weight_norm: bool = True
    share_classifier: bool = True
    share_heads: bool = True
    mask_padding: bool = True
    dropout: Annotated[Real, Field(ge=0, lt=1)] = 0.3

    def __post_init__(self) -> None:
        if list(self.fusion_after) != sorted(set(self.fusion_after)):
            raise ValueError(
                f"fusion_after is {list(self.fusion_after)}; it names each stage once, in increasing order"
            )
        if not self.fusion_after and self.fusion != "none":
            raise ValueError(
                f"fusion {self.fusion} needs a stage in fusion_after; a network without it has fusion: none"
            )
