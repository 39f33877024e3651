"""Outside the environment every command says what to activate; also with a Python that is too old to parse the rest."""

import ast
import re
import shutil
import subprocess
import sys
import venv

import pytest

from tests.helpers.commands import run_python
from tests.helpers.paths import REPOSITORY
from utils import environment

SCRIPTS = ["main.py", "test_one_video.py", "generate_cam.py"]
PACKAGES = ["benchmarks", "config", "dataset", "engine", "evaluation", "preprocess", "utils"]
IMPORT_NAMES = {"opencv-python-headless": "cv2", "pillow": "PIL", "pympi-ling": "pympi", "pyyaml": "yaml"}


def list_commands() -> list[list[str]]:
    """The words after `python` for everything that can be run."""
    commands = [["dataset.synthetic"], ["benchmarks.gpu"]]
    for package in PACKAGES:
        for path in sorted((REPOSITORY / package).rglob("*.py")):
            if "\nif __name__ ==" in path.read_text(encoding="utf-8") and path.name != "__main__.py":
                commands.append([".".join(path.relative_to(REPOSITORY).with_suffix("").parts)])
    of_modules = [["-m", *words] for words in commands if "-" not in words[0] and "dataset_preprocess" not in words[0]]
    old_names = [[str(path)] for path in sorted((REPOSITORY / "preprocess").glob("dataset_preprocess*.py"))]
    return [[script] for script in SCRIPTS] + of_modules + old_names


@pytest.mark.parametrize("words", list_commands(), ids=" ".join)
def test_a_python_without_the_packages_says_what_to_do(words):
    done = run_python("-S", *words, check=False)  # -S: without the packages of the environment
    assert done.returncode == 1
    first, remedy = done.stderr.splitlines()
    assert re.fullmatch(
        r"error: packages are missing \(torch, torchvision, numpy and \d+ more\); this is Python .*", first
    )
    assert remedy.startswith(("Activate the environment", "Install what is missing", "Make the environment"))


@pytest.fixture
def a_package_is_missing(monkeypatch):
    monkeypatch.setattr(environment, "MODULES", ("json", "no_such_package_1"))


def message() -> str:
    with pytest.raises(SystemExit) as end:
        environment.check_environment()
    return str(end.value)


def test_the_remedy_is_what_this_machine_needs(a_package_is_missing, monkeypatch, tmp_path):
    monkeypatch.setattr(environment, "ROOT", tmp_path / "my clone")
    assert "(no_such_package_1);" in message()
    assert "`make install`" in message()
    venv.create(tmp_path / "my clone/.venv", with_pip=False)
    assert message().endswith(f". '{tmp_path}/my clone/.venv/bin/activate'")
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "my clone/.venv"))
    assert message().endswith(f"python -m pip install -r '{tmp_path}/my clone/requirements.txt'")


def test_the_command_in_the_message_works_in_a_shell(a_package_is_missing, monkeypatch, tmp_path):
    monkeypatch.setattr(environment, "ROOT", tmp_path / "it's here")
    venv.create(tmp_path / "it's here/.venv", with_pip=False)
    command = message().rpartition("first: ")[2]
    shown = subprocess.run(
        ["sh", "-c", f'{command} && echo "$VIRTUAL_ENV"'], check=True, capture_output=True, text=True
    )
    assert shown.stdout.strip() == f"{tmp_path}/it's here/.venv"


def test_an_old_python_is_told_its_version(monkeypatch):
    monkeypatch.setattr(environment, "OLDEST", (9, 9))
    assert message().startswith(f"error: Python 9.9 or newer is needed; this is Python {sys.version_info[0]}.")


@pytest.mark.parametrize(
    "name", [*SCRIPTS, *(f"{package}/__init__.py" for package in PACKAGES), "utils/environment.py"]
)
def test_what_comes_before_the_check_is_parsed_by_python_3_6(name):
    tree = ast.parse((REPOSITORY / name).read_text(encoding="utf-8"), feature_version=(3, 6))
    assert "annotations" not in {  # from __future__: Python 3.7
        alias.name for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for alias in node.names
    }
    own = [node for node in tree.body if isinstance(node, (ast.Import, ast.ImportFrom))]
    named = [node.module if isinstance(node, ast.ImportFrom) else node.names[0].name for node in own]
    first = next(i for i, module in enumerate([*named, "utils"]) if module.split(".")[0] in PACKAGES)
    assert {module.split(".")[0] for module in named[:first]} <= sys.stdlib_module_names


def test_all_requirements_are_looked_for():
    lines = (REPOSITORY / "requirements.txt").read_text().partition("# tests")[0].splitlines()
    names = [re.split("[>=<]", line)[0] for line in lines]
    assert sorted(IMPORT_NAMES.get(name, name) for name in names) == sorted(environment.MODULES)


def test_the_commands_behind_make_are_written_out():
    """What the recipes run, word for word, but for where they put it."""
    makefile = (REPOSITORY / "Makefile").read_text()
    values = dict(re.findall(r"^(\w+) :?\??= (.*)$", makefile, flags=re.M))
    values |= {"RUN": "python"}
    rendering = re.search(r"^dataset/rests/.done: RENDERING := (.*)$", makefile, flags=re.M)[1]
    text = makefile.replace("\\\n", " ").replace("$*", "quickstart")
    while (expanded := re.sub(r"\$\((\w+)\)", lambda name: values.get(name[1], ""), text)) != text:
        text = expanded
    document = " ".join((REPOSITORY / "docs/install.md").read_text().replace("\\\n", " ").split())
    recipes = [" ".join(line.split()) for line in text.splitlines() if line.startswith("\tpython")]
    commands = [line.replace(".part", "").replace("python -m pip", ".venv/bin/python -m pip") for line in recipes]
    assert len(commands) == 15
    render, prepare = (
        next(c for c in commands if module in c) for module in ("dataset.synthetic", "preprocess.prepare")
    )
    commands += [f"{render} {rendering}".replace("quickstart", "rests"), prepare.replace("quickstart", "rests")]
    demo = [command for command in commands if command not in document]
    assert [command.split()[1] for command in demo] == ["test_one_video.py", "generate_cam.py"]


@pytest.mark.skipif(shutil.which("make") is None, reason="there is no make")
def test_the_page_takes_the_network_that_has_seen_rests_once_it_is_trained_unless_another_is_named(tmp_path):
    def make(*words: str) -> str:
        words = ("make", "--no-print-directory", "-n", *words)
        return subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=True).stdout

    def add(name: str) -> None:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()

    shutil.copy(REPOSITORY / "Makefile", tmp_path)
    for name in ("requirements.txt", "requirements-page.txt", ".venv/installed", ".venv/installed-page"):
        add(name)
    command = ".venv/bin/python -m page --model_path"
    add("work_dir/quickstart/best.pt")
    add("work_dir/rests/best.pt")  # of the first epochs
    assert make("page").endswith(f"{command} work_dir/quickstart/best.pt\n")
    add("work_dir/rests/report.html")
    assert make("page").endswith(f"{command} work_dir/rests/best.pt\n")
    add("own.pt")
    assert make("page", "MODEL=own.pt").endswith(f"{command} own.pt\n")
    assert " --load-weights work_dir/quickstart/best.pt " in make("rests")
