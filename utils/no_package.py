"""What `pip install .` runs. It says why there is nothing to install, by the hooks of PEP 517."""

from typing import Any, NoReturn

MESSAGE = (
    "MSTFNet is run from its folder and is no package to install: its folders config, dataset, utils and so on would "
    "clash with those of others. Install what it needs with `make install` or `python -m pip install -r "
    "requirements.txt`, and see docs/install.md."
)


def build_wheel(*_: Any, **__: Any) -> NoReturn:
    """End the build with the one sentence."""
    raise SystemExit(f"error: {MESSAGE}")


build_sdist = build_editable = build_wheel
