"""The commands in the documentation are understood: names of programs, options and keys are those of today."""

import importlib
import re
import shlex

import pytest

from config.load import load_config
from tests.helpers.paths import REPOSITORY

PAGES = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").glob("*.md"))]
WITHOUT_OPTIONS = {"pip", "pytest", "ruff", "mypy", "venv"}
PACKAGES = {
    "dataset.synthetic": "dataset.synthetic.generate",
    "benchmarks.gpu": "benchmarks.gpu.__main__",
    "evaluation.language_model": "evaluation.language_model.__main__",
    "page": "page.__main__",
}
"""Each package that can be run -> the module that reads its options."""


def list_commands() -> list[tuple[str, str]]:
    """(page, command) of each line of a block that begins with python or torchrun's script."""
    found = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8").replace("\\\n", " ")
        for line in re.findall(r"^    +(?:\S*/)?python3? (.*)$", text, flags=re.M):
            found.append((page.name, " ".join(line.partition(" # ")[0].split())))
    return found


@pytest.mark.parametrize(("page", "command"), list_commands(), ids=" ".join)
def test_a_command_is_understood(page, command, monkeypatch):
    words = shlex.split(command.replace("[", " ").replace("]", " ") if " [--" in command else command)
    if words[0] == "-m":
        name, words = words[1], words[2:]
    else:
        name, words = words[0].removesuffix(".py"), words[1:]
    if name in WITHOUT_OPTIONS or name.startswith("dataset_preprocess"):
        return
    module = importlib.import_module(PACKAGES.get(name, name))
    parse = getattr(module, "parse_args", None) or importlib.import_module("preprocess.options").parse_args
    monkeypatch.chdir(REPOSITORY)
    args = parse(words)  # exits where it does not know an option
    if name == "main":
        # The file that `decoding` names is one that a command before this one writes.
        load_config(args.config, {key: value for key, value in args.overrides.items() if key != "decoding"})
