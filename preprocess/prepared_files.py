"""The small files of a prepared corpus: removed before it is prepared again, and its references."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from dataset.corpus_files import locate_references
from dataset.manifest import SPLITS
from dataset.vocabulary import DICTIONARY
from evaluation.ctm import Reference, write_stm
from evaluation.normalise import normalise
from preprocess.corpora.corpus import Recording
from preprocess.corpora.registry import get_reference_rules


def remove_earlier_files(output: Path, dataset: str) -> None:
    """Remove what an earlier run left: without manifests nothing can train on what is half rewritten."""
    references = [locate_references(output, dataset, split) for split in SPLITS]
    manifests = [output / f"{split}.json" for split in SPLITS]
    for path in (*manifests, *references):
        path.unlink(missing_ok=True)
    # A run that was killed while it wrote one of these has left a hidden file (`utils.files.atomic_path`).
    for path in (*manifests, output / DICTIONARY, *references):
        for unfinished in output.glob(f".{path.stem[:100]}.*"):
            unfinished.unlink()


def write_references(output: Path, dataset: str, split: str, recordings: Sequence[Recording]) -> None:
    """Write the references of a split, normalised by the rules of its corpus, in the order of the recordings.

    Raises:
        FormatError: an id or gloss can't be written to an STM file.
    """
    rules = get_reference_rules(dataset, split)
    references = [
        Reference(recording.id, recording.signer, tuple(normalise(recording.glosses, rules)))
        for recording in recordings
    ]
    write_stm(locate_references(output, dataset, split), references)
