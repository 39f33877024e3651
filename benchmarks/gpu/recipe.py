"""The settings of a training that the check needs, as `config.schema` has them, which needs pydantic.

Names and defaults are those of the configuration; a test compares them.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class LossWeights:
    """The configuration's `loss_weights`."""

    SeqCTC: float = 1.0
    ConvCTC: float = 1.0
    AuxCTC: float = 1.0
    Dist: float = 25.0
    Cu: float = 0.0
    Cp: float = 0.0


@dataclass(frozen=True)
class OptimizerArgs:
    """The configuration's `optimizer_args`."""

    optimizer: str = "Adam"
    base_lr: float = 1e-4
    step: tuple[int, ...] = (40, 60)
    gamma: float = 0.2
    weight_decay: float = 1e-4
    momentum: float = 0.9
    nesterov: bool = False
    warmup_steps: int = 0
    max_gradient_norm: float = 0.0


@dataclass(frozen=True)
class Recipe:
    """What of the configuration a training step needs."""

    recompute: str = "blocks"
    precision: str = "default"
    compile: bool = False
    freeze_bn: bool = False
    sync_batchnorm: bool = True
    loss_weights: LossWeights = field(default_factory=LossWeights)
    optimizer_args: OptimizerArgs = field(default_factory=OptimizerArgs)
