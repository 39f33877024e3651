"""An exported network in onnxruntime, with all that reading a clip needs: `engine.export` writes such files."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from onnxruntime.capi import onnxruntime_pybind11_state as errors

from config.decoding import drop_language_model
from config.load import parse_stored_config, to_dict
from dataset.frame_rate import choose_frame_rate
from dataset.vocabulary import Vocabulary
from evaluation.calibration import KEY, read_calibration
from evaluation.inference.recogniser import Recogniser
from utils.checkpoint import CheckpointError
from utils.checkpoint_content import check_entries
from utils.errors import ParseError
from utils.files import plain_path
from utils.plain_json import parse_json
from utils.temporal import TemporalSpec

# onnxruntime's errors have no base of their own, and which of them a damaged file brings depends on what is damaged.
UNREADABLE = (errors.Fail, errors.InvalidArgument, errors.InvalidGraph, errors.InvalidProtobuf, errors.NotImplemented)
INPUT, OUTPUT = "video", "logits"
NEEDED = {"config", "glosses", "frame_size"}
CARRIED = (*sorted(NEEDED), "frame_rate", KEY, "rendered")  # files of older versions lack some of the others


@dataclass(frozen=True)
class OnnxNetwork:
    """The network for one clip at a time, run by onnxruntime.

    Attributes:
        session: the loaded file, with input "video" (B, T_pad, 3, S, S) uint8 and output "logits" (B, T', V) float32;
            files of earlier versions take one clip and give (T', V).
        spec: the temporal chain, which says how clips are padded.
    """

    session: onnxruntime.InferenceSession
    spec: TemporalSpec

    def __call__(self, video: np.ndarray) -> np.ndarray:
        """Compute the sequence head's logits (T', V) float32 of frames (T, 3, S, S) uint8."""
        padded = video[self.spec.pad(len(video))][None]  # (1, T_pad, 3, S, S)
        logits = self.session.run([OUTPUT], {INPUT: padded})[0]
        return logits if logits.ndim == 2 else logits[0]


def load_onnx(path: str | Path) -> Recogniser:
    """Load an exported file, ready to read clips on the CPU.

    Raises:
        CheckpointError: there is no such file, it is not ONNX, or this project did not export it.
    """
    if not Path(path).is_file():
        raise CheckpointError(
            f"there is no exported network {path}; `python -m engine.export --format onnx` writes one"
        )
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors only: its warnings about the graph mean nothing to a user
    try:
        with plain_path(Path(path)) as plain:
            session = onnxruntime.InferenceSession(str(plain), options, providers=["CPUExecutionProvider"])
    except UNREADABLE as error:
        raise CheckpointError(f"{path} cannot be read as ONNX: {error}") from error
    stored = session.get_modelmeta().custom_metadata_map
    try:
        notes = {key: parse_json(stored.get(key, "null"), f"`{key}` in it") for key in CARRIED}
    except ParseError as error:
        raise CheckpointError(f"what {path} carries beside its weights is damaged: {error}") from error
    notes = {key: value for key, value in notes.items() if value is not None}
    missing = sorted(NEEDED - notes.keys())
    if missing:
        raise CheckpointError(
            f"{path} was not written by `python -m engine.export`: it carries no {', '.join(missing)}"
        )
    check_entries(notes, path)
    config = parse_stored_config(notes["config"], path)
    network = OnnxNetwork(session, TemporalSpec(config.model_args.conv_type))
    rate = choose_frame_rate(config.frame_rate, notes.get("frame_rate"))
    vocabulary, known = Vocabulary(notes["glosses"], str(path)), read_calibration(notes)
    return Recogniser(network, config, vocabulary, notes["frame_size"], rate, known, notes.get("rendered", False))


def build_metadata(recogniser: Recogniser) -> dict[str, str]:
    """Everything that `load_onnx` needs beside the weights, and how others use the network.

    As JSON, since ONNX holds nothing but text there.
    """
    return {
        "config": json.dumps(drop_language_model(to_dict(recogniser.config))),
        "glosses": json.dumps(recogniser.vocabulary.glosses),
        "frame_size": json.dumps(recogniser.frame_size),
        "frame_rate": json.dumps(recogniser.frame_rate),
        "rendered": json.dumps(recogniser.rendered),
        KEY: json.dumps(asdict(recogniser.calibration) if recogniser.calibration else None),
        "usage": json.dumps(describe_usage(recogniser)),
    }


def describe_usage(recogniser: Recogniser) -> dict[str, Any]:
    """What a program must do to frames before the network, and to its output after it. docs/python.md explains it."""
    config, transform = recogniser.config, recogniser.transform
    feeder, spec = config.feeder_args, TemporalSpec(config.model_args.conv_type)
    corner = (transform.size - feeder.input_size) // 2
    return {
        "input": {
            "name": INPUT,
            "shape": ["batch", "frames", 3, feeder.input_size, feeder.input_size],
            "type": "uint8",
        },
        "channels": "RGB",
        "values": [0, 255],
        "frame_rate": recogniser.frame_rate,
        "frame_interval": feeder.frame_interval,
        "resize": list(dict.fromkeys((recogniser.frame_size, transform.size))),
        "crop": {"top": corner, "left": corner, "size": feeder.input_size},
        "stride": spec.stride,
        "pad_before": spec.edge,
        "pad_after": spec.edge,
        "shortest_input": spec.padded_length(1),
        "output": {"name": OUTPUT, "shape": ["batch", "steps", len(recogniser.vocabulary) + 1], "type": "float32"},
        "blank": 0,
        "merge_repeats": config.merge_repeats,
    }
