"""Writing an exported network in 8-bit integers for onnxruntime, with its word errors beside those in float32."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

from config.schema import Config
from dataset.clip_dataset import ClipDataset
from dataset.loader import build_loader
from dataset.manifest import load_manifest
from engine.export_formats import add_notes
from evaluation.ctm import CtmEntry
from evaluation.evaluate import EvaluationData, load_evaluation_data, normalise_entries
from evaluation.inference.onnx_network import INPUT, load_onnx
from evaluation.inference.recogniser import Recogniser
from evaluation.wer import score_hypotheses
from evaluation.wer_result import RESULT_COLUMNS, WerResult, format_result_cells
from utils.errors import InputError
from utils.progress import show_progress
from utils.table import format_table
from utils.temporal import TemporalSpec
from utils.text import plural

KEY = "int8"
"""What a file's metadata say of its quantisation; a file in float32 lacks it."""
SPLIT = "dev"
"""The split whose word errors decide whether the file may be."""
USUAL_CLIPS = 16
"""Clips from which the ranges are taken if nobody says otherwise."""
ROUNDING = 1e-9
"""Of percentages."""
SETTINGS: dict[str, Any] = {
    # Where maps stay in int8 from one convolution to the next, onnxruntime adds them in int8 by itself.
    "op_types_to_quantize": ["Conv", "Relu"],
    "per_channel": True,
    "reduce_range": True,
    "activation_type": QuantType.QUInt8,
}
"""How onnxruntime is told to quantise; `python -m benchmarks.int8_choices` compares it with other ways."""


class RangeClips(CalibrationDataReader):
    """Clips (T, 3, S, S) uint8, one by one and padded, as onnxruntime asks for them to see the activations' ranges."""

    def __init__(self, clips: Iterable[np.ndarray], spec: TemporalSpec) -> None:
        self._padded = (clip[spec.pad(len(clip))][None] for clip in clips)  # (1, T_pad, 3, S, S) each

    def get_next(self) -> dict[str, np.ndarray] | None:
        """Give the network's input for the next clip; None after the last."""
        clip = next(self._padded, None)
        return None if clip is None else {INPUT: clip}


@dataclass(frozen=True)
class Int8Corpus:
    """What quantising needs of a prepared corpus.

    Attributes:
        training: the clips of the training split, as the evaluation would see them.
        places: the numbers of those from which the activations' ranges are taken.
        data: the split that is scored.
    """

    training: ClipDataset
    places: tuple[int, ...]
    data: EvaluationData

    @property
    def ids(self) -> tuple[str, ...]:
        """The names of the clips from which the ranges are taken."""
        return tuple(self.training.manifest.clips[place].id for place in self.places)

    def read_clips(self) -> Iterator[np.ndarray]:
        """Read these clips one by one, (T, 3, S, S) uint8 each."""
        for place in show_progress(self.places, len(self.places), "ranges", "clip"):
            yield self.training[0, place].video


def load_int8_corpus(recogniser: Recogniser, prepared: Path | None = None, number: int | None = None) -> Int8Corpus:
    """Load what quantising needs of the corpus that a network was trained on; prints if its frames had another size.

    Args:
        recogniser: the network, with its configuration and vocabulary.
        prepared: the folder of the prepared corpus; None for the one in the configuration.
        number: how many clips give the ranges; None for `USUAL_CLIPS`, or all where there are fewer.

    Raises:
        InputError: the corpus is not there or damaged, is another one, or has fewer clips than `number`.
    """
    config = configure_reading(recogniser.config, prepared)
    for split in ("train", SPLIT):
        if not (Path(config.prepared) / f"{split}.json").is_file():
            raise InputError(
                f"int8 needs the prepared corpus that the network was trained on, for its ranges and word errors: "
                f"{config.prepared} has no {split}.json; name the folder of the prepared corpus by --prepared DIR"
            )
    manifest = load_manifest(config.prepared, config.dataset, "train")
    if manifest.frame_size != recogniser.frame_size:
        print(
            f"warning: the prepared frames in {config.prepared} have {manifest.frame_size} pixels a side, those of the "
            f"network {recogniser.frame_size}"
        )
    training = build_loader(
        manifest,
        recogniser.vocabulary,
        config.feeder_args,
        TemporalSpec(config.model_args.conv_type),
        batch_size=1,
        training=False,
        seed=config.random_seed,
        num_workers=0,
    ).dataset
    count = min(USUAL_CLIPS, len(training)) if number is None else number
    if count > len(training):
        raise InputError(f"--calibrate {count}: {config.prepared} has {plural(len(training), 'training clip')}")
    places = tuple(int(place) for place in np.linspace(0, len(training) - 1, count))
    return Int8Corpus(training, places, load_evaluation_data(config, SPLIT, recogniser.vocabulary))


def configure_reading(config: Config, prepared: Path | None) -> Config:
    """The configuration with which clips are read here: as frames, also where the training read features of them."""
    feeder = config.feeder_args
    if feeder.datatype == "features":
        feeder = replace(feeder, datatype="video", features=None)
    return replace(config, prepared=str(prepared or config.prepared), num_worker=0, feeder_args=feeder)


def quantise(
    source: Path, target: Path, clips: Iterable[np.ndarray], spec: TemporalSpec, **settings: Any
) -> None:  # fmt: skip
    """Write an exported network with its convolutions in int8; the LSTM, which has no static int8, and the rest stay.

    Weights have a scale for each output channel; activations are unsigned, for which onnxruntime has the faster code on
    x86. Weights, signed, keep seven bits: without VNNI two products are added in 16 bits, which eight would overflow on
    other machines than this. The activations' ranges are the smallest and largest values for the clips. Metadata stay.

    Args:
        source: the exported network in float32.
        target: the file to write.
        clips: what the ranges come from, (T, 3, S, S) uint8 each.
        spec: the network's temporal chain.
        settings: arguments of `quantize_static` in the place of those in `SETTINGS`, to compare them.
    """
    with tempfile.TemporaryDirectory() as folder:
        folded = Path(folder) / "folded.onnx"  # BatchNorm in the convolutions
        quant_pre_process(source, folded, skip_symbolic_shape=True)  # it fails where the number of frames is open
        quantize_static(folded, target, RangeClips(clips, spec), **SETTINGS | settings)
    add_notes(target, read_notes(source))


def read_notes(path: Path) -> dict[str, str]:
    """The metadata of an exported file."""
    return {entry.key: entry.value for entry in onnx.load(str(path)).metadata_props}


def count_word_errors(recogniser: Recogniser, data: EvaluationData, label: str) -> WerResult:
    """Recognise and score a split by the rules of the evaluation, with the built-in scorer.

    Args:
        recogniser: the network, with its configuration and vocabulary.
        data: the split.
        label: what the progress bar calls the network.
    """
    clips, entries = data.loader.dataset, []
    for index in show_progress(range(len(clips)), len(clips), f"{data.split}, {label}", "clip"):
        sample = clips[0, index]  # as the evaluation sees it, without padding
        entries.append(CtmEntry(sample.id, recogniser.recognise_cropped(sample.video, sample.id).words))
    return score_hypotheses(data.references, normalise_entries(entries, recogniser.config.normalise))


def write_int8(source: Path, target: Path, corpus: Int8Corpus, max_loss: float) -> None:
    """Write an exported network in int8, with what it costs in word errors in its metadata, and print that.

    Args:
        source: the exported network in float32, with whose word errors those in int8 are compared.
        target: the file to write.
        corpus: clips for the ranges, and the split that is scored.
        max_loss: the points of word error rate that int8 may cost.

    Raises:
        InputError: it costs more.
    """
    reference = load_onnx(source)
    quantise(source, target, corpus.read_clips(), TemporalSpec(reference.config.model_args.conv_type))
    found = {
        name: count_word_errors(load_onnx(path), corpus.data, name)
        for name, path in (("float32", source), ("int8", target))
    }
    print(format_table((SPLIT, *RESULT_COLUMNS), [(name, *format_result_cells(r)) for name, r in found.items()]))
    before, after = found["float32"].wer, found["int8"].wer
    if after - before > max_loss + ROUNDING:
        raise InputError(
            f"int8 costs {after - before:.2f} points of {SPLIT} WER, {before:.2f} % -> {after:.2f} %, and --max-loss "
            f"is {max_loss:g}; more clips to fit it to (--calibrate, now {len(corpus.places)}) may help"
        )
    note = {"calibrated_with": corpus.ids, "split": SPLIT, "wer_float32": before, "wer_int8": after}
    add_notes(target, read_notes(source) | {KEY: json.dumps(note | {"onnxruntime": onnxruntime.__version__})})
    load_onnx(target)  # what gets a name can be read
    print(f"int8 changes the WER on {SPLIT} by {after - before:+.2f} points; it may cost {max_loss:g}")
