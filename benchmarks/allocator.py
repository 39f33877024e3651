"""What keeping freed memory saves: python -m benchmarks.allocator

A training step of the quickstart's network on two clips, with and without `utils.memory.keep_freed_memory`, in
processes of their own that take turns.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time

import torch

from config.load import FOLDER, load_config
from engine.optim import build_optimizer
from modules.losses import SLRCriterion
from slr_network import build_model
from utils.memory import keep_freed_memory

FRAMES = (60, 52)
GLOSSES = 12


def seconds_per_step(steps: int) -> float:
    """Median time of a training step, the first three not counted."""
    torch.manual_seed(0)
    config, _ = load_config(FOLDER / "quickstart.yaml", {})
    model = build_model(config.model_args, GLOSSES + 1).train()
    optimizer = build_optimizer(model, config.optimizer_args)
    criterion = SLRCriterion(vars(config.loss_weights))
    side, lengths = config.feeder_args.input_size, torch.tensor(FRAMES)
    total = model.spec.padded_length(max(FRAMES))
    video = torch.randint(0, 256, (len(FRAMES), total, 3, side, side), dtype=torch.uint8)
    targets, target_lengths = torch.randint(1, GLOSSES + 1, (8,)), torch.tensor([4, 4])
    times = []
    for _ in range(steps + 3):
        started = time.perf_counter()
        output = model(video, lengths)
        heads = (output.sequence_logits, output.conv_logits, output.scale_logits)
        loss = criterion(*heads, output.lengths, targets, target_lengths)["total"]
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        times.append(time.perf_counter() - started)
    return statistics.median(times[3:])


def main(args: argparse.Namespace) -> None:
    """Measure one way, or compare both."""
    if args.way:
        if args.way == "kept" and not keep_freed_memory():
            sys.exit("error: this is not glibc, there is nothing to compare")
        print(seconds_per_step(args.steps))
        return
    measured: dict[str, list[float]] = {"kept": [], "returned": []}
    for _ in range(args.rounds):
        for way, times in measured.items():
            command = [sys.executable, "-m", "benchmarks.allocator", "--way", way, "--steps", str(args.steps)]
            times.append(float(subprocess.run(command, check=True, capture_output=True, text=True).stdout))
    kept, returned = (statistics.median(measured[way]) for way in ("kept", "returned"))
    print(f"training step, {torch.get_num_threads()} threads, median of {args.rounds} processes of {args.steps} steps")
    print(f"freed memory returned {returned * 1000:6.0f} ms")
    print(f"freed memory kept     {kept * 1000:6.0f} ms   ratio {kept / returned:.2f}")


def parse_args() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=15, help="steps a process (default %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="processes of each way (default %(default)s)")
    parser.add_argument("--way", choices=("kept", "returned"), help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main(parse_args())
