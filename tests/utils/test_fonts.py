import subprocess
from types import SimpleNamespace

import pytest

from utils import fonts
from utils.fonts import Font, find_font, get_own_font


@pytest.fixture
def bare(monkeypatch):
    """A machine on which no font is installed."""
    monkeypatch.setattr(fonts, "USUAL", ("no-such-font.ttf",))
    monkeypatch.setattr(fonts.shutil, "which", lambda name: None)


def test_ascii_can_always_be_written(bare):
    assert find_font("MORGEN-2") == Font(get_own_font(), "")
    assert find_font("") == Font(get_own_font(), "")
    assert find_font("").at(20.5).getlength("MORGEN") > 40


def test_what_no_font_has_is_named_once(bare):
    assert find_font("你好 A 你") == Font(get_own_font(), "你好")
    assert find_font("你好 A 你").warning.startswith("no font here has all of 你好; install one")
    assert find_font("A").warning == ""


def test_a_font_that_has_the_characters_is_preferred(chinese_font):
    assert find_font("\ue000A").missing == "\ue000"  # nobody's character
    assert find_font("A 你好") == Font(str(chinese_font), "")
    assert find_font("A 你好").at(20).getlength("你好") == pytest.approx(40, abs=4)
    assert find_font("A 你好\ue000") == Font(str(chinese_font), "\ue000")


def test_fonts_that_cannot_be_read_are_passed_over(chinese_font, tmp_path, monkeypatch):
    (tmp_path / "damaged.ttf").write_bytes(chinese_font.read_bytes()[:100])
    monkeypatch.setattr(fonts, "USUAL", (str(tmp_path / "damaged.ttf"), *fonts.USUAL))
    assert find_font("你好") == Font(str(chinese_font), "")


def test_fontconfig_is_asked_for_fonts_with_these_characters(monkeypatch):
    asked = []

    def run(command, **options):
        asked.append(command)
        return SimpleNamespace(stdout="/no/such/font.ttf\n")

    monkeypatch.setattr(fonts, "USUAL", ())
    monkeypatch.setattr(fonts.shutil, "which", lambda name: f"/bin/{name}")
    monkeypatch.setattr(subprocess, "run", run)
    assert find_font("你a") == Font(get_own_font(), "你")
    assert asked == [["/bin/fc-list", ":charset=61 4f60", "--format", "%{file}\n"]]
