"""The check that comes before all other imports: is this the Python that requirements.txt was installed for?

The packages of the project call it when they are imported. What is parsed until then (the commands at the top, the
`__init__.py` of the packages, and this file) is written for Python 3.6 and newer, so that an old one says what it is.
"""

import importlib.util
import shlex
import sys
from pathlib import Path

OLDEST = (3, 10)
MODULES = (
    "torch", "torchvision", "numpy", "numba", "cv2", "lmdb", "PIL", "av", "pympi", "pydantic", "yaml", "tensorboard",
    "tqdm", "scipy", "matplotlib", "jinja2", "onnx", "onnxruntime", "safetensors",
)  # fmt: skip
"""What requirements.txt installs for the commands, by the names that are imported."""
SPARED = ("lmdb", "av", "pympi", "pydantic")
"""What `python -m benchmarks.gpu` starts without: a machine with a GPU may have PyTorch and little beside it."""
ROOT = Path(__file__).resolve().parents[1]
NAMED = 3  # packages that the message names


def check_environment() -> None:
    """End the program with the remedy if this Python is too old, or lacks what requirements.txt installs.

    Raises:
        SystemExit: it is or does. Not an ImportError, whose traceback would hide the remedy.
    """
    if sys.version_info < OLDEST:
        problem = "Python {}.{} or newer is needed".format(*OLDEST)
    else:
        needed = [name for name in MODULES if name not in SPARED] if _checks_gpu() else MODULES
        missing = [name for name in needed if name not in sys.modules and importlib.util.find_spec(name) is None]
        if not missing:
            return
        rest = f" and {len(missing) - NAMED} more" if len(missing) > NAMED else ""
        problem = f"packages are missing ({', '.join(missing[:NAMED])}{rest})"
    version = ".".join(str(part) for part in sys.version_info[:3])
    sys.exit(f"error: {problem}; this is Python {version}, {sys.executable}\n{_give_remedy()}")


def _checks_gpu() -> bool:
    """Whether this is `python -m benchmarks.gpu`, or a process that it started."""
    # Python sets sys.argv when it has imported the packages around a module, and multiprocessing in its processes.
    return "benchmarks.gpu" in sys.orig_argv or Path(sys.argv[0]).parts[-3:] == ("benchmarks", "gpu", "__main__.py")


def _give_remedy() -> str:
    """Say how to come to the environment: complete it, activate it, or make it."""
    environment = ROOT / ".venv"
    inside = Path(sys.prefix).resolve() == environment.resolve()
    if inside and sys.version_info >= OLDEST:
        return f"Install what is missing: python -m pip install -r {shlex.quote(str(ROOT / 'requirements.txt'))}"
    windows, posix = environment / "Scripts" / "activate", environment / "bin" / "activate"
    if not inside and (windows.exists() or posix.exists()):
        command = f". {shlex.quote(str(posix))}" if posix.exists() else str(windows)
        return f"Activate the environment of the project first: {command}"
    return "Make the environment of the project first: `make install`, or the commands in docs/install.md"
