"""Examine a corpus before or after preparation: what is wrong with it, and what to do about that.

python -m preprocess.doctor --dataset phoenix2014
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from dataset.manifest import Manifest
from dataset.packed import pack_path
from preprocess.corpora.registry import CORPORA
from preprocess.examination import prepared_corpus, released_corpus
from preprocess.examination.check_result import CheckResult, Verdict, format_results, run_check
from preprocess.examination.frame_checks import ClipStates
from preprocess.finished_clips import read_marker
from preprocess.next_command import format_training_command
from preprocess.options import FRAME_SIZE, IMAGE_FORMATS, get_default_output, get_default_root
from utils.arguments import MOST_SEED, MOST_WORKERS, named_path, whole_number
from utils.output import run_command
from utils.text import plural, quote_path, show_text
from utils.workers import available_cores

FIX_AND_RERUN = "correct this, then run the doctor again"


@dataclass(frozen=True)
class CorpusToExamine:
    """A corpus to examine.

    Attributes:
        dataset: the corpus's name, a key of `CORPORA`.
        root: the folder of the corpus as released; it is not needed once frames were resized in preparation.
        folder: the folder that preparation writes or wrote to.
        full: whether to decode all frames instead of a sample.
        workers: the number of processes for that.
        labels: the CSV of the corpus `custom`, as `read_corpus` takes it.
        seed: the seed of the split of the corpus `custom`, as `read_corpus` takes it.
    """

    dataset: str
    root: Path
    folder: Path
    full: bool = False
    workers: int = 1
    labels: Path | None = None
    seed: int = 0

    @property
    def prepare_options(self) -> str:
        """The options that prepare the corpus, as far as they differ from the defaults."""
        options = f"--dataset {self.dataset}"
        if self.root != get_default_root(self.dataset):
            options += f" --dataset-root {quote_path(self.root)}"
        if self.labels:
            options += f" --labels {quote_path(self.labels)}"
        if self.seed:
            options += f" --seed {self.seed}"
        if not self._is_default_folder():
            options += f" --output {quote_path(self.folder)}"
        return options + self._repeat_earlier_options()

    @property
    def training_command(self) -> str:
        """The command that trains on the corpus once it is prepared."""
        frame_size = Manifest.load(self.folder / "train.json").frame_size
        return format_training_command(self.dataset, self.folder, frame_size)

    def _is_default_folder(self) -> bool:
        return self.folder.absolute() == get_default_output(self.dataset)

    def _repeat_earlier_options(self) -> str:
        """Repeat the options that its frames were prepared with before, if they were."""
        try:
            manifest = Manifest.load(self.folder / "train.json")
        except Exception:  # whatever nonsense is in it, which one of the checks says
            return " --process-image"
        options = ""
        if prepared_corpus.has_frames_inside([manifest]):
            options += " --process-image"
            if pack_path(self.folder, "train").exists():
                options += " --pack lmdb"
        if manifest.frame_size != FRAME_SIZE:
            options += f" --frame-size {manifest.frame_size}"
        markers = (read_marker(manifest.clip_folder(clip)) for clip in manifest.clips)
        marker = next(filter(None, markers), {})  # of the first clip whose frames are there
        if marker.get("image_format") in IMAGE_FORMATS:
            options += f" --image-format {marker['image_format']}"
        if manifest.frame_rate not in {None, CORPORA[self.dataset].frame_rate}:
            if "fps" in marker:
                options += f" --fps {manifest.frame_rate:g}"
            elif "video" not in marker:
                options += f" --image-fps {manifest.frame_rate:g}"
        return options


def examine(target: CorpusToExamine) -> list[CheckResult]:
    """Do all checks of a corpus as released and, if preparation has begun, of what it wrote.

    Whatever the state of the corpus, this raises nothing: what can't be examined becomes a result with an error.
    """
    return run_check("corpus", lambda: _examine(target), FIX_AND_RERUN)


def _examine(target: CorpusToExamine) -> list[CheckResult]:
    if not prepared_corpus.is_prepared(target.folder):
        return _examine_released(target, [])
    manifests, loading = prepared_corpus.load_manifests(target.dataset, target.folder)
    after = [loading, *run_check("prepared", lambda: _examine_prepared(target, manifests), FIX_AND_RERUN)]
    before = run_check("corpus", lambda: _examine_released(target, manifests), FIX_AND_RERUN)
    resized = prepared_corpus.has_frames_inside(manifests)
    if resized and not _count_verdicts(after, Verdict.ERROR):  # nothing of the corpus is needed any more
        before = [_soften(result) for result in before]
    return before + after


def _soften(result: CheckResult) -> CheckResult:
    """Turn an error of the released corpus into a warning; but unlike frame rates are in the prepared frames too."""
    is_harmless = result.verdict is Verdict.ERROR and result.check != released_corpus.RATES
    return replace(result, verdict=Verdict.WARNING) if is_harmless else result


def _examine_released(target: CorpusToExamine, manifests: Sequence[Manifest]) -> list[CheckResult]:
    resized = prepared_corpus.has_frames_inside(manifests)
    if resized and not target.root.exists():
        what = f"no corpus at {target.root}; training needs only what was prepared from it"
        return [CheckResult(released_corpus.ROOT, Verdict.NOT_EXAMINED, what)]
    corpus, reading = released_corpus.try_reading(target.dataset, target.root, target.labels, target.seed)
    if corpus is None:
        return [reading, *released_corpus.list_unexamined(prepared=bool(manifests))]
    results = [reading, *released_corpus.examine_texts(target.dataset, corpus)]
    states: ClipStates = {}
    if resized or not manifests:  # Otherwise the manifests name the same frames, which are examined as prepared ones.
        frames, states = released_corpus.examine_frames(
            target.dataset, target.root, corpus, target.full, target.workers
        )
        results += [*frames, *released_corpus.examine_rates(states, manifests, prepared_corpus.AGAIN)]
    if manifests:
        return [*results, prepared_corpus.check_same_corpus(corpus, manifests, states)]
    return results + released_corpus.examine_before_preparation(target.dataset, corpus, states, target.folder)


def _examine_prepared(target: CorpusToExamine, manifests: Sequence[Manifest]) -> list[CheckResult]:
    if not manifests:
        return prepared_corpus.list_unexamined()
    frames = prepared_corpus.examine_frames(manifests, target.folder, target.full, target.workers)
    return frames + prepared_corpus.examine_texts(target.dataset, target.folder, manifests)


def format_diagnosis(target: CorpusToExamine, results: Sequence[CheckResult]) -> str:
    """Format what was examined, the table of results, and the verdict on the whole in the last line."""
    parts = {result.check.partition(":")[0] for result in results if result.verdict is not Verdict.NOT_EXAMINED}
    released = "examined" if "corpus" in parts else "not examined"
    prepared = "examined" if "prepared" in parts else "not examined, preparation has not begun"
    pixels = "all pixels decoded" if target.full else "a sample of the pixels decoded; --full decodes all"
    lines = [
        f"{target.dataset} as released, {target.root}: {released}",
        f"{target.dataset} as prepared, {target.folder}: {prepared}",
        f"({pixels})",
        "",
        format_results(results),
        "",
    ]
    if any(prepared_corpus.AGAIN in result.remedy for result in results):
        lines.append(f"To prepare again: python -m preprocess.prepare {target.prepare_options}")
    return "\n".join([*lines, _format_overall(target, results, "prepared" in parts)])


def _format_overall(target: CorpusToExamine, results: Sequence[CheckResult], is_prepared: bool) -> str:
    errors, warnings = _count_verdicts(results, Verdict.ERROR), _count_verdicts(results, Verdict.WARNING)
    found = f"{plural(errors, 'error')}, {plural(warnings, 'warning')}:"
    if {result.check for result in results if result.verdict is Verdict.ERROR} == {released_corpus.DISK}:
        return f"{found} only the room for resized frames is lacking"
    if errors:
        return f"{found} training would fail"
    if is_prepared:
        return f"{found} ready to train: {target.training_command}"
    return f"{found} ready to prepare: python -m preprocess.prepare {target.prepare_options}"


def _count_verdicts(results: Sequence[CheckResult], verdict: Verdict) -> int:
    return sum(result.verdict is verdict for result in results)


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description="Examine a corpus before or after preparation. Exit status 1 if preparing or training "
        "would fail, otherwise 0."
    )
    parser.add_argument("--dataset", required=True, choices=tuple(CORPORA), help="the corpus")
    parser.add_argument("--dataset-root", type=named_path, help="its folder (default: dataset/NAME in the repository)")
    parser.add_argument("--prepared", type=named_path, help="where it is prepared (default: preprocess/NAME there)")
    parser.add_argument("--full", action="store_true", help="decode every image or video instead of a sample")
    parser.add_argument(
        "--workers",
        type=whole_number(1, MOST_WORKERS),
        default=available_cores(),
        metavar="N",
        help="processes that decode with --full (default: the number of cores)",
    )
    parser.add_argument(
        "--labels", type=named_path, metavar="CSV", help="custom: the table that preparation was or will be given"
    )
    parser.add_argument(
        "--seed",
        type=whole_number(0, MOST_SEED),
        help="custom: the seed that preparation was or will be given",
    )
    args = parser.parse_args(argv)
    if not CORPORA[args.dataset].takes_labels and (args.labels is not None or args.seed is not None):
        parser.error("--labels and --seed belong to --dataset custom")
    args.seed = args.seed or 0
    args.dataset_root = args.dataset_root or get_default_root(args.dataset)
    args.prepared = args.prepared or get_default_output(args.dataset)
    return args


def main(args: argparse.Namespace) -> int:
    """Examine the corpus and print what was found; returns the exit status, 1 if there is an error."""
    target = CorpusToExamine(
        args.dataset, args.dataset_root, args.prepared, args.full, args.workers, args.labels, args.seed
    )
    try:
        results = examine(target)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    print(show_text(format_diagnosis(target, results)))
    return int(_count_verdicts(results, Verdict.ERROR) > 0)


if __name__ == "__main__":
    run_command(lambda: main(parse_args()))
