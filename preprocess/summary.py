"""The figures that preparation prints about a corpus, to be compared with its paper."""

from __future__ import annotations

from collections.abc import Sequence

from dataset.manifest import Manifest
from dataset.vocabulary import Vocabulary
from utils.table import format_table
from utils.temporal import TemporalSpec
from utils.text import plural

COLUMNS = ("split", "clips", "frames", "glosses", "signers", "min", "mean", "max")
MOST_REMARKS = 20


def format_corpus_summary(vocabulary: Vocabulary, manifests: Sequence[Manifest], notes: Sequence[str]) -> str:
    """Format a table of the splits (min, mean and max are frames a clip), and what is notable about them.

    Args:
        vocabulary: the gloss dictionary.
        manifests: the splits.
        notes: sentences about what was corrected or left out.
    """
    size = f"{plural(len(vocabulary), 'gloss', 'glosses')} in the dictionary"
    remarks = [size, *_list_unseen_glosses(manifests), *notes, *_list_short_clips(manifests)]
    splits = format_table(COLUMNS, [_make_row(manifest) for manifest in manifests])
    return "\n".join([splits, "", *(f"- {remark}" for remark in remarks)])


def _make_row(manifest: Manifest) -> tuple[str, ...]:
    frames = [clip.num_frames for clip in manifest.clips]
    numbers = (
        len(frames),
        sum(frames),
        sum(len(clip.glosses) for clip in manifest.clips),
        len({clip.signer for clip in manifest.clips}),
        min(frames),
        round(sum(frames) / len(frames)),
        max(frames),
    )
    return (manifest.split, *(str(number) for number in numbers))


def _list_unseen_glosses(manifests: Sequence[Manifest]) -> list[str]:
    """List how many glosses can't be learnt: they are in a split's labels, but never in those of train."""
    glosses = {manifest.split: {gloss for clip in manifest.clips for gloss in clip.glosses} for manifest in manifests}
    unseen = {split: members - glosses["train"] for split, members in glosses.items() if split != "train"}
    return [
        f"{split}: {len(missing)} of {len(glosses[split])} different glosses never occur in train"
        if missing
        else f"{split}: all {len(glosses[split])} different glosses occur in train"
        for split, missing in unseen.items()
    ]


def _list_short_clips(manifests: Sequence[Manifest]) -> list[str]:
    spec = TemporalSpec()  # of the network that is trained by default
    remarks = [
        f"{manifest.split}: {clip.id} is too short for its label: "
        f"{plural(clip.num_frames, 'frame gives', 'frames give')} "
        f"{plural(spec.output_length(clip.num_frames), 'output step')}, "
        f"the label needs {spec.steps_needed(clip.glosses)}"
        for manifest in manifests
        for clip in manifest.find_short_clips(spec)
    ]
    if len(remarks) <= MOST_REMARKS:
        return remarks
    return [
        *remarks[:MOST_REMARKS],
        f"{plural(len(remarks) - MOST_REMARKS, 'more clip is', 'more clips are')} too short",
    ]
