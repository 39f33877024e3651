"""The tools that use a network, on the device against the CPU: recogniser, windows, heat map, features and export.

Live reading and threads are in `streams`, several networks and averages of weights in `several`.
"""

from __future__ import annotations

import importlib
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import cv2
import torch

from benchmarks.gpu.pair import (
    FRAME_SIZE,
    FRAMES,
    GLOSSES,
    RATE,
    SAME,
    SAME_HEAT,
    Pair,
    build_pair,
    build_recogniser,
    share,
    share_of_norm,
)
from benchmarks.gpu.section import Finding, Task, check, check_below, number, skip
from benchmarks.gpu.several import compare_average, compare_combination
from benchmarks.gpu.streams import check_first_card, compare_stream, compare_thread
from benchmarks.gpu.timing import time_once
from config.load import to_dict
from dataset.video import open_video
from evaluation.heat.heat_map import compute_heat_map
from evaluation.heat.request import HeatRequest
from evaluation.heat.shown_clip import ShownClip
from evaluation.inference.reading import Reading
from evaluation.inference.recogniser import Recogniser
from evaluation.inference.transcribe import transcribe
from slr_network import for_recognition
from utils.precision import computes_bfloat16, without_tf32

WINDOW = 48  # frames
LAYERS = ("layer1", "stf2")
FORMATS = ("onnx", "torchscript", "torch_export")  # the small form has the first alone


def run(task: Task) -> Iterator[Finding]:
    """Compare each tool; what others' exporters do to the first card is no concern of this check."""
    pair = build_pair(task)
    with without_tf32(task.device):
        for compare in (
            compare_recognition, compare_windows, compare_stream, compare_combination, compare_average, compare_heat,
            compare_thread, compare_features,
        ):  # fmt: skip
            yield from compare(pair)
        yield check_first_card(task.device)
        yield from compare_exports(pair)


def compare_recognition(pair: Pair) -> Iterator[Finding]:
    """Compare logits and glosses of one clip, and measure the time; bf16 is only measured."""
    found, expected = (recogniser.network(recogniser.crop(pair.frames)) for recogniser in pair.both)  # (T', V)
    yield check_below("recogniser", share(found, expected), SAME, note="logits; the largest difference of the largest")
    read, wanted = (recogniser.recognise(pair.frames).glosses for recogniser in pair.both)
    yield check("recogniser, glosses", read == wanted, " ".join(read) or "none")
    device = pair.device.network.model.device
    seconds = time_once(partial(pair.device.recognise, pair.frames), device)
    yield number("recogniser, time", 1e3 * seconds, "ms", f"a clip of {FRAMES} frames, with cropping and decoding")
    if device.type == "cuda" and computes_bfloat16(device):
        rounded = build_recogniser(pair.cpu.network.model, pair.cpu.config, device, "bf16")
        difference = share(rounded.network(rounded.crop(pair.frames)), expected)
        yield number("recogniser, bf16", difference, note="logits, from float32 on the CPU")
    else:
        yield skip("recogniser, bf16", "no CUDA device with arithmetic for it")


def compare_windows(pair: Pair) -> Iterator[Finding]:
    """Compare what is read in overlapping windows of a folder of images."""
    with tempfile.TemporaryDirectory() as folder:
        for position, frame in enumerate(pair.frames):
            cv2.imwrite(str(Path(folder) / f"{position:05}.png"), cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))
        reading = Reading(max_frames=WINDOW)
        found, expected = (
            transcribe(recogniser, open_video(folder, RATE), reading, "clip").words for recogniser in pair.both
        )
    read, wanted = ([(word.gloss, word.start, word.duration) for word in words] for words in (found, expected))
    yield check("windows", read == wanted, f"{len(read)} glosses", note="glosses with their times")


def compare_heat(pair: Pair) -> Iterator[Finding]:
    """Compare heat maps of one gloss, on a stage and on a fusion."""
    clip = ShownClip("clip", pair.frames, pair.frames, (0, 0, 0, 0), 1.0, None, ())
    for layer in LAYERS:
        request = HeatRequest(layer, f"gloss:{GLOSSES[0]}")
        found, expected = (compute_heat_map(recogniser, clip, request).heat for recogniser in pair.both)
        difference = share_of_norm(found, expected)
        note = f"norm of the difference as a share of the heat's, (T, h, w) {found.shape}"
        yield check_below(f"heat map of {layer}", difference, SAME_HEAT, note=note)
    seconds = time_once(partial(compute_heat_map, pair.device, clip, request), pair.device.network.model.device)
    yield number("heat map, time", 1e3 * seconds, "ms", f"{request.layer}, a clip of {FRAMES} frames")


@torch.inference_mode()
def compare_features(pair: Pair) -> Iterator[Finding]:
    """Compare the features that a training without the backbone reads."""
    features = []
    for recogniser in pair.both:
        network = recogniser.network
        batch = network.make_batch(recogniser.crop(pair.frames))
        fused = for_recognition(network.model, "fp32")
        features.append(fused.frame_features(batch.video, batch.lengths).float().cpu().numpy())  # (1, T_pad, C)
    yield check_below("features", share(*features), SAME, note="the largest difference of the largest value")


def compare_exports(pair: Pair) -> Iterator[Finding]:
    """Export the network from the device, read it back there, and compare it with PyTorch's on the CPU."""
    exports: dict[str, Callable[[Pair, Path], float]] = {"safetensors": export_to_folder}
    exports |= {name: partial(export_to_file, name) for name in (FORMATS[:1] if pair.small else FORMATS)}
    for name, export in exports.items():
        if time.monotonic() > pair.end:
            yield skip(f"export, {name}", "half of the time is over; --only tools gives it more")
            continue
        try:
            with tempfile.TemporaryDirectory() as folder:
                worst = export(pair, Path(folder))
        except ModuleNotFoundError as error:
            yield skip(f"export, {name}", f"{error.name} is not installed")
            continue
        yield check_below(f"export, {name}", worst, SAME, note="logits; the largest difference of the largest")


def export_to_file(name: str, pair: Pair, folder: Path) -> float:
    """Write one of `engine.export_formats`, and compare what is read back on clips of several lengths."""
    # Late, as what they need may be missing: onnx, onnxruntime, lmdb.
    engine, formats = importlib.import_module("engine.export_parity"), importlib.import_module("engine.export_formats")
    path = folder / f"network{formats.FORMATS[name].suffix}"
    network = engine.write_and_read_back(pair.device, name, path)
    size = pair.cpu.config.feeder_args.input_size
    return max(parity.relative for parity in engine.compare_networks(pair.cpu.network, network, size))


def export_to_folder(pair: Pair, folder: Path) -> float:
    """Write a model folder, and compare the network that is loaded from it onto the device."""
    engine = importlib.import_module("engine.export_folder")
    content = {"config": to_dict(pair.device.config), "glosses": list(GLOSSES), "frame_size": FRAME_SIZE}
    shared = engine.collect_shared(pair.device, content)
    out = folder / "model"
    engine.write_model_folder(shared, "A network with random weights.\n", out)
    device = pair.device.network.model.device
    loaded = Recogniser.from_pretrained(out, str(device))
    seen = pair.cpu.crop(pair.frames)
    return share(loaded.network(seen), pair.cpu.network(seen))
