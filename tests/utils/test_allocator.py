"""The setting of PyTorch's allocator, which it reads from the environment."""

import os
from collections.abc import Callable

import pytest

from utils import allocator
from utils.allocator import NAME, OLDER_NAME, let_segments_grow

GROWING = "expandable_segments:True"


@pytest.fixture
def read_settings(monkeypatch, tmp_path) -> Callable[[], dict[str, str]]:
    """Gives what is set, on a machine with a driver and PyTorch 2.14, on which nothing is set at first."""
    driver = tmp_path / "nvidiactl"
    driver.touch()
    monkeypatch.setattr(allocator, "DRIVER", driver)
    monkeypatch.setattr(allocator, "version", lambda _: "2.14.1+cu130")
    for name in (NAME, OLDER_NAME):
        monkeypatch.setenv(name, "")  # so that it is put back, whatever happens to it
        monkeypatch.delenv(name)
    return lambda: {name: os.environ[name] for name in (NAME, OLDER_NAME) if name in os.environ}


@pytest.mark.parametrize(
    ("torch", "name"),
    [("2.6.0", OLDER_NAME), ("2.9.1+cu128", OLDER_NAME), ("2.10.0", OLDER_NAME), ("2.11.0", NAME), ("3.0.0a1", NAME)],
)
def test_each_version_gets_the_name_that_it_obeys(monkeypatch, read_settings, torch, name):
    monkeypatch.setattr(allocator, "version", lambda _: torch)
    let_segments_grow()
    assert read_settings() == {name: GROWING}


@pytest.mark.parametrize("name", [NAME, OLDER_NAME])
def test_what_the_user_has_set_stays(monkeypatch, read_settings, name):
    monkeypatch.setenv(name, "max_split_size_mb:64")
    let_segments_grow()
    assert read_settings() == {name: "max_split_size_mb:64"}


def test_without_a_driver_nothing_is_set(read_settings):
    allocator.DRIVER.unlink()
    let_segments_grow()
    assert read_settings() == {}
