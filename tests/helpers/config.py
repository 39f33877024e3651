"""The one configuration with which tests train and recognise: a network so small that a step takes milliseconds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from config.load import load_config
from config.schema import Config

NETWORK = {
    "model_args.c2d_type": "resnet18",
    "model_args.pretrained": "none",
    "model_args.width": 16,
    "model_args.hidden_size": 16,
}
TINY = NETWORK | {
    "dataset": "phoenix2014",
    "device": "cpu",
    "num_worker": 0,
    "num_epoch": 2,
    "batch_size": 2,
    "optimizer_args.base_lr": 1e-3,
    "optimizer_args.step": [1],
    "feeder_args.input_size": 64,
    "feeder_args.min_frames": 16,
    "feeder_args.max_frames": 48,  # clips of the corpus have 43 to 71
    "feeder_args.pad_to": 0,  # as auto is on the CPU
}
"""For the corpus that the fixture `prepared` gives."""

FILE_OF_ANOTHER_SYSTEM = """
feeder: dataset.dataloader_video.BaseFeeder
phase: train
dataset: phoenix2014
#CSL-Daily
num_epoch: 80
work_dir: ./work_dir/baseline/
batch_size: 2
random_seed: 0 
test_batch_size: 2
num_worker: 10
device: 0,1
log_interval: 10000
eval_interval: 1
save_interval: 10
# python in default
evaluate_tool: python
loss_weights:
  SeqCTC: 1.0
  # VAC
  ConvCTC: 1.0
  Dist: 25.0
load_weights: ''
load_checkpoints: ""
ignore_weights: []

optimizer_args:
  optimizer: Adam
  base_lr: 0.0001
  step: [ 20, 35]
  learning_ratio: 1
  weight_decay: 0.0001
  start_epoch: 0
  nesterov: False

feeder_args:
  mode: 'train'
  datatype: 'video'
  num_gloss: -1
  drop_ratio: 1.0
  frame_interval: 1
  image_scale: 1.0  # 0-1 represents ratio, >1 represents absolute value
  input_size: 224

model: slr_network.SLRModel
decode_mode: beam
model_args:
  num_classes: 1296
  c2d_type: resnet18 #resnet18, mobilenet_v2
  conv_type: 2
  use_bn: 1
  share_classifier: True
  weight_norm: True
"""  # noqa: W291
"""CorrNet's own configuration file, as its users have it."""


def tiny_config(prepared: Path | None = None, work_dir: Path | None = None, **changes: Any) -> Config:
    """The tiny configuration with these changes, which are named by their dotted keys."""
    return load_config(None, TINY | _paths(prepared, work_dir) | changes)[0]


def tiny_words(prepared: Path | None = None, work_dir: Path | None = None, **changes: Any) -> list[str]:
    """The same as words of the command line."""
    return [f"{key}={value}" for key, value in (TINY | _paths(prepared, work_dir) | changes).items()]


def _paths(prepared: Path | None, work_dir: Path | None) -> dict[str, str]:
    given = {"prepared": prepared, "work_dir": work_dir}
    return {key: str(path) for key, path in given.items() if path is not None}
