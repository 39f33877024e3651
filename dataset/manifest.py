"""The list of a split's clips: what they are called, what is signed in them and where their frames are."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from utils.errors import InputError
from utils.files import write_json
from utils.temporal import TemporalSpec

SPLITS = ("train", "dev", "test")
"""The parts of a corpus, in the order in which they are prepared and reported; some corpora have no test."""


class ManifestError(InputError, ValueError):
    """A manifest is missing or malformed."""


@dataclass(frozen=True)
class Clip:
    """One recorded sentence.

    Attributes:
        id: its name, unique in the split.
        folder: the folder of its frames, absolute or relative to the folder of the manifest.
        signer: who signs.
        glosses: its label, in the order of signing.
        num_frames: the number of its frames, at least 1.
    """

    id: str
    folder: str
    signer: str
    glosses: tuple[str, ...]
    num_frames: int


@dataclass(frozen=True)
class Manifest:
    """The clips of one split of a corpus.

    Attributes:
        dataset: name of the corpus, as in `--dataset`.
        split: `train`, `dev` or `test`.
        frame_size: side in pixels of the square that frames are to be read at; frames of any other size are resized.
        clips: the clips, in the order of the corpus.
        home: the folder that relative clip folders start from. It is where the file lies, hence not written into it:
            a prepared corpus can be moved as a whole.

    Raises:
        ManifestError: two clips have one id.
    """

    dataset: str
    split: str
    frame_size: int
    clips: tuple[Clip, ...]
    home: Path = field(default=Path(), compare=False)

    def __post_init__(self) -> None:
        repeated = [clip_id for clip_id, count in Counter(clip.id for clip in self.clips).items() if count > 1]
        if repeated:
            raise ManifestError(f"clips of {self.dataset} {self.split} with the same id: {', '.join(repeated[:10])}")

    def clip_folder(self, clip: Clip) -> Path:
        """The folder of `clip`'s frames."""
        return self.home / clip.folder

    def digest(self) -> str:
        """SHA-256 of ids, frame counts and labels of the clips, in their order, on which training depends."""
        content = [[clip.id, clip.num_frames, clip.glosses] for clip in self.clips]
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()

    def find_short_clips(self, spec: TemporalSpec, interval: int = 1) -> list[Clip]:
        """Clips whose label needs more output steps than every `interval`-th of their frames gives."""
        return [
            clip
            for clip in self.clips
            if spec.output_length(-(-clip.num_frames // interval)) < spec.steps_needed(clip.glosses)
        ]

    @classmethod
    def load(cls, path: str | Path) -> Manifest:
        """Read the manifest at `path`; its own folder becomes `home`.

        Raises:
            ManifestError: the file is missing, not JSON, or an entry is malformed (the message names it).
        """
        path = Path(path)
        content = _read_json(path)
        entries = _value(content, "clips", list, str(path))
        if not entries:
            raise ManifestError(f"{path} lists no clip: {_remedy(path)}")
        clips = tuple(_clip(entry, f"{path}, clip {number}") for number, entry in enumerate(entries, start=1))
        try:
            return cls(
                dataset=_value(content, "dataset", str, str(path)),
                split=_value(content, "split", str, str(path)),
                frame_size=_positive(content, "frame_size", str(path)),
                clips=clips,
                home=path.parent,
            )
        except ManifestError as error:
            raise error if str(path) in str(error) else ManifestError(f"{path}: {error}") from error

    def save(self, path: str | Path) -> None:
        """Write the manifest to `path` as UTF-8 JSON; relative clip folders are written as they are."""
        clips = [
            {
                "id": clip.id,
                "folder": clip.folder,
                "signer": clip.signer,
                "glosses": list(clip.glosses),
                "num_frames": clip.num_frames,
            }
            for clip in self.clips
        ]
        content = {"dataset": self.dataset, "split": self.split, "frame_size": self.frame_size, "clips": clips}
        write_json(path, content)


def available_splits(prepared: str | Path) -> list[str]:
    """List the splits of `SPLITS` that have a manifest in the folder of a prepared corpus; some have no test."""
    return [split for split in SPLITS if (Path(prepared) / f"{split}.json").is_file()]


def load_manifest(prepared: str | Path, dataset: str, split: str) -> Manifest:
    """Read the manifest of a split of a prepared corpus.

    Args:
        prepared: the folder that `preprocess.prepare` wrote.
        dataset: the name that the corpus there must have.
        split: one of `SPLITS`.

    Raises:
        ManifestError: the manifest is missing or malformed, or the folder holds another corpus.
    """
    manifest = Manifest.load(Path(prepared) / f"{split}.json")
    if manifest.dataset != dataset:
        raise ManifestError(
            f"{prepared} holds {manifest.dataset}, not {dataset}: set `prepared` to where "
            f"`python -m preprocess.prepare --dataset {dataset}` wrote"
        )
    return manifest


def _remedy(path: Path) -> str:
    folder = path.parent
    name = folder.name if folder.parent.name == "preprocess" else "NAME"
    return f"prepare the corpus: `python -m preprocess.prepare --dataset {name} --output {folder} --process-image`"


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ManifestError(f"no manifest at {path}: {_remedy(path)}") from error
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ManifestError(f"{path} is not a readable JSON file ({error}): {_remedy(path)}") from error
    if not isinstance(content, dict):
        raise ManifestError(f"{path} must hold one JSON object (dataset, split, frame_size, clips): {_remedy(path)}")
    return content


def _clip(entry: Any, where: str) -> Clip:
    if not isinstance(entry, dict):
        raise ManifestError(f"{where} must be an object with id, folder, signer, glosses and num_frames, not {entry!r}")
    if isinstance(entry.get("id"), str):
        where = f"{where} ({entry['id']})"
    glosses = _value(entry, "glosses", list, where)
    if not all(isinstance(gloss, str) and gloss.strip() for gloss in glosses):
        raise ManifestError(f"{where}: glosses must be a list of words, not {glosses!r}")
    return Clip(
        id=_value(entry, "id", str, where),
        folder=_value(entry, "folder", str, where),
        signer=_value(entry, "signer", str, where),
        glosses=tuple(glosses),
        num_frames=_positive(entry, "num_frames", where),
    )


def _value(entry: dict[str, Any], key: str, kind: type, where: str) -> Any:
    if key not in entry:
        raise ManifestError(f"{where} has no {key!r}")
    value = entry[key]
    if not isinstance(value, kind) or isinstance(value, bool) or value == "":
        raise ManifestError(f"{where}: {key} must be a {kind.__name__}, and not empty, but is {value!r}")
    return value


def _positive(entry: dict[str, Any], key: str, where: str) -> int:
    value = _value(entry, key, int, where)
    if value < 1:
        raise ManifestError(f"{where}: {key} must be at least 1, but is {value}")
    return value
