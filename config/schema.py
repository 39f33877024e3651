"""What can be configured, as frozen records. With config/phoenix2014.yaml their defaults are the published recipe.

`config/baseline.yaml` explains every key to users. Ranges and choices stand in the types (`config.values`), which
pydantic checks in `config.load`; what a type cannot say, because it concerns two keys, stands in `__post_init__`. The
four sections are in `config.sections`. Names such as SeqCTC and c2d_type are those of earlier systems, whose files are
to run as they are.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

from pydantic import Field

from config.sections import STRICT, FeederArgs, LossWeights, ModelArgs, OptimizerArgs
from config.values import (
    Augmentations,
    AutoWorkers,
    Bonus,
    Clips,
    Count,
    OneOrMore,
    OptionalText,
    Positive,
    Rate,
    Real,
    Seed,
    Text,
    Weight,
    Whole,
)  # fmt: skip

Rules = Literal["phoenix2014", "phoenix2014-sentence", "phoenix2014-T", "none"]
"""The names of the rule sets of `evaluation.normalise`."""
Scorer = Literal["python", "sclite"]
"""Who counts errors: `evaluation.wer` or `evaluation.sclite`."""
System = Literal["vac", "smkd", "tlp", "corrnet", "mstfnet"]
"""The systems of the family, from the oldest to the newest; each has a file in `config/systems/`."""
FUSED = ("lm", "insertion_bonus", "blank_penalty")
"""The keys by which a beam search adds something to what the network gives."""
Precision = Literal["default", "tf32", "fp32", "bf16", "fp16", "auto"]
"""In what numbers are computed; `utils.precision` says what each stands for."""


@dataclass(frozen=True)
class Config:
    """One run: what is done, with which corpus, on which machine, and the four sections."""

    __pydantic_config__ = STRICT

    phase: Literal["train", "test", "features"] = "train"
    dataset: Text = "phoenix2014"
    system: System = "mstfnet"  # whose recipe and switches count where nothing else is said
    dataset_root: Text = "./dataset/phoenix2014"
    prepared: Text = "./preprocess/phoenix2014"
    work_dir: Text = "./work_dir/baseline"
    num_epoch: Positive = 80
    batch_size: Clips = 2
    accumulate: Clips = 1
    test_batch_size: Clips = 2
    random_seed: Seed = 0
    device: Text = "auto"
    num_worker: AutoWorkers = "auto"  # chosen by `utils.workers.choose_workers`
    loader_timeout: Weight = 30.0  # minutes
    log_interval: Positive = 50
    eval_interval: Positive = 1
    save_interval: Count = 0
    save_every_steps: Count = 0
    keep: Count = 0
    decode_mode: Literal["beam", "greedy", "max"] = "beam"  # "max" is an earlier system's word for greedy
    beam_width: Annotated[Whole, Field(ge=1, le=10_000)] = 10
    decode_backend: Literal["builtin", "ctcdecode"] = "builtin"
    lm: OptionalText = None  # an ARPA file; the next four are `evaluation.shallow_fusion`'s
    lm_weight: Weight = 0.3  # counts where lm names a file
    insertion_bonus: Bonus = 0.0
    blank_penalty: Weight = 0.0
    decoding: OptionalText = None  # None in every configuration: `config.decoding` puts its keys in
    evaluate_tool: Scorer = "python"
    sclite_path: OptionalText = None
    normalise: Rules = "phoenix2014"
    also_normalise: tuple[Rules, ...] = ()
    merge_repeats: bool = False
    frame_rate: Rate | None = None  # None: the manifest's
    frame_chunk: Annotated[Whole, Field(ge=0, le=100_000)] = 0
    recompute: Literal["none", "blocks", "stages"] = "blocks"
    precision: Precision = "default"
    compile: bool = False
    freeze_bn: bool = False
    ema: Annotated[Real, Field(ge=0, lt=1)] = 0.0  # the decay of the average of weights that is evaluated; 0: none
    load_weights: OneOrMore = None  # several read together (`evaluation.ensemble`)
    tta: Augmentations = ()  # of the clips that are recognised
    load_checkpoints: OptionalText = None
    resume: bool = False
    allow_changes: bool = False
    ignore_weights: tuple[Text, ...] = ()
    overwrite: bool = False
    take_over: bool = False
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
        if self.phase != "test":
            self._check_nothing_is_combined()
        self._check_decoding()
        if self.phase == "train":
            self._check_losses()
            self._check_padding()
        starts_anew = not (self.load_weights or self.load_checkpoints or self.resume)
        if self.phase == "train" and self.freeze_bn and self.model_args.pretrained == "none" and starts_anew:
            # Fresh statistics are zeros and ones: a BatchNorm that kept them would normalise nothing.
            raise ValueError("freeze_bn keeps statistics that were loaded: set model_args.pretrained or load_weights")
        if self.feeder_args.datatype == "features":
            if self.tta:
                raise ValueError(
                    "tta mirrors frames, and there are no features of these: set feeder_args.datatype to video"
                )
            if self.phase == "features":
                raise ValueError("--phase features reads frames: set feeder_args.datatype to video")
            if self.phase == "train" and self.loss_weights.AuxCTC:
                raise ValueError("HFAM needs frames, not features: set loss_weights.AuxCTC to 0")
            if self.phase == "train" and not (self.load_weights or self.load_checkpoints):
                raise ValueError("training on features needs load_weights, the network that they came from")
            if not self.model_args.mask_padding:
                raise ValueError("features hold a clip alone, so they need model_args.mask_padding: true")

    @property
    def weight_files(self) -> tuple[str, ...]:
        """The checkpoints that `load_weights` names."""
        given = self.load_weights or ()
        return (given,) if isinstance(given, str) else given

    def _check_nothing_is_combined(self) -> None:
        """Raise ValueError if hypotheses are to be combined where nothing is recognised, or in a training."""
        if self.tta:
            raise ValueError(
                "tta combines what --phase test recognises; neither a training, its evaluations included, nor features "
                "have it: leave it out"
            )
        if len(self.weight_files) > 1:
            raise ValueError(
                f"load_weights names {len(self.weight_files)} checkpoints, which --phase test alone combines: name one"
            )

    def _check_decoding(self) -> None:
        """Raise ValueError if something is to be fused that there is not, or by a decoder that cannot."""
        if self.lm is None and self.lm_weight not in (0.0, Config.lm_weight):
            raise ValueError(
                f"lm_weight is {self.lm_weight}, but lm names no language model: name its ARPA file, or leave "
                "lm_weight out"
            )
        fused = [f"{key} {getattr(self, key)}" for key in FUSED if getattr(self, key)]
        if fused and (self.decode_mode != "beam" or self.decode_backend != "builtin"):
            way = f"decode_mode: {self.decode_mode}"
            if self.decode_mode == "beam":
                way = f"decode_backend: {self.decode_backend}"
            raise ValueError(
                f"{way} knows no language model, bonus or penalty ({', '.join(fused)}): the built-in beam search does; "
                "set decode_mode: beam and decode_backend: builtin, or leave these keys out"
            )

    def _check_padding(self) -> None:
        """Raise ValueError if batches are made longer and what is added would count as signing."""
        pad_to = self.feeder_args.pad_to
        if pad_to != "auto" and pad_to > 1 and not self.model_args.mask_padding:
            raise ValueError(
                f"feeder_args.pad_to is {pad_to}, and added frames must be masked: set model_args.mask_padding to "
                "true, or feeder_args.pad_to to 0"
            )

    def _check_losses(self) -> None:
        """Raise ValueError if terms of the loss have a weight and the network lacks the part that they train."""
        losses, network, mistakes = self.loss_weights, self.model_args, []
        if losses.AuxCTC and not network.hfam:
            mistakes.append(
                f"loss_weights.AuxCTC is {losses.AuxCTC}, a loss of HFAM, which the network does not have "
                "(hfam false): set 0"
            )
        has_lift = network.pooling == "lift" and network.conv_type > 0  # conv_type 0 pools nothing
        mistakes += [
            f"loss_weights.{name} is {weight}, a loss of lift pooling, which the network does not have "
            f"(pooling {network.pooling}, conv_type {network.conv_type}): set 0"
            for name, weight in (("Cu", losses.Cu), ("Cp", losses.Cp))
            if weight and not has_lift
        ]
        if mistakes:
            raise ValueError("; ".join(mistakes))
