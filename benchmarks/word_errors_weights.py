"""The networks of `benchmarks.word_errors`: trainings with averaged weights, and the files that are read from them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.family_page import read_commit
from benchmarks.family_runs import REFERENCE, VARIANTS, Run, Settings, list_runs, make_corpus, open_folder, train_all
from engine.checkpoints import BEST, LAST
from engine.moving_average import STEPS, TRAINED, WEIGHTS
from engine.run_lock import RunLock
from utils.checkpoint import load_checkpoint, save_checkpoint
from utils.text import plural

PARTNER = "smkd"
"""The system whose network is read together with the reference's; its training is the family benchmark's."""

ORDER = 4
"""Of the language model."""
LEFT_OUT = {TRAINED, STEPS, "optimizer_state_dict"}
"""Entries of a checkpoint that a file of the trained weights alone does not need."""


@dataclass(frozen=True)
class Networks:
    """The networks that are read, of one family folder and one folder of this comparison.

    Attributes:
        family: the folder of the family benchmark.
        out: the folder of this comparison.
        decay: the trainings' `ema`.
        seeds: the random seeds.
        settings: what all trainings have in common.
    """

    family: Path
    out: Path
    decay: float
    seeds: tuple[int, ...]
    settings: Settings

    @property
    def last(self) -> int:
        """How many epochs are averaged afterwards: those after the first fall of the learning rate."""
        return max(2, self.settings.epochs - self.settings.learning_rate_steps[0])

    @property
    def prepared(self) -> Path:
        """The folder of the prepared corpus."""
        return self.family / "prepared"

    def describe(self) -> str:
        """What corpus and trainings are, as a sentence."""
        train, dev, test = self.settings.sentences
        seeds = ", ".join(map(str, self.seeds))
        commit = read_commit(self.list_trainings()[0].folder)[:7]
        return (
            f"{self.settings.glosses} glosses, {train} sentences to train on, {dev} in dev, {test} in test; "
            f"{plural(self.settings.epochs, 'epoch')}, seeds {seeds}, trained at commit {commit}; ema {self.decay:g}, "
            f"means of the last {plural(self.last, 'epoch')}, a language model of order {ORDER}."
        )

    def list_trainings(self) -> list[Run]:
        """The reference system's trainings, each of which keeps the trained weights and their moving average."""
        reference = VARIANTS[REFERENCE]
        changes = (f"ema={self.decay:g}", "save_interval=1", f"keep={self.last}")
        name = f"ema-{self.decay:g}"
        variant = replace(reference, name=name, changes=(*reference.changes, *changes))
        return [Run(variant, seed, self.out / "runs" / name / f"seed_{seed}") for seed in self.seeds]

    def list_partners(self) -> list[Run]:
        """The family benchmark's training of the other system, with the first seed."""
        return list_runs(self.family, [PARTNER], self.seeds[:1])

    def list_missing(self) -> list[Run]:
        """The partner's trainings that are not done; all of them where the corpus is not there either."""
        whole = (self.prepared / ".done").is_file()
        return [run for run in self.list_partners() if not (whole and run.is_done)]

    @property
    def language_model(self) -> Path:
        """The file of the language model of the training split."""
        return self.out / "language_model" / "lm.arpa"

    def find_trained(self, seed: int) -> Path:
        """The checkpoint of the trained weights after the last epoch; those of the last epochs lie beside it."""
        return self.out / "weights" / f"seed_{seed}" / BEST

    def find_mean(self, seed: int) -> Path:
        """The checkpoint whose weights are the mean of the trained ones of the last epochs."""
        return self.out / "means" / f"seed_{seed}" / "mean.pt"

    def find_moving_average(self, seed: int) -> Path:
        """The checkpoint whose weights are the moving average after the last epoch."""
        return self.list_trainings()[self.seeds.index(seed)].folder / LAST

    def find_partner(self) -> Path:
        """The checkpoint of the other system's best epoch."""
        return self.list_partners()[0].folder / BEST


def train_networks(networks: Networks, device: str, jobs: int, threads: int) -> None:
    """Train what is not trained yet: the networks with averages and, where it is missing, the family's.

    Raises:
        InputError: the family folder has other settings, or a training failed.
        Interrupted: this program was asked to stop; the trainings have saved what they had.
    """
    if networks.list_missing():
        with RunLock(networks.family):
            open_folder(networks.family, networks.settings)
            make_corpus(networks.family, networks.settings, jobs * threads)
            train_all(networks.list_partners(), networks.family, networks.settings, device, jobs)
    else:
        open_folder(networks.family, networks.settings)  # nothing is missing, so it may be of someone else
    train_all(networks.list_trainings(), networks.family, networks.settings, device, jobs)


def separate_weights(networks: Networks) -> None:
    """Write the trained weights of the last epochs into files of their own, as a training without an average has them.

    Whichever epoch was the best on dev, the last one counts: so nothing has been chosen on dev yet.
    """
    epochs = networks.settings.epochs
    for run in networks.list_trainings():
        best = networks.find_trained(run.seed)
        best.parent.mkdir(parents=True, exist_ok=True)
        files = {best.parent / f"epoch_{epoch}.pt": epoch for epoch in range(1, epochs + 1)[-networks.last :]}
        for path, epoch in (files | {best: epochs}).items():
            if not path.is_file():
                content = load_checkpoint(run.folder / f"epoch_{epoch}.pt")
                kept = {key: value for key, value in content.items() if key not in LEFT_OUT}
                save_checkpoint(path, kept | {WEIGHTS: content[TRAINED]})
