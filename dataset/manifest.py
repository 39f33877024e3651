"""The list of a split's clips: what they are called, what is signed in them and where their frames are."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, Field, TypeAdapter, ValidationError, WrapValidator

from config.load import list_corpora
from config.values import keep_undecodable, refuse_zero_characters
from dataset.frame_rate import FASTEST
from utils.arguments import LARGEST_SIDE
from utils.errors import InputError, ParseError
from utils.files import write_json
from utils.plain_json import read_json
from utils.temporal import TemporalSpec
from utils.text import quote_path, quote_value
from utils.unicode import find_on_disk, to_nfc

SPLITS = ("train", "dev", "test")
"""The parts of a corpus, in the order in which they are prepared and reported; some corpora have no test."""

# Strict, so that "16" or true is a mistake and not a number of frames.
Text = Annotated[str, Field(strict=True, min_length=1), AfterValidator(refuse_zero_characters)]
Folder = Annotated[Text, WrapValidator(keep_undecodable)]
Frames = Annotated[int, Field(strict=True, ge=1, le=10**7)]
Pixels = Annotated[int, Field(strict=True, ge=1, le=LARGEST_SIDE)]
Gloss = Annotated[str, Field(strict=True, pattern=r"\S")]
FrameRate = Annotated[float, Field(strict=True, gt=0, lt=FASTEST + 1, allow_inf_nan=False)]


class ManifestError(InputError, ValueError):
    """A manifest is missing, malformed or of another corpus, or its clips are too short for their labels."""


@dataclass(frozen=True)
class Clip:
    """One recorded sentence.

    Attributes:
        id: the clip's name, unique in the split.
        folder: the folder of the frames, absolute or relative to the folder of the manifest.
        signer: the name of the signer.
        glosses: the label, in the order of signing, in Unicode's form NFC.
        num_frames: the number of frames, at least 1.
        stored_glosses: the label as it was given, which is how files keep it.
    """

    id: Text
    folder: Folder
    signer: Text
    glosses: tuple[Gloss, ...]
    num_frames: Frames
    stored_glosses: tuple[str, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "stored_glosses", self.glosses)
        object.__setattr__(self, "glosses", tuple(map(to_nfc, self.glosses)))


@dataclass(frozen=True)
class Manifest:
    """The clips of one split of a corpus.

    Attributes:
        dataset: the name of the corpus, as in `--dataset`.
        split: one of `SPLITS`.
        frame_size: the side in pixels of the square that frames are to be read at; frames of any other size are
            resized to it first, so that unprepared frames give the network what prepared ones give.
        clips: the clips, in the order of the corpus.
        home: the folder that relative clip folders start from. It is where the file lies, hence not written into it:
            a prepared corpus can be moved as a whole.
        frame_rate: the frames a second of all clips; None if preparation did not find it out.

    Raises:
        ManifestError: two clips have one id.
    """

    dataset: Text
    split: Text
    frame_size: Pixels
    clips: tuple[Clip, ...]
    home: Path = field(default=Path(), compare=False)
    frame_rate: FrameRate | None = None

    def __post_init__(self) -> None:
        repeated = [clip_id for clip_id, count in Counter(clip.id for clip in self.clips).items() if count > 1]
        if repeated:
            raise ManifestError(f"clips of {self.dataset} {self.split} with the same id: {', '.join(repeated[:10])}")

    def clip_folder(self, clip: Clip) -> Path:
        """Give the folder of `clip`'s frames, as the disk spells its name."""
        return find_on_disk(self.home / clip.folder)

    def digest(self) -> str:
        """Compute the SHA-256 of the clips' ids, frame counts and labels as they are stored, in their order.

        Training depends on these alone, so a resumed run must find the same.
        """
        content = [[clip.id, clip.num_frames, clip.stored_glosses] for clip in self.clips]
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()

    def find_short_clips(self, spec: TemporalSpec, interval: int = 1) -> list[Clip]:
        """Find the clips that CTC cannot learn: their label needs more output steps than their frames give.

        Args:
            spec: the network's temporal chain.
            interval: `feeder_args.frame_interval`; of so many frames one is taken.
        """
        return [
            clip
            for clip in self.clips
            if spec.output_length(-(-clip.num_frames // interval)) < spec.steps_needed(clip.glosses)
        ]

    @classmethod
    def load(cls, path: str | Path, dataset: str | None = None) -> Manifest:
        """Read the manifest at `path`; its own folder becomes `home`.

        Args:
            path: the manifest.
            dataset: the corpus that messages advise to prepare; without it the folder's name has to say it.

        Raises:
            ManifestError: the file is missing, not JSON, or an entry is malformed (the message names it).
        """
        path = Path(path)
        content = _read_json(path, dataset)
        if content.get("clips") == []:
            raise ManifestError(f"{path} lists no clip: {_remedy(path, dataset)}")
        try:
            return TypeAdapter(cls).validate_python({**content, "home": path.parent})
        except ValidationError as error:
            # The first mistake only: what wrote one entry wrongly has mostly written thousands like it.
            raise ManifestError(_describe_mistake(error.errors()[0], content, path)) from None

    def save(self, path: str | Path) -> None:
        """Write the manifest to `path` as UTF-8 JSON; relative clip folders are written as they are."""
        clips = [
            {
                "id": clip.id,
                "folder": clip.folder,
                "signer": clip.signer,
                "glosses": list(clip.stored_glosses),
                "num_frames": clip.num_frames,
            }
            for clip in self.clips
        ]
        content: dict[str, Any] = {"dataset": self.dataset, "split": self.split, "frame_size": self.frame_size}
        if self.frame_rate is not None:
            content["frame_rate"] = self.frame_rate
        write_json(path, content | {"clips": clips}, keep_names=True)  # folders are opened by what is written here


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
    manifest = Manifest.load(Path(prepared) / f"{split}.json", dataset)
    if manifest.dataset != dataset:
        raise ManifestError(
            f"{prepared} holds {manifest.dataset}, not {dataset}: set `prepared` to where "
            f"`python -m preprocess.prepare --dataset {dataset}` wrote"
        )
    return manifest


def _remedy(path: Path, dataset: str | None) -> str:
    folder, name = path.parent, dataset or "NAME"
    # By the list of corpora, since other corpora lie there as well: preprocess/quickstart is no name for --dataset.
    if dataset is None and folder.parent.name == "preprocess" and folder.name in list_corpora():
        name = folder.name
    options = f"--dataset {name} --output {quote_path(folder)} --process-image"
    return f"prepare the corpus: `python -m preprocess.prepare {options}`"


def _read_json(path: Path, dataset: str | None) -> dict[str, Any]:
    try:
        content = read_json(path)
    except FileNotFoundError as error:
        raise ManifestError(f"no manifest at {path}: {_remedy(path, dataset)}") from error
    except ParseError as error:
        raise ManifestError(f"the manifest cannot be read: {error}: {_remedy(path, dataset)}") from error
    if not isinstance(content, dict):
        raise ManifestError(
            f"{path} must hold one JSON object (dataset, split, frame_size, clips): {_remedy(path, dataset)}"
        )
    return content


EXPECTED = {
    "int_type": "a whole number",
    "greater_than_equal": "at least 1",
    "less_than_equal": "a size or length that pictures and clips have",
    "float_type": "a number",
    "greater_than": "above 0",
    "less_than": f"at most {FASTEST}",
    "finite_number": "a number",
    "string_type": "a text",
    "string_too_short": "a text that is not empty",
    "tuple_type": "a list",
}
"""What messages say of the types of mistake that pydantic tells apart."""


def _describe_mistake(mistake: Mapping[str, Any], content: dict[str, Any], path: Path) -> str:
    """Turn one of pydantic's error records about `content`, which `path` holds, into a sentence."""
    if mistake["type"] == "value_error" and not mistake["loc"]:  # of the manifest's own check of ids
        return f"{path}: {mistake['ctx']['error']}"
    place, value, where = list(mistake["loc"]), mistake["input"], str(path)
    if len(place) > 1:  # ("clips", index, ...)
        entry = content["clips"][place[1]]
        where += f", clip {place[1] + 1}"
        if isinstance(entry, dict) and isinstance(entry.get("id"), str):
            where += f" ({entry['id']})"
        if len(place) == 2:  # of the entry itself
            given = quote_value(entry)
            return f"{where} must be an object with id, folder, signer, glosses and num_frames, not {given}"
        place = place[2:]
    key = place[0]
    if mistake["type"] == "value_error":  # of the check of a text
        return f"{where}: {key}: {mistake['ctx']['error']}"
    if mistake["type"] == "missing":
        return f"{where} has no {key!r}"
    if key == "glosses":
        return f"{where}: glosses must be a list of words, not {quote_value(entry['glosses'])}"
    return f"{where}: {key} must be {EXPECTED.get(mistake['type'], mistake['msg'])}, but is {quote_value(value)}"
