"""What can be configured: frozen records, whose defaults with config/phoenix2014.yaml are the published recipe there.

`config/baseline.yaml` explains every key. Ranges and choices stand in the types; pydantic checks them in `config.load`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import ConfigDict, Field

STRICT = ConfigDict(extra="forbid", coerce_numbers_to_str=True, allow_inf_nan=False)

Count = Annotated[int, Field(ge=0)]
Positive = Annotated[int, Field(ge=1)]
Weight = Annotated[float, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]
Rate = Annotated[float, Field(gt=0)]
Rules = Literal["phoenix2014", "phoenix2014-sentence", "phoenix2014-T", "none"]
"""The names of the rule sets of `evaluation.normalise`."""
Scorer = Literal["python", "sclite"]
"""Who counts errors: `evaluation.wer` or `evaluation.sclite`."""


@dataclass(frozen=True)
class LossWeights:
    """Weight of each term of the training loss; zero leaves the term out."""

    __pydantic_config__ = STRICT

    SeqCTC: Weight = 1.0
    ConvCTC: Weight = 1.0
    AuxCTC: Weight = 1.0
    Dist: Weight = 25.0

    def __post_init__(self) -> None:
        if not (self.SeqCTC or self.ConvCTC or self.AuxCTC):
            raise ValueError("SeqCTC, ConvCTC and AuxCTC are all zero: nothing would be learnt")


@dataclass(frozen=True)
class OptimizerArgs:
    """Optimiser and learning rate."""

    __pydantic_config__ = STRICT

    optimizer: Literal["Adam", "SGD"] = "Adam"
    base_lr: Rate = 1e-4
    step: tuple[Positive, ...] = (40, 60)
    gamma: Rate = 0.2
    weight_decay: Weight = 1e-4
    momentum: Share = 0.9
    nesterov: bool = False
    warmup_steps: Count = 0
    max_gradient_norm: Weight = 0.0

    def __post_init__(self) -> None:
        if self.optimizer == "SGD" and self.nesterov and not self.momentum:
            raise ValueError("nesterov needs a momentum above zero")


@dataclass(frozen=True)
class FeederArgs:
    """From prepared frames to what the network sees."""

    __pydantic_config__ = STRICT

    datatype: Literal["video", "lmdb", "features"] = "video"
    features: str | None = None
    bucket: bool = False
    frame_interval: Positive = 1
    image_scale: Rate = 1.0
    input_size: Annotated[int, Field(ge=64)] = 224
    flip: Share = 0.5
    temporal_scale: Annotated[float, Field(ge=0, lt=1)] = 0.2
    min_frames: Positive = 32
    max_frames: Positive = 230
    skip_short: bool = False

    def __post_init__(self) -> None:
        if self.min_frames > self.max_frames:
            raise ValueError(f"min_frames {self.min_frames} is above max_frames {self.max_frames}")
        if self.datatype == "features" and not self.features:
            raise ValueError("datatype features needs `features`, the folder that --phase features wrote")


@dataclass(frozen=True)
class ModelArgs:
    """The network."""

    __pydantic_config__ = STRICT

    c2d_type: Literal["resnet18", "resnet34"] = "resnet34"
    pretrained: str = "imagenet"
    width: Annotated[int, Field(ge=16, multiple_of=16)] = 64
    hidden_size: Annotated[int, Field(ge=2, multiple_of=2)] = 1024
    conv_type: Literal[0, 1, 2] = 2
    weight_norm: bool = True
    share_classifier: bool = True
    share_heads: bool = True
    mask_padding: bool = True
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.3


@dataclass(frozen=True)
class Config:
    """One run."""

    __pydantic_config__ = STRICT

    phase: Literal["train", "test", "features"] = "train"
    dataset: str = "phoenix2014"
    dataset_root: str = "./dataset/phoenix2014"
    prepared: str = "./preprocess/phoenix2014"
    work_dir: str = "./work_dir/baseline"
    num_epoch: Positive = 80
    batch_size: Positive = 2
    accumulate: Positive = 1
    test_batch_size: Positive = 2
    random_seed: Count = 0
    device: str = "auto"
    num_worker: Count = 4
    log_interval: Positive = 50
    eval_interval: Positive = 1
    save_interval: Count = 0
    save_every_steps: Count = 0
    keep: Count = 0
    decode_mode: Literal["beam", "greedy", "max"] = "beam"
    beam_width: Positive = 10
    decode_backend: Literal["builtin", "ctcdecode"] = "builtin"
    evaluate_tool: Scorer = "python"
    sclite_path: str | None = None
    normalise: Rules = "phoenix2014"
    also_normalise: tuple[Rules, ...] = ()
    merge_repeats: bool = False
    frame_rate: Rate = 25.0
    frame_chunk: Count = 0
    recompute: Literal["none", "blocks", "stages"] = "blocks"
    precision: Literal["fp32", "bf16", "fp16", "auto"] = "fp32"
    compile: bool = False
    freeze_bn: bool = False
    load_weights: str | None = None
    load_checkpoints: str | None = None
    resume: bool = False
    allow_changes: bool = False
    ignore_weights: tuple[str, ...] = ()
    overwrite: bool = False
    on_nonfinite: Literal["stop", "skip"] = "stop"
    on_bad_clip: Literal["stop", "skip"] = "stop"
    max_skips: Positive = 10
    deterministic: bool = False
    sync_batchnorm: bool = True
    loss_weights: LossWeights = field(default_factory=LossWeights)
    optimizer_args: OptimizerArgs = field(default_factory=OptimizerArgs)
    feeder_args: FeederArgs = field(default_factory=FeederArgs)
    model_args: ModelArgs = field(default_factory=ModelArgs)

    def __post_init__(self) -> None:
        if self.phase == "features" and not self.model_args.mask_padding:
            raise ValueError("features must not depend on the batch: set model_args.mask_padding to true")
        starts_anew = not (self.load_weights or self.load_checkpoints or self.resume)
        if self.phase == "train" and self.freeze_bn and self.model_args.pretrained == "none" and starts_anew:
            raise ValueError("freeze_bn keeps statistics that were loaded: set model_args.pretrained or load_weights")
        if self.feeder_args.datatype == "features":
            if self.phase == "features":
                raise ValueError("--phase features reads frames: set feeder_args.datatype to video")
            if self.phase == "train" and self.loss_weights.AuxCTC:
                raise ValueError("HFAM needs frames, not features: set loss_weights.AuxCTC to 0")
            if self.phase == "train" and not (self.load_weights or self.load_checkpoints):
                raise ValueError("training on features needs load_weights, the network that they came from")
            if not self.model_args.mask_padding:
                raise ValueError("features hold a clip alone, so they need model_args.mask_padding: true")


IGNORED_KEYS = {
    "feeder": "the loader is chosen by feeder_args.datatype",
    "model": "there is one network",
    "model_args.num_classes": "it follows from the dictionary",
    "num_classes": "it follows from the dictionary",
    "model_args.use_bn": "the network always has its BatchNorm",
    "feeder_args.num_gloss": "every gloss of the dictionary is used",
    "feeder_args.drop_ratio": "nothing is dropped",
    "feeder_args.mode": "it follows from the phase",
    "optimizer_args.learning_ratio": "nothing reads it",
    "optimizer_args.start_epoch": "a checkpoint knows its epoch",
    "random_fix": "the seed is always fixed",
    "print_log": "the log is always printed",
}
"""Keys of earlier systems' files that mean nothing here: accepted, with the reason said."""


class RenamedKey(NamedTuple):
    """What became of a key of an earlier version.

    Attributes:
        key: its name today, with its section.
        values: each value of then -> the value of today; empty where values stayed as they were.
    """

    key: str
    values: Mapping[Any, Any]


RENAMED_KEYS = {"checkpoint_stages": RenamedKey("recompute", {False: "blocks", True: "stages"})}
"""Keys of earlier versions of this system, in files, on the command line and in checkpoints: read as those of today."""
