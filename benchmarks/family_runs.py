"""The trainings of `benchmarks.family`: what is compared, on which corpus, and running main.py for each."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from benchmarks.programs import Program, is_tested, run_programs, tell_rates
from dataset.manifest import SPLITS
from utils.errors import InputError
from utils.files import write_json
from utils.plain_json import read_json

REPOSITORY = Path(__file__).parents[1]
CONFIG = REPOSITORY / "config/quickstart.yaml"
FRAME_SIZE = 72
"""Side of prepared frames in pixels, as the quickstart's."""
SETTINGS = "settings.json"


@dataclass(frozen=True)
class Variant:
    """A row of the comparison.

    Attributes:
        name: what the command and the folders call it.
        title: what the page calls it.
        system: the name of its configuration in `config/systems`.
        changes: overrides for the command line, beyond the system's values.
    """

    name: str
    title: str
    system: str
    changes: tuple[str, ...] = ()

    @property
    def overrides(self) -> dict[str, str]:
        """Everything that makes it this variant, by dotted keys."""
        return {"system": self.system} | dict(change.split("=", 1) for change in self.changes)


REFERENCE = "mstfnet"
"""The variant that all others are compared with."""
SEPARATE = "model_args.share_heads=false"  # one attention for each level of HFAM, as for two of the three corpora
VARIANTS = {
    variant.name: variant
    for variant in (
        Variant("vac-conv-ctc", "VAC + ConvCTC", "vac", ("loss_weights.Dist=0",)),
        Variant("vac", "VAC", "vac"),
        Variant("smkd", "VAC + SMKD", "smkd"),
        Variant("tlp", "TLP", "tlp"),
        Variant("corrnet", "CorrNet", "corrnet"),
        Variant(REFERENCE, "MSTFNet", "mstfnet", (SEPARATE,)),
        Variant("no-fusion", "MSTFNet without fusion", "mstfnet", (SEPARATE, "model_args.fusion=none")),
        Variant("no-hfam", "MSTFNet without HFAM", "mstfnet", ("model_args.hfam=false", "loss_weights.AuxCTC=0")),
        Variant("max-pooling", "MSTFNet with max pooling", "mstfnet", (SEPARATE, "model_args.pooling=max")),
        Variant("shared-heads", "MSTFNet with shared heads", "mstfnet", ("model_args.share_heads=true",)),
    )
}


@dataclass(frozen=True)
class Settings:
    """What all trainings of a folder have in common, and what must not change in it.

    Attributes:
        glosses: the number of glosses in the corpus.
        sentences: the numbers of sentences in train, dev and test.
        epochs: the number of epochs of each training.
    """

    glosses: int
    sentences: tuple[int, ...]
    epochs: int

    @property
    def learning_rate_steps(self) -> tuple[int, int]:
        """The epochs after which the learning rate falls: at the same parts of the training as in the quickstart."""
        return max(1, round(self.epochs * 6 / 9)), max(1, round(self.epochs * 8 / 9))


@dataclass(frozen=True)
class Run:
    """One training.

    Attributes:
        variant: what is trained.
        seed: the random seed.
        folder: the folder of the run.
    """

    variant: Variant
    seed: int
    folder: Path

    @property
    def name(self) -> str:
        """What messages call it."""
        return f"{self.variant.name}, seed {self.seed}"

    @property
    def is_done(self) -> bool:
        """Whether it was trained to its end: until then main.py's report is about dev alone."""
        return is_tested(self.folder)


def open_folder(folder: Path, settings: Settings) -> None:
    """Make the folder of a comparison, or check that the one which is there has the same settings.

    Raises:
        InputError: it holds a comparison with other settings.
    """
    path = folder / SETTINGS
    wanted = asdict(settings) | {"sentences": list(settings.sentences)}
    if not path.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        write_json(path, wanted)
    elif (found := read_json(path)) != wanted:
        raise InputError(f"{path} says {found}, and this command {wanted}: choose another --out, or the same settings")


def list_runs(folder: Path, variants: Iterable[str], seeds: Iterable[int]) -> list[Run]:
    """The trainings in their order: one seed of all variants first, so that there is soon a whole table."""
    names = list(variants)
    return [Run(VARIANTS[name], seed, folder / "runs" / name / f"seed_{seed}") for seed in seeds for name in names]


def make_corpus(folder: Path, settings: Settings, workers: int) -> None:
    """Render the corpus and prepare it, as `make quickstart` does; steps that were done before are not repeated."""
    rendered, prepared = folder / "corpus", folder / "prepared"
    if not rendered.is_dir():
        part = folder / "corpus.part"  # renamed at the end: an interrupted rendering leaves nothing that looks finished
        shutil.rmtree(part, ignore_errors=True)
        numbers = zip(("glosses", *SPLITS), (settings.glosses, *settings.sentences), strict=True)
        words = [f"--{name}={number}" for name, number in numbers]
        run_module("dataset.synthetic", "--layout=phoenix2014", f"--out={part}", f"--workers={workers}", *words)
        part.rename(rendered)
    done = prepared / ".done"
    if not done.is_file():
        folders = (f"--dataset-root={rendered}", f"--output={prepared}")
        words = ["--dataset=phoenix2014", "--process-image", f"--frame-size={FRAME_SIZE}", f"--workers={workers}"]
        run_module("preprocess.prepare", *folders, *words)
        done.touch()


def run_module(name: str, *words: str) -> None:
    """Run one of the project's commands to its end.

    Raises:
        InputError: it failed; it has said why itself.
    """
    if status := subprocess.run([sys.executable, "-m", name, *words], check=False).returncode:
        raise InputError(f"{name} has failed (exit status {status}); what it says above is the reason")


def build_command(run: Run, folder: Path, settings: Settings, device: str) -> list[str]:
    """The command that trains a run, or goes on with it: what a user would type."""
    return [
        sys.executable, str(REPOSITORY / "main.py"), f"--config={CONFIG}", f"--system={run.variant.system}",
        f"--work-dir={run.folder}", f"--random-seed={run.seed}", f"--device={device}", "--resume=true",
        f"dataset_root={folder / 'corpus'}", f"prepared={folder / 'prepared'}", f"num_epoch={settings.epochs}",
        f"optimizer_args.step={list(settings.learning_rate_steps)}", *run.variant.changes,
    ]  # fmt: skip


def train_all(runs: Sequence[Run], folder: Path, settings: Settings, device: str, jobs: int) -> None:
    """Train what is not done yet, `jobs` trainings side by side; half a training goes on from its last checkpoint.

    Raises:
        InputError, Interrupted: as `run_programs` does.
    """
    programs = [
        Program(
            run.name,
            tuple(build_command(run, folder, settings, device)),
            run.folder,
            is_done=partial(is_tested, run.folder),
            tell=partial(tell_rates, run.folder),
            log="log.txt",
        )
        for run in runs
    ]
    run_programs(programs, jobs, "trainings")
