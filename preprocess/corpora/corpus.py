"""What a corpus is to preparation, and the helpers that its readers share."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

from utils.errors import InputError


class PreparationError(InputError):
    """A corpus can't be prepared; the message names the file, folder or row, and what to do."""


@dataclass(frozen=True)
class Recording:
    """One recorded sentence as its corpus describes it.

    Attributes:
        id: its name, unique in the corpus, without white space.
        source: the folder of its frames, or a video; not known to exist yet.
        signer: who signs.
        glosses: its label as released.
    """

    id: str
    source: Path
    signer: str
    glosses: tuple[str, ...]


@dataclass(frozen=True)
class Corpus:
    """What the reader of a corpus returns.

    Attributes:
        splits: `train`, `dev` and, where there is one, `test`, in this order.
        glosses: the gloss dictionary in id order.
        notes: what the reader mended or left out, a sentence each, for the user.
        published_clips: per split, the number of recordings that papers report, where known.
        reference_rules: per split, the normalisation rules (`evaluation.normalise`) for its reference, if not `none`.
    """

    splits: Mapping[str, tuple[Recording, ...]]
    glosses: tuple[str, ...]
    notes: tuple[str, ...] = ()
    published_clips: Mapping[str, int] = field(default_factory=dict)
    reference_rules: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Source:
    """Where a corpus comes from, for the error messages about its root.

    Attributes:
        title: its name in prose.
        page: where to download it.
        root: name of the released folder that is to be linked.
        marker: a path below the root that tells the right level.
    """

    title: str
    page: str
    root: str
    marker: str


def check_root(root: Path, source: Source) -> None:
    """Check that `root` exists and is the level of the release that holds `source.marker`.

    Raises:
        PreparationError: it is not; says what to link, or which level would be right.
    """
    if not root.is_dir():
        dangling = f" (a link to {root.readlink()}, which does not exist)" if root.is_symlink() else ""
        raise PreparationError(
            f"no {source.title} corpus at {root}{dangling}. Download it from {source.page}, unpack it and link it:\n"
            f"    ln -sfn /path/to/{source.root} {root}\n"
            "or name the folder with --dataset-root"
        )
    if (root / source.marker).exists():
        return
    above = (("low", folder) for folder in root.resolve().parents[:4])
    below = (("high", folder) for pattern in ("*", "*/*") for folder in sorted(root.glob(pattern)))
    for level, folder in chain(above, below):
        if (folder / source.marker).exists():
            raise PreparationError(
                f"{root} is one or more levels too {level}: the {source.title} root, which holds {source.marker}, "
                f"is {folder}. {_relink(root, folder)}"
            )
    raise PreparationError(
        f"{root} holds no {source.marker}: is this {source.title}, and is it unpacked completely? "
        f"The root is the folder {source.root} of the download from {source.page}"
    )


def _relink(root: Path, target: Path) -> str:
    option = f"--dataset-root {target}"
    if root.is_symlink():
        return f"Link that folder:\n    ln -sfn {target.resolve()} {root}\nor name it with {option}"
    return f"Name that folder with {option}"


def read_lines(path: Path) -> list[tuple[int, str]]:
    """The lines of a UTF-8 file that are not blank, each with its number, which counts from 1.

    Raises:
        PreparationError: the file is missing or not UTF-8.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise PreparationError(f"no file {path}: is the corpus unpacked completely?") from error
    except (OSError, UnicodeDecodeError) as error:
        raise PreparationError(f"{path} is not a readable UTF-8 file: {error}") from error
    # Not splitlines(): that also splits at characters which may occur inside a translation.
    return [(number, line) for number, line in enumerate(text.split("\n"), start=1) if line.strip()]


def read_table(path: Path, header: str) -> Iterator[tuple[str, dict[str, str]]]:
    """Read a `|` separated table without quoting.

    Args:
        path: the file.
        header: its first line, for example `name|split`.

    Yields:
        the place of a row, `file:line` for error messages, and its fields by column name, stripped.

    Raises:
        PreparationError: another header, a row with another number of fields, or no row at all.
    """
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
    """Build a recording from the fields of the row at `where`.

    Raises:
        PreparationError: the name or signer is empty or holds white space, or the label is empty.
    """
    for what, value in (("name", name), ("signer", signer)):
        if len(value.split()) != 1 or value != value.strip():
            raise PreparationError(f"{where}: the {what} must be one word, but is {value!r}")
    if "/" in name or name.startswith("."):
        raise PreparationError(f"{where}: {name!r} can't be the name of a folder")
    glosses = tuple(label.split())
    if not glosses:
        raise PreparationError(f"{where}: {name} has no gloss")
    return Recording(name, source, signer, glosses)


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


def sorted_glosses(splits: Iterable[Sequence[Recording]]) -> tuple[str, ...]:
    """The sorted union of the glosses of all splits, by code point, as in the papers."""
    return tuple(sorted({gloss for split in splits for recording in split for gloss in recording.glosses}))
