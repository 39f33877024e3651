"""Examine a corpus before or after preparation: what is wrong with it, and what to do about that.

python -m preprocess.doctor --dataset phoenix2014
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from shlex import quote

from dataset.manifest import Manifest
from dataset.packed import pack_path
from preprocess.corpora.registry import CORPORA
from preprocess.examination import prepared, source
from preprocess.examination.finding import Finding, Verdict, attempt, counted, format_findings
from preprocess.options import FRAME_SIZE, default_output, default_root
from utils.workers import available_cores

MEND = "mend this, then run the doctor again"


@dataclass(frozen=True)
class Patient:
    """A corpus to examine.

    Attributes:
        dataset: a key of `CORPORA`.
        root: where it lies as released; a prepared one with resized frames does without.
        folder: where preparation writes or wrote.
        full: decode all frames instead of a sample.
        workers: processes for that.
        labels, seed: as `read_corpus` takes them.
    """

    dataset: str
    root: Path
    folder: Path
    full: bool = False
    workers: int = 1
    labels: Path | None = None
    seed: int = 0

    @property
    def options(self) -> tuple[str, str]:
        """The options that prepare it, and those that train on it, as far as they differ from the defaults."""
        default = self.folder.absolute() == default_output(self.dataset)
        root = "" if self.root == default_root(self.dataset) else f" --dataset-root {quote(str(self.root))}"
        folder = quote(str(self.folder))
        output, trained = ("", "") if default else (f" --output {folder}", f" --prepared {folder}")
        labels = f" --labels {quote(str(self.labels))}" if self.labels else ""
        own = labels + (f" --seed {self.seed}" if self.seed else "")
        prepare = f"--dataset {self.dataset}{root}{own}{output}{self._as_before()}"
        return prepare, f"--dataset {self.dataset}{trained}"

    def _as_before(self) -> str:
        """The options for frames as they were prepared before, if they were."""
        try:
            manifest = Manifest.load(self.folder / "train.json")
        except Exception:  # whatever nonsense is in it, which a finding says
            return " --process-image"
        size = "" if manifest.frame_size == FRAME_SIZE else f" --frame-size {manifest.frame_size}"
        packed = " --pack lmdb" * pack_path(self.folder, "train").exists()
        return (f" --process-image{packed}" if prepared.frames_inside([manifest]) else "") + size


def examine(patient: Patient) -> list[Finding]:
    """All findings about a corpus as released and, if preparation has begun, about what it wrote.

    Whatever the state of the corpus, this raises nothing: what can't be examined is an error finding.
    """
    return attempt("corpus", lambda: _examine(patient), MEND)


def _examine(patient: Patient) -> list[Finding]:
    if not prepared.is_prepared(patient.folder):
        return _examine_source(patient, [])
    manifests, loading = prepared.load_manifests(patient.dataset, patient.folder)
    after = [loading, *attempt("prepared", lambda: _examine_prepared(patient, manifests), MEND)]
    before = attempt("corpus", lambda: _examine_source(patient, manifests), MEND)
    inside = prepared.frames_inside(manifests)
    if inside and not _count(after, Verdict.ERROR):  # nothing of the corpus is needed any more
        before = [replace(f, verdict=Verdict.WARNING) if f.verdict is Verdict.ERROR else f for f in before]
    return before + after


def _examine_source(patient: Patient, manifests: Sequence[Manifest]) -> list[Finding]:
    if prepared.frames_inside(manifests) and not patient.root.exists():
        what = f"no corpus at {patient.root}; training needs only what was prepared from it"
        return [Finding("corpus: root and annotations", Verdict.NOT_EXAMINED, what)]
    corpus, reading = source.read_source(patient.dataset, patient.root, patient.labels, patient.seed)
    if corpus is None:
        return [reading, *source.not_examined(prepared=bool(manifests))]
    findings, reports = [reading, *source.examine_texts(patient.dataset, corpus)], {}
    if prepared.frames_inside(manifests) or not manifests:  # otherwise they are those that manifests name
        frames, reports = source.examine_frames(patient.dataset, patient.root, corpus, patient.full, patient.workers)
        findings += frames
    if manifests:
        return [*findings, prepared.check_same(corpus, manifests, reports)]
    return findings + source.examine_before_preparation(patient.dataset, corpus, reports, patient.folder)


def _examine_prepared(patient: Patient, manifests: Sequence[Manifest]) -> list[Finding]:
    if not manifests:
        return prepared.not_examined()
    frames = prepared.examine_frames(manifests, patient.folder, patient.full, patient.workers)
    return frames + prepared.examine_texts(patient.dataset, patient.folder, manifests)


def report(patient: Patient, findings: Sequence[Finding]) -> str:
    """What was examined, the table of findings, and the verdict on the whole in the last line."""
    parts = {finding.check.partition(":")[0] for finding in findings if finding.verdict is not Verdict.NOT_EXAMINED}
    pixels = "all pixels decoded" if patient.full else "a sample of the pixels decoded; --full decodes all"
    lines = [
        f"{patient.dataset} as released, {patient.root}: {'examined' if 'corpus' in parts else 'not examined'}",
        f"{patient.dataset} as prepared, {patient.folder}: "
        + ("examined" if "prepared" in parts else "not examined, preparation has not begun"),
        f"({pixels})",
        "",
        format_findings(findings),
        "",
    ]
    if any(prepared.AGAIN in finding.remedy for finding in findings):
        lines.append(f"To prepare again: python -m preprocess.prepare {patient.options[0]}")
    return "\n".join([*lines, _overall(patient, findings, "prepared" in parts)])


def _overall(patient: Patient, findings: Sequence[Finding], is_prepared: bool) -> str:
    errors, warnings = _count(findings, Verdict.ERROR), _count(findings, Verdict.WARNING)
    result = f"{counted(errors, 'error')}, {counted(warnings, 'warning')}:"
    if errors:
        return f"{result} training would fail"
    prepare, train = patient.options
    if is_prepared:
        return f"{result} ready to train: python main.py --config config/baseline.yaml {train}"
    return f"{result} ready to prepare: python -m preprocess.prepare {prepare}"


def _count(findings: Sequence[Finding], verdict: Verdict) -> int:
    return sum(finding.verdict is verdict for finding in findings)


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description="Examine a corpus before or after preparation. Exit status 1 if training would fail, otherwise 0."
    )
    parser.add_argument("--dataset", required=True, choices=tuple(CORPORA), help="the corpus")
    parser.add_argument("--dataset-root", type=Path, help="its folder (default: dataset/NAME in the repository)")
    parser.add_argument("--prepared", type=Path, help="where it is prepared (default: preprocess/NAME there)")
    parser.add_argument("--full", action="store_true", help="decode every image or video instead of a sample")
    parser.add_argument(
        "--workers",
        type=int,
        default=available_cores(),
        metavar="N",
        help="processes that decode with --full (default: the number of cores)",
    )
    parser.add_argument("--labels", type=Path, metavar="CSV", help="custom: as preparation was or will be given it")
    parser.add_argument("--seed", type=int, default=0, help="custom: likewise")
    args = parser.parse_args(argv)
    if args.workers < 1:
        parser.error(f"--workers must be at least 1, not {args.workers}")
    args.dataset_root = args.dataset_root or default_root(args.dataset)
    args.prepared = args.prepared or default_output(args.dataset)
    return args


def main(args: argparse.Namespace) -> int:
    """Examine the corpus and print what was found; returns the exit status, 1 if there is an error."""
    patient = Patient(args.dataset, args.dataset_root, args.prepared, args.full, args.workers, args.labels, args.seed)
    try:
        findings = examine(patient)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    # File names may hold what the terminal's encoding can't show.
    encoding = sys.stdout.encoding or "utf-8"
    print(report(patient, findings).encode(encoding, "backslashreplace").decode(encoding))
    return int(_count(findings, Verdict.ERROR) > 0)


if __name__ == "__main__":
    sys.exit(main(parse_args()))
