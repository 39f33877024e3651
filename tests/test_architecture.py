"""Imports point one way, from the commands down to utils."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ALLOWED = {
    "utils": set(),
    "config": {"utils"},
    "dataset": {"config", "utils"},
    "modules": {"utils"},
    "slr_network": {"modules", "config", "utils"},
    "evaluation": {"slr_network", "dataset", "config", "utils"},
    "engine": {"evaluation", "slr_network", "modules", "dataset", "config", "utils"},
    "preprocess": {"evaluation", "dataset", "config", "utils"},
    "benchmarks": {
        "main",
        "engine",
        "evaluation",
        "slr_network",
        "modules",
        "dataset",
        "config",
        "utils",
        "preprocess",
    },
    "main": {"engine", "config", "utils"},
    "test_one_video": {"evaluation", "dataset", "config", "utils"},
    "generate_cam": {"test_one_video", "evaluation", "dataset", "config", "utils"},
}
PREPROCESS_MAY_USE = {"evaluation.normalise", "evaluation.ctm"}
"""Of evaluation: the rules and the file format of references, which have their one home there."""
FILES = sorted(path for part in ALLOWED for path in (*ROOT.glob(f"{part}.py"), *(ROOT / part).rglob("*.py")))


def imported(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names.add(node.module)
    return {name for name in names if name.split(".")[0] in ALLOWED}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_down(path):
    part = path.relative_to(ROOT).parts[0].removesuffix(".py")
    for name in imported(path):
        package = name.split(".")[0]
        assert package == part or package in ALLOWED[part], f"{path} must not import {name}"
        if part == "preprocess" and package == "evaluation":
            assert name in PREPROCESS_MAY_USE, f"{path} must not import {name}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_are_short_and_free_of_what_the_rules_forbid(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 260
    for node in ast.walk(tree):
        assert not isinstance(node, ast.Assert), f"{path}: assert"
        assert not (isinstance(node, ast.ExceptHandler) and node.type is None), f"{path}: bare except"
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id not in {"input", "breakpoint", "eval", "exec"}, f"{path}: {node.func.id}"


def test_the_network_knows_nothing_of_glosses_files_or_losses():
    for path in (ROOT / "modules").glob("*.py"):
        assert not {name for name in imported(path) if not name.startswith(("modules", "utils.temporal"))}, path


def test_test_modules_import_no_test_module():
    """What several of them need lies in tests/helpers."""
    for path in (ROOT / "tests").rglob("*.py"):
        modules = {name for name, _ in all_imports(path) if name.split(".")[0] == "tests"}
        wrong = {name for name in modules if not name.startswith(("tests.helpers", "tests.data"))}
        assert not wrong, f"{path} must not import {sorted(wrong)}"
