"""The files in config/: what a corpus's file sets, baseline.yaml does not."""

from pathlib import Path

import pytest

from config.keys import list_keys
from config.layers import BLOCK, list_corpora, read_yaml
from config.load import load_config, to_dict
from config.schema import Config

FOLDER = Path(__file__).parents[2] / "config"
BOTH = {"dataset", "work_dir"}
"""The one that chooses the corpus's file, and the one that names the run."""


def list_set_keys(path: Path) -> set[str]:
    """The dotted keys that a file sets, in its block for a system too."""
    content = read_yaml(path)
    parts = [content, *content.pop(BLOCK, {}).values()]
    return {
        name
        for part in parts
        for key, value in part.items()
        for name in ([f"{key}.{below}" for below in value] if isinstance(value, dict) else [key])
    }


@pytest.mark.parametrize("name", sorted(list_corpora()))
def test_what_the_file_of_a_corpus_sets_counts_with_baseline_too(name):
    assert list_set_keys(FOLDER / "baseline.yaml") & list_set_keys(FOLDER / f"{name}.yaml") <= BOTH
    by_file = to_dict(load_config(FOLDER / f"{name}.yaml", {})[0])
    by_line = to_dict(load_config(FOLDER / "baseline.yaml", {"dataset": name})[0])
    assert by_file | {"work_dir": ""} == by_line | {"work_dir": ""}


def test_what_baseline_sets_are_the_defaults():
    """So that a key which is taken out of it, because a corpus comes to set it, changes nothing for the others."""
    values = read_yaml(FOLDER / "baseline.yaml")
    defaults = to_dict(Config())
    for key, value in values.items():
        for name, one in value.items() if isinstance(value, dict) else [(None, value)]:
            assert one == (defaults[key][name] if name else defaults[key]), (key, name)


def test_a_corpus_of_ones_own_is_trained_by_its_file():
    config, _ = load_config(FOLDER / "baseline.yaml", {"dataset": "custom"})
    assert (config.model_args.c2d_type, config.optimizer_args.warmup_steps, config.feeder_args.min_frames) == (
        "resnet18",
        100,
        16,
    )
    published, _ = load_config(FOLDER / "baseline.yaml", {})
    assert (published.model_args.c2d_type, published.optimizer_args.warmup_steps) == ("resnet34", 0)
    assert published.feeder_args.min_frames == 32


def test_keys_that_corpora_set_are_commented_out_with_a_word_about_it():
    text = (FOLDER / "baseline.yaml").read_text(encoding="utf-8")
    ours = {key for name in list_corpora() for key in list_set_keys(FOLDER / f"{name}.yaml")} - BOTH
    assert ours <= {key for key, _ in list_keys()}
    for key in ours:
        assert f"# {key.rpartition('.')[2]}: " in text
