"""What a corpus is to preparation, and the helpers that its readers share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

from config.schema import Rules
from utils.errors import InputError
from utils.files import real_path
from utils.text import quote_path
from utils.unicode import find_on_disk, name_unseen, to_nfc


class PreparationError(InputError):
    """A corpus can't be prepared; the message names the file, folder or row, and what to do."""


@dataclass(frozen=True)
class Recording:
    """One recorded sentence as its corpus describes it.

    Attributes:
        id: the recording's name, unique in the corpus, without white space.
        source: the folder of its frames, or its video; it need not exist yet.
        signer: the name of the person who signs.
        glosses: the label, as it was released, but in Unicode's form NFC.
        recomposed: whether one of these texts was in another form.
    """

    id: str
    source: Path
    signer: str
    glosses: tuple[str, ...]
    recomposed: bool = False


@dataclass(frozen=True)
class Corpus:
    """The content of a corpus, as its reader returns it.

    Attributes:
        splits: the recordings of `train`, `dev` and, where there is one, `test`, in this order.
        glosses: the gloss dictionary in id order.
        notes: sentences for the user about what the reader corrected or left out.
    """

    splits: Mapping[str, tuple[Recording, ...]]
    glosses: tuple[str, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class CorpusReader:
    """How one corpus is read, and every fact that is particular to it: the one place to describe a corpus.

    How it is trained and scored stands in `config/<name>.yaml`.

    Attributes:
        name: the corpus's name for `--dataset`, and that of its file in `config/`.
        read: the function `(root) -> Corpus`; it raises PreparationError.
        takes_labels: whether `read` also takes `labels` and `seed`, as the corpus `custom` needs them.
        title: the corpus's name in prose.
        page: the address of its download.
        released_folder: the name of the released folder that is to be linked as its root.
        marker: a path that exists below the right root.
        root_name: the name of the default root below `dataset/`, where it is not `name`.
        language: the corpus's name for `--language`, as users of published checkpoints know it; empty if it has none.
        image_size: width and height of the released images; None where they differ.
        frame_rate: the released images a second; None where the corpus does not say it.
        published_clips: the number of recordings of each split that papers report, where known.
        reference_rules: the normalisation rules (`evaluation.normalise`) for the references of a split, if not `none`.
        lengths_file: the name of the table that states how many frames each recording has, if there is one.
        read_lengths: the function `(root) -> number of frames by id` that reads that table.
    """

    name: str
    read: Callable[..., Corpus]
    takes_labels: bool = False
    title: str = ""
    page: str = ""
    released_folder: str = ""
    marker: str = ""
    root_name: str = ""
    language: str = ""
    image_size: tuple[int, int] | None = None
    frame_rate: float | None = None
    published_clips: Mapping[str, int] = field(default_factory=dict)
    reference_rules: Mapping[str, Rules] = field(default_factory=dict)
    lengths_file: str = ""
    read_lengths: Callable[[Path], Mapping[str, int]] | None = None


def check_root(root: Path, reader: CorpusReader) -> None:
    """Check that `root` exists and is the level of the release that holds `reader.marker`.

    Raises:
        PreparationError: it is not; the message says what to link, or which level would be right.
    """
    if not root.is_dir():
        dangling = f" (a link to {root.readlink()}, which does not exist)" if root.is_symlink() else ""
        raise PreparationError(
            f"no {reader.title} corpus at {root}{dangling}. Download it from {reader.page}, unpack it and link it:\n"
            f"    ln -sfn /path/to/{reader.released_folder} {quote_path(root)}\n"
            "or name the folder with --dataset-root"
        )
    if (root / reader.marker).exists():
        return
    # The releases nest several folders, so a link one level too high or too low is a common mistake. Four levels up and
    # two down are cheap to look through; a deeper search would list the folders of all clips.
    above = (("low", folder) for folder in real_path(root).parents[:4])
    below = (("high", folder) for pattern in ("*", "*/*") for folder in sorted(root.glob(pattern)))
    for level, folder in chain(above, below):
        if (folder / reader.marker).exists():
            raise PreparationError(
                f"{root} is one or more levels too {level}: the {reader.title} root, which holds {reader.marker}, "
                f"is {folder}. {_explain_linking(root, folder)}"
            )
    raise PreparationError(
        f"{root} holds no {reader.marker}: is this {reader.title}, and is it unpacked completely? "
        f"The root is the folder {reader.released_folder} of the download from {reader.page}"
    )


def _explain_linking(root: Path, target: Path) -> str:
    option = f"--dataset-root {quote_path(target)}"
    if root.is_symlink():
        command = f"ln -sfn {quote_path(real_path(target))} {quote_path(root)}"
        return f"Link that folder:\n    {command}\nor name it with {option}"
    return f"Name that folder with {option}"


def read_lines(path: Path) -> list[tuple[int, str]]:
    """Read the lines of a UTF-8 file that are not blank, each with its number, which counts from 1.

    Raises:
        PreparationError: the file is missing or not UTF-8.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")  # editors on Windows put a BOM before the first column's name
    except FileNotFoundError as error:
        raise PreparationError(f"no file {path}: is the corpus unpacked completely?") from error
    except (OSError, UnicodeDecodeError) as error:
        raise PreparationError(f"{path} is not a readable UTF-8 file: {error}") from error
    # Not splitlines(): that also splits at characters which may occur inside a translation.
    lines = (line.removesuffix("\r") for line in text.split("\n"))
    return [(number, line) for number, line in enumerate(lines, start=1) if line.strip()]


def read_table(path: Path, header: str) -> Iterator[tuple[str, dict[str, str]]]:
    """Read a table whose columns are separated by `|`.

    Args:
        path: the file of the table.
        header: the first line that the file must have, for example `name|split`.

    Yields:
        the place of a row, `file:line` for error messages, and its fields by column name, stripped.

    Raises:
        PreparationError: another header, a row with another number of fields, or no row at all.
    """
    # Not the csv module: translations hold quotation marks that are not closed, and mean nothing in these tables.
    columns = header.split("|")
    lines = read_lines(path)
    found = lines[0][1].strip() if lines else ""
    if found != header:
        raise PreparationError(f"{path}: the first line must be {header!r}, but is {found!r}")
    if len(lines) == 1:
        raise PreparationError(f"{path} lists no recording")
    for number, line in lines[1:]:
        fields = [value.strip() for value in line.split("|")]
        where = f"{path}:{number}"
        if len(fields) != len(columns):
            raise PreparationError(f"{where}: {len(fields)} fields where {header!r} has {len(columns)}: {line!r}")
        yield where, dict(zip(columns, fields, strict=True))


def make_recording(where: str, name: str, source: Path, signer: str, label: str) -> Recording:
    """Build a recording from the fields of one row of a table, in Unicode's form NFC.

    Args:
        where: the place of the row, `file:line` for error messages.
        name: the recording's id.
        source: the folder of its frames, or its video.
        signer: the signer's name.
        label: the glosses, separated by white space.

    Raises:
        PreparationError: the id or signer is empty or holds white space, the label is empty, or one of them holds a
            character that cannot be seen.
    """
    released = (name, signer, label)
    name, signer, label = map(to_nfc, released)
    for what, value in (("id", name), ("signer", signer), ("label", label.strip(" \t"))):
        if unseen := name_unseen(value):
            raise PreparationError(
                f"{where}: the {what} holds {unseen}, which cannot be seen, so that it would equal no other that looks "
                f"the same: take it out of {value[:60]!r}"
            )
    for what, value in (("id", name), ("signer", signer)):
        if len(value.split()) != 1 or value != value.strip():
            raise PreparationError(f"{where}: the {what} must be one word, but is {value!r}")
    # The name becomes that of the folder of its resized frames, where a leading dot marks an unfinished one.
    if "/" in name or name.startswith("."):
        raise PreparationError(f"{where}: the id {name!r} can't be the name of a folder")
    glosses = tuple(label.split())
    if not glosses:
        raise PreparationError(f"{where}: {name} has no gloss")
    return Recording(name, find_on_disk(source), signer, glosses, (name, signer, label) != released)


def check_unique(splits: Mapping[str, Sequence[Recording]]) -> None:
    """Raise PreparationError if a recording occurs twice, in one split or in two, or a split is empty."""
    seen: dict[str, str] = {}
    for split, recordings in splits.items():
        if not recordings:
            raise PreparationError(f"the {split} split has no recording")
        for recording in recordings:
            if recording.id in seen:
                raise PreparationError(
                    f"duplicate recording {recording.id}: listed in {seen[recording.id]} and again in {split}"
                )
            seen[recording.id] = split


def collect_glosses(splits: Iterable[Sequence[Recording]]) -> tuple[str, ...]:
    """Collect the glosses of all splits, sorted by code point: the dictionary of the papers.

    From all splits, not from train alone, because published networks have an output for each of these glosses, in this
    order.
    """
    return tuple(sorted({gloss for split in splits for recording in split for gloss in recording.glosses}))
