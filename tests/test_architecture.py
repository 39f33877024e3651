"""The house: imports point down from the commands to utils and never in a circle, and every file has its room."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from utils.environment import SPARED

ROOT = Path(__file__).parents[1]
BELOW_EVALUATION = {"slr_network", "dataset", "config", "utils"}
BELOW_COMMANDS = {"engine", "preprocess", "evaluation", "modules", *BELOW_EVALUATION}
ALLOWED = {
    "utils": set(),
    "config": {"utils"},
    "dataset": {"config", "utils"},
    "modules": {"utils"},
    "slr_network": {"modules", "config", "utils"},
    "evaluation": {"modules", *BELOW_EVALUATION},
    "engine": {"evaluation", "modules", *BELOW_EVALUATION},
    "preprocess": {"evaluation", "dataset", "config", "utils"},
    "main": {"engine", "config", "utils"},
    "test_one_video": {"evaluation", "preprocess", "dataset", "config", "utils"},
    "generate_cam": {"evaluation", "preprocess", "dataset", "config", "utils"},
    "page": {"evaluation", "preprocess", "dataset", "config", "utils"},
    "benchmarks": {"main", "page", *BELOW_COMMANDS},
}
"""What each package and each file at the top may import, beside itself."""
ONLY = {
    ("modules", "utils"): {"utils.temporal", "utils.transfer"},  # the network knows nothing of glosses, files or losses
    # The names of the layers, which a command line lists; and what a network gives.
    ("evaluation", "modules"): {"modules.stages", "modules.output"},
    ("preprocess", "evaluation"): {"evaluation.normalise", "evaluation.ctm"},  # rules and file format of references
    ("test_one_video", "preprocess"): {"preprocess.corpora.registry"},  # the names that --language takes
    ("generate_cam", "preprocess"): {"preprocess.corpora.registry"},
    ("page", "preprocess"): {"preprocess.corpora.registry"},
}
"""All that the first may import of the second."""
ROOMS = {
    "benchmarks",
    "benchmarks/gpu",
    "config",
    "dataset",
    "dataset/synthetic",
    "engine",
    "evaluation",
    "evaluation/ctc",
    "evaluation/heat",
    "evaluation/inference",
    "evaluation/language_model",
    "evaluation/reporting",
    "evaluation/tuning",
    "modules",
    "page",
    "preprocess",
    "preprocess/corpora",
    "preprocess/examination",
    "utils",
}
WITHOUT_TORCH = (
    "evaluation.inference.options", "evaluation.inference.reading", "evaluation.heat.request",
    "main", "test_one_video", "generate_cam", "page.__main__", "evaluation.compare", "evaluation.tune",
    "evaluation.wer", "evaluation.language_model.__main__",
)  # fmt: skip
"""What the commands import before they know whether there is anything to do: PyTorch takes seconds to load."""
FLOORS = 8  # of imports in evaluation and its rooms
LINES, LINES_OF_TESTS = 250, 360  # tests are tables, which are read entry by entry


def module_name(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


FILES = sorted(path for part in ALLOWED for path in (*ROOT.glob(f"{part}.py"), *(ROOT / part).rglob("*.py")))
TESTS = sorted((ROOT / "tests").rglob("*.py"))
MODULES = {module_name(path): path for path in FILES}
TREES = {path: ast.parse(path.read_text(encoding="utf-8")) for path in (*FILES, *TESTS)}
each_file = pytest.mark.parametrize("path", FILES, ids=module_name)


def imports(path: Path, at_load: bool = False) -> set[str]:
    """Names of all modules that a file imports, of other projects too.

    Args:
        path: the file.
        at_load: whether to leave out what is imported late, in a function, or for type checking only.
    """
    names = set()
    for node in nodes_at_load(TREES[path]) if at_load else ast.walk(TREES[path]):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            whole = {alias.name: f"{node.module}.{alias.name}" for alias in node.names}
            names |= {name if name in MODULES else node.module for name in whole.values()}
    return names


def nodes_at_load(tree: ast.AST) -> Iterator[ast.AST]:
    for node in ast.iter_child_nodes(tree):
        for_types = isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        if not for_types and not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node
            yield from nodes_at_load(node)


def import_graph() -> dict[str, set[str]]:
    """By file, the files of the project that it imports, wherever in it."""
    return {name: (imports(path) & MODULES.keys()) - {name} for name, path in MODULES.items()}


@each_file
def test_imports_point_down(path):
    part = module_name(path).split(".")[0]
    for name in imports(path):
        package = name.split(".")[0]
        if package in ALLOWED and package != part:
            assert package in ALLOWED[part], f"{path} must not import {name}"
            assert name in ONLY.get((part, package), {name}), f"{path} must not import {name}"


def test_no_file_imports_itself_by_way_of_others():
    try:
        TopologicalSorter(import_graph()).prepare()
    except CycleError as circle:
        pytest.fail(" <- ".join(circle.args[1]))


def test_evaluation_is_not_too_high():
    """A file stands a floor above the highest that it imports, so whoever reads the top one reads at most so many."""
    graph = {name: below for name, below in import_graph().items() if name.startswith("evaluation.")}
    floors: dict[str, int] = {}
    for name in TopologicalSorter({name: below & graph.keys() for name, below in graph.items()}).static_order():
        floors[name] = 1 + max((floors[below] for below in graph[name] & graph.keys()), default=0)
    assert max(floors.values()) <= FLOORS, sorted(floors.items(), key=lambda item: -item[1])[:3]


@pytest.mark.parametrize("name", WITHOUT_TORCH)
def test_what_is_loaded_before_pytorch_does_not_load_it(name):
    seen, left = set(), {name}
    while left:
        name = left.pop()
        seen.add(name)
        assert name.split(".")[0] not in {"torch", "torchvision"}, f"loaded: {sorted(seen & MODULES.keys())}"
        if name in MODULES:
            left |= imports(MODULES[name], at_load=True) - seen


@pytest.mark.parametrize("section", ["machine", "parity", "waits", "training", "repeatable", "compiled"])
def test_these_sections_of_the_check_for_gpus_need_no_package_that_may_be_missing(section):
    seen, left = set(), {f"benchmarks.gpu.{section}"}
    while left:
        name = left.pop()
        seen.add(name)
        assert name.split(".")[0] not in SPARED, f"loaded: {sorted(seen & MODULES.keys())}"
        if name in MODULES:
            left |= imports(MODULES[name], at_load=True) - seen


@each_file
def test_files_are_short_and_free_of_what_the_rules_forbid(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= LINES
    for node in ast.walk(TREES[path]):
        assert not isinstance(node, ast.Assert), f"{path}: assert"
        assert not (isinstance(node, ast.ExceptHandler) and node.type is None), f"{path}: bare except"
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id not in {"input", "breakpoint", "eval", "exec"}, f"{path}: {node.func.id}"


def test_every_room_is_known_and_its_init_holds_no_more_than_the_check_of_the_environment():
    assert {str(path.parent.relative_to(ROOT)) for path in FILES} - {"."} == ROOMS
    for path in FILES:
        if path.name == "__init__.py":
            assert imports(path) <= {"utils", "utils.environment"}, path
            assert len(TREES[path].body) <= 2, path


@pytest.mark.parametrize("path", TESTS, ids=module_name)
def test_tests_lie_where_their_code_lies_and_share_only_helpers(path):
    folder = str(path.parent.relative_to(ROOT / "tests"))
    assert folder in {".", "helpers", "data/parity", *ROOMS}
    assert path.name.startswith("test_") or folder in {"helpers", "data/parity"} or path.name == "conftest.py"
    assert len(path.read_text(encoding="utf-8").splitlines()) <= LINES_OF_TESTS
    of_tests = {name for name in imports(path) if name.split(".")[0] == "tests"}
    assert all(name.startswith(("tests.helpers", "tests.data")) for name in of_tests), sorted(of_tests)
