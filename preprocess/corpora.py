"""The corpora that can be prepared.

To add one, write `read_<corpus>(root: Path) -> Corpus` beside the others (`preprocess/csl.py` is the shortest; the
helpers are in `preprocess/corpus.py`) and enter it here under the name that `--dataset` takes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from preprocess.corpus import Corpus
from preprocess.csl import read_csl
from preprocess.csl_daily import read_csl_daily
from preprocess.phoenix import read_phoenix2014, read_phoenix2014_t

CORPORA: Mapping[str, Callable[[Path], Corpus]] = {
    "phoenix2014": read_phoenix2014,
    "phoenix2014-T": read_phoenix2014_t,
    "CSL-Daily": read_csl_daily,
    "CSL": read_csl,
}
