"""The corpora that can be prepared, one line each.

To add one, describe it by a `CorpusReader` in a file beside the others (`csl.py` is the shortest; the helpers are in
`corpus.py`), enter that here, and write `config/<name>.yaml`, which says how it is trained and scored.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from config.schema import Rules
from preprocess.corpora.corpus import Corpus, CorpusReader
from preprocess.corpora.csl import CSL
from preprocess.corpora.csl_daily import CSL_DAILY
from preprocess.corpora.custom import CUSTOM
from preprocess.corpora.phoenix import PHOENIX2014, PHOENIX2014_SI5, PHOENIX2014_T
from utils.text import plural, shorten

READERS = (
    PHOENIX2014,
    PHOENIX2014_SI5,
    PHOENIX2014_T,
    CSL_DAILY,
    CSL,
    CUSTOM,
)
CORPORA: dict[str, CorpusReader] = {reader.name: reader for reader in READERS}
"""The readers by the names that `--dataset` takes."""
LANGUAGES: dict[str, str] = {reader.language: reader.name for reader in READERS if reader.language}
"""The names that `--language` takes, each with the corpus whose network it means."""


def read_corpus(dataset: str, root: Path, labels: Path | None = None, seed: int = 0) -> Corpus:
    """Read the corpus at `root`.

    Args:
        dataset: a key of `CORPORA`.
        root: the folder of the corpus.
        labels: the CSV of the corpus `custom`, if it is not the only one in `root`.
        seed: the seed of the split of the corpus `custom`, if its CSV gives none.

    Raises:
        PreparationError: the corpus is incomplete or malformed.
    """
    reader = CORPORA[dataset]
    corpus = reader.read(root, labels, seed) if reader.takes_labels else reader.read(root)
    recomposed = [entry.id for members in corpus.splits.values() for entry in members if entry.recomposed]
    if not recomposed:
        return corpus
    clips = plural(len(recomposed), "clip")
    note = f"{clips} spelt in another Unicode form than NFC, and read as NFC: {shorten(recomposed)}"
    return replace(corpus, notes=(*corpus.notes, note))


def get_reference_rules(dataset: str, split: str) -> Rules:
    """Get the name of the normalisation rules for the references of a split; `none` for an unknown corpus, too."""
    if dataset not in CORPORA:
        return "none"
    return CORPORA[dataset].reference_rules.get(split, "none")
