"""A corpus of your own: videos or folders of frames, and one CSV that says what is signed in them."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from dataset.manifest import SPLITS
from dataset.video import VIDEO_SUFFIXES
from evaluation.ctm import FormatError, check_gloss, fold_case
from preprocess.corpora.corpus import (
    Corpus,
    CorpusReader,
    PreparationError,
    Recording,
    collect_glosses,
    make_recording,
)
from preprocess.corpora.custom_split import draw_split
from utils.text import list_first, plural
from utils.unicode import find_on_disk, to_nfc

REQUIRED = ("id", "path", "signer", "glosses")
HEADER = "id,path,signer,glosses,split"
DELIMITERS = ",;\t"
NO_TABLES = {
    **dict.fromkeys((".xlsx", ".xls", ".ods", ".numbers"), "save its table as CSV UTF-8"),
    ".eaf": "`python -m preprocess.from_elan` makes one of ELAN's files",
}
EXCEL_SEPARATOR = "sep="  # a first line of this kind tells Excel which separator follows


def read_custom(root: Path, labels: Path | None = None, seed: int = 0) -> Corpus:
    """Read a corpus described by a CSV with the columns `id,path,signer,glosses,split`, in any order.

    Args:
        root: the folder that the paths in the CSV start from.
        labels: the CSV; if None, the only one in `root`.
        seed: the seed that the split is drawn with if the CSV gives none.

    Raises:
        PreparationError: no such folder or CSV, or mistakes in it: up to ten are listed, with file and line.
    """
    table = labels or _locate_table(root)
    rows = _read_rows(table)
    recordings: list[Recording] = []
    mistakes: list[str] = []
    seen: dict[tuple[str, str], str] = {}
    for where, row in rows:
        try:
            _check_new(where, row, seen)
            recordings.append(_make_recording(root, where, row))
        except (PreparationError, FormatError, OSError) as error:  # OSError: a path that no system can hold
            mistakes.append(str(error) if str(error).startswith(where) else f"{where}: {error}")
    mistakes += _list_split_mistakes(table, rows)
    if mistakes:
        raise PreparationError(format_mistakes(mistakes))
    if any(row["split"] for _, row in rows):
        chosen = {recording.id: row["split"] for recording, (_, row) in zip(recordings, rows, strict=True)}
        notes: tuple[str, ...] = ()
    else:
        chosen, note = draw_split(recordings, seed)
        notes = (note,)
    members = {split: tuple(entry for entry in recordings if chosen[entry.id] == split) for split in SPLITS}
    splits = {split: entries for split, entries in members.items() if entries}
    return Corpus(splits, collect_glosses(splits.values()), notes)


def format_mistakes(mistakes: Sequence[str]) -> str:
    return "\n    ".join([f"{plural(len(mistakes), 'mistake')}:", *list_first(mistakes)])


def _locate_table(root: Path) -> Path:
    if not root.is_dir():
        raise PreparationError(
            f"no folder {root}: put your videos and a CSV with the header {HEADER} there, or name their folder with "
            "--dataset-root (docs/own-corpus.md)"
        )
    tables = list_tables(root)
    if len(tables) == 1:
        return tables[0]
    others = sorted(path for path in root.iterdir() if path.suffix.lower() in NO_TABLES)
    if others and not tables:
        remedy = NO_TABLES[others[0].suffix.lower()]
        raise PreparationError(f"{root} holds {others[0].name} and no CSV file with the header {HEADER}: {remedy}")
    found = f"{len(tables)} CSV files ({', '.join(path.name for path in tables[:5])})" if tables else "no CSV file"
    raise PreparationError(f"{root} holds {found}: name the one with the header {HEADER} with --labels")


def list_tables(root: Path) -> list[Path]:
    """List the CSV files of a folder, sorted; one of them alone is taken for the table of the corpus."""
    return sorted(path for path in root.iterdir() if path.suffix.lower() == ".csv" and not path.name.startswith("."))


def _read_rows(table: Path) -> list[tuple[str, dict[str, str]]]:
    """Read the rows of the CSV, each with its place, `file:line`; a missing column `split` is filled with ""."""
    text = _read_text(table)
    first = text.partition("\n")[0].strip("\r")
    # Spreadsheets write semicolons where the decimal separator of the country is a comma, or tabs.
    delimiter = first[-1] if first[:-1] == EXCEL_SEPARATOR else max(DELIMITERS, key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    rows = []
    try:
        fields = next(reader, [])
        if fields and fields[0].startswith(EXCEL_SEPARATOR):
            fields = next(reader, [])
        header = [name.strip().lower() for name in _drop_empty_end(fields, 0)]
        _check_header(table, header)
        for fields in reader:
            where = f"{table}:{reader.line_num}"
            if not any(field.strip() for field in fields):
                continue
            fields = _drop_empty_end(fields, len(header))  # noqa: PLW2901
            if len(fields) != len(header):
                raise PreparationError(
                    f"{where}: {len(fields)} fields where the header has {len(header)}; a field that holds "
                    f'{delimiter!r} must be quoted, as in "a{delimiter}b"'
                )
            row = {name: field.strip() for name, field in zip(header, fields, strict=True)}
            rows.append((where, {"split": "", **row}))
    except csv.Error as error:
        raise PreparationError(f"{table}:{reader.line_num}: {error}; is a quotation mark missing?") from error
    if not rows:
        raise PreparationError(f"{table} lists no clip")
    return rows


def _read_text(table: Path) -> str:
    if table.exists() and not table.is_file():  # a pipe that nobody writes to would be waited for without end
        raise PreparationError(f"{table} is no file: name the table with the header {HEADER} with --labels")
    try:
        return table.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise PreparationError(
            f"{table}:{line}: this is not UTF-8, so that letters beyond A to Z would be wrong. Save the table again, "
            'in Excel as "CSV UTF-8", in LibreOffice as CSV with the character set UTF-8'
        ) from error
    except OSError as error:
        raise PreparationError(f"{table} cannot be read: {error}") from error


def _drop_empty_end(fields: list[str], least: int) -> list[str]:
    """Drop empty fields at the end, but keep `least`: spreadsheets go on writing columns that were used once."""
    end = len(fields)
    while end > least and not fields[end - 1].strip():
        end -= 1
    return fields[:end]


def _check_header(table: Path, header: Sequence[str]) -> None:
    allowed = (*REQUIRED, "split")
    wrong = [f"no column {name!r}" for name in REQUIRED if name not in header]
    wrong += [f"unknown column {name!r}" for name in header if name not in allowed]
    wrong += [f"column {name!r} twice" for name in allowed if header.count(name) > 1]
    if wrong:
        raise PreparationError(f"{table}:1: the header must be {HEADER} (split is optional): {', '.join(wrong)}")


def _check_new(where: str, row: Mapping[str, str], seen: dict[tuple[str, str], str]) -> None:
    """Raise PreparationError if an earlier row has the same id (sclite ignores case) or the same path."""
    keys = (("id", fold_case(to_nfc(row["id"]))), ("path", to_nfc(os.path.normpath(row["path"]))))
    repeated = [f"{key[0]} {row[key[0]]!r} is already at {seen[key]}" for key in keys if key in seen]
    for key in keys:
        seen.setdefault(key, where)
    if repeated:
        raise PreparationError(f"{where}: duplicate: the {' and the '.join(repeated)}")


def _make_recording(root: Path, where: str, row: Mapping[str, str]) -> Recording:
    # Everything that references or file names can't hold is refused here, by its line, and not after hours of resizing.
    source = _locate_source(root, where, row["path"])
    recording = make_recording(where, row["id"], source, row["signer"], row["glosses"])
    # A file name may have 255 bytes, of which that of an unfinished folder needs some beside the id.
    if recording.id.startswith(";") or len(recording.id.encode()) > 200:
        raise PreparationError(f"{where}: the id must not start with ';' nor be longer than 200 bytes: {row['id']!r}")
    for index, gloss in enumerate(recording.glosses):
        check_gloss(gloss, first_of_reference=index == 0)
    return recording


def _locate_source(root: Path, where: str, path: str) -> Path:
    # Only what lies below the root: a corpus can then be moved, or be read on another machine.
    normal = os.path.normpath(path)
    if not path or Path(path).is_absolute() or normal == "." or Path(normal).parts[0] == "..":
        raise PreparationError(f"{where}: the path must be that of a video or folder below {root}, but is {path!r}")
    source = find_on_disk(root / normal)
    if not source.exists():
        hint = "; write / and not \\ between folders" if "\\" in path else ""
        raise PreparationError(f"{where}: there is no {source}{hint}")
    if source.is_file() and source.suffix.lower() not in VIDEO_SUFFIXES:
        kinds = ", ".join(sorted(VIDEO_SUFFIXES))
        raise PreparationError(f"{where}: {source} is neither a folder of frames nor a video ({kinds})")
    return source


def _list_split_mistakes(table: Path, rows: Sequence[tuple[str, Mapping[str, str]]]) -> list[str]:
    """List what is wrong with the splits that the rows give; nothing if none gives any."""
    given = [row["split"] for _, row in rows if row["split"]]
    if not given:
        return []
    mistakes = [
        f"{where}: the split must be one of {', '.join(SPLITS)}, but is {row['split']!r}"
        for where, row in rows
        if row["split"] and row["split"] not in SPLITS
    ]
    if len(given) < len(rows):
        first = next(where for where, row in rows if not row["split"])
        mistakes.append(f"{first}: no split, but {len(given)} of {len(rows)} rows have one: give all rows one, or none")
    missing = [split for split in ("train", "dev") if split not in given]
    return mistakes + [f"{table}: no row has the split {split}, which training needs" for split in missing]


CUSTOM = CorpusReader(name="custom", read=read_custom, takes_labels=True)
