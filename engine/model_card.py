"""The card of a model folder: what the network is, how good it is, on what terms it may be used.

It is Markdown with the front matter of the Hugging Face Hub (https://huggingface.co/docs/hub/model-cards), and needs
nothing of the Hub's.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from dataset.rendered import name_corpus
from engine.export_folder import Shared
from engine.run_record import SplitScore, read_commit, read_scores
from utils.architecture import detect_architecture
from utils.inspect_checkpoint import describe_calibration, describe_frames
from utils.model_folder import GLOSSES
from utils.systems import describe_system
from utils.text import plural, quote_path, show_text

LIBRARY = "mstfnet"
TASK = "video-classification"  # of the tasks that the Hub has, the nearest
WITH_LANGUAGE_MODEL = (
    "\n\nThese are with a language model, which is not in this folder: without it, as below, they are others."
)
TAGS = ("sign-language", "continuous-sign-language-recognition")
LICENCE_ID = re.compile(
    r"(afl|agpl|apache|artistic|bsd|bsl|cc|cc0|cdla|ecl|epl|etalab|eupl|gpl|lgpl|mpl|ms|odc|osl)-[a-z0-9.-]+"
    r"|isc|mit|ncsa|odbl|openrail|pddl|unknown|unlicense|wtfpl|zlib"
)
"""The Hub's names of licences, such as cc-by-nc-4.0 (https://huggingface.co/docs/hub/repositories-licenses)."""


@dataclass(frozen=True)
class CardFacts:
    """What a card says.

    Attributes:
        name: the name of the folder.
        system: which network it is, in words.
        dataset: the corpus, by the configuration's key.
        rendered: whether it is the built-in corpus, which holds no sign language.
        glosses: the number of glosses that it knows.
        numbers: the number of its weights.
        frames: what frames it was trained on, in words.
        confidences: what its confidences are, in words.
        scores: the word error rates that are known.
        commit: the commit of this project that it was trained by, if it is known.
        licence: the licence of the weights, if the owner gave it.
        language_model: whether the word error rates are with one.
    """

    name: str
    system: str
    dataset: str
    rendered: bool
    glosses: int
    numbers: int
    frames: str
    confidences: str
    scores: Sequence[SplitScore] = ()
    commit: str | None = None
    licence: str | None = None
    language_model: bool = False

    @property
    def corpus(self) -> str:
        """The corpus, in words."""
        return join_lines(name_corpus(self.dataset, self.rendered))


def collect_facts(
    shared: Shared, content: Mapping[str, Any], checkpoint: Path, name: str, licence: str | None
) -> CardFacts:  # fmt: skip
    """What the card of a network says.

    Args:
        shared: what the folder holds.
        content: what the checkpoint holds.
        checkpoint: the checkpoint's file, whose folder may tell how good the network is and what trained it.
        name: the name of the folder.
        licence: the licence of the weights, if the owner gave it.
    """
    return CardFacts(
        name=name,
        system=describe_system(detect_architecture(shared.weights)),
        dataset=shared.config.dataset,
        rendered=bool(content.get("rendered")),
        glosses=len(shared.glosses),
        numbers=sum(weight.numel() for weight in shared.weights.values()),
        frames=describe_frames(content),
        confidences=describe_calibration(content),
        scores=read_scores(checkpoint, content),
        commit=read_commit(checkpoint, content),
        licence=join_lines(licence or "") or None,
        language_model=bool(content["config"].get("lm")) if content.get("config") else False,
    )


def build_card(facts: CardFacts) -> str:
    """The text of a card."""
    matter = yaml.safe_dump(build_front_matter(facts), sort_keys=False, allow_unicode=True)
    rows = [
        ("system", facts.system),
        ("corpus", facts.corpus),
        ("glosses", f"{facts.glosses}, in `{GLOSSES}`"),
        ("weights", f"{facts.numbers:,} numbers"),
        ("frames", facts.frames),
        ("confidences", facts.confidences),
        ("commit of the training", facts.commit or "not recorded"),
    ]
    table = "\n".join(f"| {label} | {escape_cell(text)} |" for label, text in rows)
    name = show_text(facts.name)
    return f"""---
{matter}---

# {name}

A network for continuous sign language recognition: it reads the glosses of signing from video.
{describe_rendered(facts)}
| | |
|---|---|
{table}

## Word error rates

{format_scores(facts.scores)}{WITH_LANGUAGE_MODEL if facts.scores and facts.language_model else ""}

## Use

In the folder of the project ({LIBRARY}), with this folder beside it or under its name on the Hugging Face Hub:

```python
from evaluation.inference.recogniser import Recogniser

recogniser = Recogniser.from_pretrained({json.dumps(name, ensure_ascii=False)})
print(recogniser.recognise("clip.mp4").glosses)
```

or without Python:

    python test_one_video.py --model_path {quote_path(name)} --video_path clip.mp4
    python main.py --phase test --load-weights {quote_path(name)}

## Licence

{describe_licence(facts)}
"""


def build_front_matter(facts: CardFacts) -> dict[str, Any]:
    """What the Hub's programs read of a card, as plain values."""
    matter: dict[str, Any] = {"library_name": LIBRARY, "pipeline_tag": TASK, "tags": list(TAGS)}
    matter |= build_licence_entries(facts.licence)
    if facts.scores:
        results = [build_result(facts, score) for score in facts.scores]
        matter |= {"metrics": ["wer"], "model-index": [{"name": show_text(facts.name), "results": results}]}
    return matter


def build_licence_entries(licence: str | None) -> Mapping[str, str]:
    """The entries about the licence: one that the Hub knows by its name, else another with a name of its own."""
    if licence is None:
        return {"license": "unknown"}
    if LICENCE_ID.fullmatch(licence.lower()):
        return {"license": licence.lower()}
    name = re.sub(r"[^a-z0-9.]+", "-", licence.lower()).strip("-.")[:60]
    return {"license": "other", "license_name": name or "see-the-card"}


def build_result(facts: CardFacts, score: SplitScore) -> dict[str, Any]:
    """A score as an entry of the Hub's model-index."""
    dataset = "rendered" if facts.rendered else join_lines(facts.dataset)
    return {
        "task": {"type": TASK, "name": "Continuous sign language recognition"},
        "dataset": {
            "type": dataset,
            "name": facts.corpus,
            "split": score.split,
        },
        "metrics": [{"type": "wer", "value": round(score.wer, 2), "name": "WER"}],
    }


def format_scores(scores: Sequence[SplitScore]) -> str:
    """The word error rates as a table, or a sentence that there are none."""
    if not scores:
        return "Not evaluated: beside the checkpoint lay no report of these weights."
    rows = [
        f"| {score.split} | {score.wer:.2f} % | {format_interval(score.interval)} | {score.sentences:,} | "
        f"{score.glosses:,} | {score.normalise} |"
        for score in scores
    ]
    head = "| split | WER | 95 % interval | sentences | glosses | rules |\n|---|---|---|---|---|---|\n"
    note = "The interval is over the choice of sentences; it knows nothing of other signers."
    return head + "\n".join(rows) + f"\n\n{note}"


def format_interval(interval: tuple[float, float] | None) -> str:
    """An interval in words."""
    return f"{interval[0]:.2f} to {interval[1]:.2f} %" if interval else "not known"


def describe_rendered(facts: CardFacts) -> str:
    """A warning where the network cannot read people."""
    if not facts.rendered:
        return ""
    return (
        f"\nIt was trained on rendered figures whose {plural(facts.glosses, 'gesture')} belong to no sign language: it "
        "cannot read people, and shows how the programs work.\n"
    )


def describe_licence(facts: CardFacts) -> str:
    """On what terms the weights may be used, or that their owner has to say so."""
    given = facts.licence or "**To be filled in by the owner of the weights, here and above (`license`).**"
    return (
        f"{given}\n\nThe weights were learnt from a corpus: {facts.corpus}. Its terms hold for them too, whatever "
        "stands here: look them up before you share or use the weights."
    )


def escape_cell(text: str) -> str:
    """A text that stays in its cell of a Markdown table."""
    return join_lines(text).replace("|", "\\|")


def join_lines(text: str) -> str:
    """A text on one line, which neither ends the front matter nor a table."""
    return " ".join(show_text(text).split())
