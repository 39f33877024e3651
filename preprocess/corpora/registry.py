"""The corpora that can be prepared.

To add one, write `read_<corpus>(root: Path) -> Corpus` beside the others (`csl.py` is the shortest; the helpers are in
`corpus.py`) and enter it here under the name that `--dataset` takes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from preprocess.corpora.corpus import Corpus
from preprocess.corpora.csl import read_csl
from preprocess.corpora.csl_daily import read_csl_daily
from preprocess.corpora.custom import read_custom
from preprocess.corpora.phoenix import read_phoenix2014, read_phoenix2014_si5, read_phoenix2014_t

CORPORA: Mapping[str, Callable[[Path], Corpus]] = {
    "phoenix2014": read_phoenix2014,
    "phoenix2014-SI5": read_phoenix2014_si5,
    "phoenix2014-T": read_phoenix2014_t,
    "CSL-Daily": read_csl_daily,
    "CSL": read_csl,
    "custom": read_custom,
}


def read_corpus(dataset: str, root: Path, labels: Path | None = None, seed: int = 0) -> Corpus:
    """Read the corpus at `root`.

    Args:
        dataset: a key of `CORPORA`.
        root: its folder.
        labels: the CSV of the corpus `custom`, if it is not the only one in `root`.
        seed: of the split of the corpus `custom`, if its CSV gives none.

    Raises:
        PreparationError: the corpus is incomplete or malformed.
    """
    return read_custom(root, labels, seed) if dataset == "custom" else CORPORA[dataset](root)
