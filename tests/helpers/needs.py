"""Programs that a machine may lack: tests that need one are skipped there, and say why."""

from __future__ import annotations

import importlib.util
import os
import shutil

import pytest

HAS_COMPILER = shutil.which(os.environ.get("CXX", "g++")) is not None
needs_compiler = pytest.mark.skipif(
    not HAS_COMPILER,
    reason="torch.compile needs a C++ compiler, and there is no g++ (nor $CXX)",
)
BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
needs_browser = pytest.mark.skipif(BROWSER is None, reason="a browser is needed for this, and there is no chromium")

PAGE_PACKAGES = ("starlette", "uvicorn", "websockets", "httpx2")
"""What the page's server needs, and what its tests ask it with. Tests in a browser need playwright too."""


def describe_missing(*packages: str) -> str:
    """Say which of these packages are not installed here, and how to install them; "" if all are."""
    missing = [name for name in packages if importlib.util.find_spec(name) is None]
    return f"not installed here: {', '.join(missing)} (requirements-page.txt)" if missing else ""
