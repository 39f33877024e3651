"""The readings of `benchmarks.word_errors`, each by a program that is run once, and what they have counted."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path

from benchmarks.programs import REPORT, Program, is_tested, run_programs, tell_rates
from benchmarks.word_errors_levers import PLAIN, Reading
from benchmarks.word_errors_weights import ORDER, Networks, separate_weights
from config.layers import read_yaml
from evaluation.wer_result import SentenceCounts
from utils.errors import InputError, ParseError
from utils.files import write_json
from utils.plain_json import read_json

COMMAND = "command.json"
"""The file in a program's folder that keeps its command: what another command has found is not taken for this one's."""


def read_all(readings: Sequence[Reading], networks: Networks, device: str, jobs: int) -> None:
    """Do everything that the readings need, then read; what is done already is not done again.

    Raises:
        InputError: a program failed; the others were run nevertheless. Names what each one said last.
        Interrupted: this program was asked to stop.
    """
    separate_weights(networks)
    run_programs(list(list_preparations(readings, networks, device)), jobs, "preparations")
    tuned = [reading for reading in readings if reading.lever.tuned]
    run_programs([program_tuning(reading, device) for reading in tuned], jobs, "choices of options")
    run_programs([program_reading(reading, device) for reading in readings], jobs, "readings")


def list_preparations(readings: Iterable[Reading], networks: Networks, device: str) -> Iterable[Program]:
    """The programs that make the files which readings need: language model, means of weights, networks in int8."""
    prepared = f"--prepared={networks.prepared}"
    if any("lm_weight" in reading.lever.tuned for reading in readings):
        words = ["train", "--dataset=phoenix2014", prepared, f"--order={ORDER}", f"--out={networks.language_model}"]
        yield _program("language model", "evaluation.language_model", words, networks.language_model)
    for reading in readings:
        if reading.lever.weights == "mean":
            (seed,) = reading.seeds
            target, source = networks.find_mean(seed), networks.find_trained(seed).parent
            words = [str(source), f"--last={networks.last}", f"--out={target}", "--overwrite", prepared]
            yield _program(
                f"mean of the weights, seed {seed}", "engine.average", [*words, f"--device={device}"], target
            )
        if reading.lever.int8:
            words = [f"--model_path={reading.files[0]}", "--format=onnx", "--int8", "--max-loss=100", prepared]
            target = reading.int8_file
            yield _program(f"{reading.name}: export", "engine.export", [*words, f"--out={target}"], target)


def program_tuning(reading: Reading, device: str) -> Program:
    """The program that chooses a reading's options of the beam search on dev."""
    keys = {key: value for key, value in reading.overrides.items() if key != "decoding"} | {"device": device}
    words = [f"{key}={value}" for key, value in keys.items()]
    if "lm_weight" in reading.lever.tuned:
        words.append(f"--lm={reading.networks.language_model}")
    words += [f"--out={reading.options_file}", "--search", *reading.lever.tuned]
    return _program(f"{reading.name}: options", "benchmarks.word_errors_tuning", words, reading.options_file)


def program_reading(reading: Reading, device: str) -> Program:
    """The program of a reading."""
    command, folder = reading.build_command(device), reading.folder
    return _make_program(reading.name, command, folder, partial(is_tested, folder), partial(tell_rates, folder))


def find_read(readings: Mapping[str, Sequence[Reading]]) -> dict[str, Sequence[Reading]]:
    """The levers with which everything has been read, by name.

    Raises:
        InputError: not even the plain reading is there.
    """
    found = {name: group for name, group in readings.items() if all(is_tested(reading.folder) for reading in group)}
    if PLAIN not in found:
        raise InputError(
            "dev and test have not been read without any lever: begin with the sections trainings, readings"
        )
    return found


def read_counts(folder: Path) -> dict[str, tuple[SentenceCounts, ...]]:
    """What a reading has counted in each sentence, by split."""
    return {
        split: tuple(
            SentenceCounts(of["id"], of["signer"], *(of[kind] for kind in "CSDI")) for of in content["sentences"]
        )
        for split, content in read_json(folder / REPORT)["splits"].items()
    }


def read_options(reading: Reading) -> dict[str, float]:
    """The options of the beam search that were chosen for a reading, without those that it leaves as they are."""
    content = read_yaml(str(reading.options_file))
    return {name: content[name] for name in reading.lever.tuned}


def _program(name: str, module: str, words: Sequence[str], target: Path) -> Program:
    """A command of the project that writes one file, alone in its folder."""
    return _make_program(name, [sys.executable, "-m", module, *words], target.parent, target.is_file)


def _make_program(
    name: str,
    command: Sequence[str],
    folder: Path,
    is_done: Callable[[], bool],
    tell: Callable[[], str] = lambda: "done",
) -> Program:
    """A program whose folder is emptied first if another command has written it."""
    path = folder / COMMAND
    if _leave_place_out(_read_command(path)) != _leave_place_out(command):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        write_json(path, list(command))
    return Program(name, tuple(command), folder, is_done, tell)


def _leave_place_out(command: Sequence[str]) -> list[str]:
    """The words of a command without where Python and this clone lie: that changes nothing of what it finds."""
    return [*(Path(word).name for word in command[1:2]), *command[2:]]


def _read_command(path: Path) -> list[str]:
    try:
        return read_json(path)
    except (FileNotFoundError, ParseError):
        return []
