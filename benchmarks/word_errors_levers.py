"""The rows of `benchmarks.word_errors`: what each lever is, and the readings of dev and test that it needs."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from benchmarks.family_runs import REPOSITORY, VARIANTS
from benchmarks.word_errors_weights import PARTNER, Networks

PLAIN, TOGETHER = "plain", "together"


@dataclass(frozen=True)
class Lever:
    """A row of the comparison.

    Attributes:
        name: what the command and the folders call it.
        title: what the page calls it.
        turned_on: the line that turns it on.
        weights: the weights of each seed that are read: trained, their mean over the last epochs, or their moving
            average.
        read_by: the networks that read a clip: one; those of all seeds; one and the other system's; the other
            system's alone.
        keys: keys of the configuration on the command line.
        tuned: the options of the beam search that are chosen on dev.
        int8: whether the network computes in 8-bit integers.
    """

    name: str
    title: str
    turned_on: str = ""
    weights: Literal["trained", "mean", "moving"] = "trained"
    read_by: Literal["one", "seeds", "systems", "partner"] = "one"
    keys: tuple[str, ...] = ()
    tuned: tuple[str, ...] = ()
    int8: bool = False


FLIP = "tta=[flip]"
SEARCHED = ("lm_weight", "insertion_bonus", "blank_penalty", "beam_width")
LEVERS = {
    lever.name: lever
    for lever in (
        Lever(PLAIN, "none: as trained, beam 10"),
        Lever("beam", "a beam of 100", "`beam_width: 100`", keys=("beam_width=100",)),
        Lever("penalty", "a blank penalty", "`blank_penalty: P`", tuned=("blank_penalty",)),
        Lever("bonus", "an insertion bonus", "`insertion_bonus: B`", tuned=("insertion_bonus",)),
        Lever("lm", "a language model, tuned", "`decoding: FILE`", tuned=SEARCHED),
        Lever("ema", "a moving average of the weights", "`ema: 0.999`", weights="moving"),
        Lever("mean", "the mean of the last epochs", "`python -m engine.average RUN --last N`", weights="mean"),
        Lever("flip", "mirrored clips too", "`tta: [flip]`", keys=(FLIP,)),
        Lever("seeds", "networks of all seeds at once", "`--load-weights A B C`", read_by="seeds"),
        Lever("partner", f"{VARIANTS[PARTNER].title} alone", read_by="partner"),
        Lever("systems", f"with {VARIANTS[PARTNER].title} at once", "`--load-weights A B`", read_by="systems"),
        Lever("int8", "8-bit integers", "`engine.export --format onnx --int8`", int8=True),
        Lever(
            TOGETHER,
            "all together, but for int8 and the other system",
            weights="moving",
            read_by="seeds",
            keys=(FLIP,),
            tuned=SEARCHED,
        ),
    )
}  # fmt: skip


@dataclass(frozen=True)
class Reading:
    """One reading of dev and test.

    Attributes:
        lever: the lever.
        seeds: the seeds of the weights that read; none where the other system reads alone.
        networks: the networks of the comparison.
    """

    lever: Lever
    seeds: tuple[int, ...]
    networks: Networks

    @property
    def part(self) -> str:
        """Its seed, as folders call it."""
        return f"seed_{self.seeds[0]}" if len(self.seeds) == 1 else "all"

    @property
    def name(self) -> str:
        """What messages call it."""
        return f"{self.lever.name}, {self.part.replace('_', ' ')}"

    @property
    def folder(self) -> Path:
        """The folder that gets what it finds."""
        return self.networks.out / "readings" / self.lever.name / self.part

    @property
    def files(self) -> tuple[Path, ...]:
        """The files of the networks that read."""
        networks, kind = self.networks, self.lever.weights
        find: Callable[[int], Path] = {
            "trained": networks.find_trained, "mean": networks.find_mean, "moving": networks.find_moving_average
        }[kind]  # fmt: skip
        others = (networks.find_partner(),) if self.lever.read_by in {"systems", "partner"} else ()
        return (*map(find, self.seeds), *others)

    @property
    def int8_file(self) -> Path:
        """The file of the network in 8-bit integers."""
        return self.networks.out / "int8" / self.part / "int8.onnx"

    @property
    def options_file(self) -> Path:
        """The file of the options of the beam search that were chosen on dev."""
        return self.networks.out / "tuned" / self.lever.name / self.part / "decoding.yaml"

    @property
    def overrides(self) -> dict[str, str]:
        """The configuration of the reading by main.py, by key, beyond what the checkpoint says."""
        files = list(map(str, self.files))
        tuned = {"decoding": str(self.options_file)} if self.lever.tuned else {}
        given = dict(key.split("=", 1) for key in self.lever.keys)
        weights = files[0] if len(files) == 1 else json.dumps(files)
        return {"phase": "test", "load_weights": weights, "prepared": str(self.networks.prepared), **tuned, **given}

    def build_command(self, device: str) -> list[str]:
        """The command that reads: what a user would type, but for int8, whose file main.py does not read."""
        if self.lever.int8:
            words = [f"--model={self.int8_file}", f"--prepared={self.networks.prepared}", f"--out={self.folder}"]
            return [sys.executable, "-m", "benchmarks.word_errors_int8", *words]
        keys = self.overrides | {"work_dir": str(self.folder), "device": device}
        return [sys.executable, str(REPOSITORY / "main.py"), *(f"{key}={value}" for key, value in keys.items())]


def list_readings(names: Sequence[str], networks: Networks) -> dict[str, list[Reading]]:
    """The readings of some levers by name, one for each seed, or one by all networks at once."""
    readings = {}
    for name in names:
        lever = LEVERS[name]
        groups: dict[str, list[tuple[int, ...]]] = {"seeds": [networks.seeds], "partner": [()]}
        each: list[tuple[int, ...]] = [(seed,) for seed in networks.seeds]
        readings[name] = [Reading(lever, group, networks) for group in groups.get(lever.read_by, each)]
    return readings
