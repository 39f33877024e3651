"""How the page looks and what it asks for: narrow and wide, light and dark. The server is a stand-in."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest

from tests.helpers.needs import needs_browser
from tests.helpers.page_stand_in import ADDRESS, StandIn, make_words

pytestmark = needs_browser
GLOSSES = ["DONAUDAMPFSCHIFFFAHRT", "NORD", "REGEN", "SONNE", "KOMMEN"]
PARTS = [
    "#status",
    "#model",
    "#notices li",
    "#choose",
    "#legend li",
    "#sentence",
    "#rows button",
    "#files b",
    "#files span",
]
COLOURS = """element => {
    const { color } = getComputedStyle(element);
    let ground = element, found;
    do found = getComputedStyle(ground).backgroundColor;
    while (found === "rgba(0, 0, 0, 0)" && (ground = ground.parentElement));
    return [color, found];
}"""


@pytest.fixture(params=["light", "dark"])
def scheme(request):
    return request.param


def luminance(colour: str) -> float:
    """Of a colour such as `rgb(1, 2, 3)`: https://www.w3.org/TR/WCAG22/#dfn-relative-luminance."""
    red, green, blue = (int(number) / 255 for number in re.findall(r"\d+", colour)[:3])
    linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in (red, green, blue)]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def test_the_measure_of_contrast():
    assert contrast("rgb(0, 0, 0)", "rgb(255, 255, 255)") == pytest.approx(21)
    assert contrast("rgb(118, 118, 118)", "rgb(255, 255, 255)") == pytest.approx(4.54, abs=0.01)  # as WebAIM gives it


def test_text_can_be_read_in_light_and_dark(tab, scheme):
    tab.emulate_media(color_scheme=scheme)
    server = StandIn(tab).open()
    server.read(make_words(*GLOSSES), notes=["a note"])
    for part in PARTS:
        colours = tab.locator(part).first.evaluate(COLOURS)
        assert contrast(*colours) >= 4.5, (part, colours)
    server.lose()
    server.wait("lost")
    assert contrast(*tab.locator("#status").evaluate(COLOURS)) >= 4.5


def test_the_colours_of_confidence_differ_in_lightness_too(tab, scheme):
    """Whoever tells no colours apart still tells them; so the steps lie in order, each well away from the next."""
    tab.emulate_media(color_scheme=scheme)
    StandIn(tab).open().read(make_words(*GLOSSES, "WIND"))  # 97, 81, 65, 49, 33 and 17 %
    found = [tab.locator(f"#glosses .level-{level}").first.evaluate(COLOURS) for level in (1, 2, 3, 4)]
    for text, ground in found:
        assert contrast(text, ground) >= 4.5
    grounds = sorted((ground for _, ground in found), key=luminance)
    assert grounds in ([ground for _, ground in found], [ground for _, ground in found][::-1])
    for one, other in pairwise(grounds):
        assert contrast(one, other) >= 1.2, (one, other)


def test_the_colour_is_that_of_the_confidence_as_it_is_written(tab):
    words = make_words("NORD", "REGEN")
    words[0]["confidence"], words[1]["confidence"] = 0.4996, 0.494
    StandIn(tab).open().read(words)
    assert tab.locator("#glosses .level-2").all_inner_texts() == ["NORD\n50 %"]
    assert tab.locator("#glosses .level-1").all_inner_texts() == ["REGEN\n49 %"]


@pytest.mark.parametrize("width", [1400, 800, 390, 320])
def test_nothing_sticks_out_at_any_width(tab, width):
    tab.set_viewport_size({"width": width, "height": 800})
    server = StandIn(tab, name="a-name-without-any-space-that-is-much-too-long-for-a-telephone.pt").open()
    server.read(make_words(*GLOSSES), notes=["without-any-space-" * 10])
    tab.click("#glosses button")
    tab.click("#guesses summary")
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    for name in ("#choose", "#use-camera", "#zoom-fit", "#files a"):
        box = tab.locator(name).first.bounding_box()
        assert box["x"] >= 0, name
        assert box["x"] + box["width"] <= width, name


def test_the_picture_has_the_timeline_under_it_and_both_are_seen_at_once(tab):
    StandIn(tab).open().read(make_words(*GLOSSES))
    picture, timeline = (tab.locator(name).bounding_box() for name in ("#screen", "#scroller"))
    assert picture["y"] + picture["height"] < timeline["y"]
    assert timeline["y"] + timeline["height"] <= 1000


def test_every_button_has_a_name_and_every_part_a_heading_or_label(tab):
    StandIn(tab).open().read(make_words(*GLOSSES))
    for button in tab.locator("button").all():
        assert button.evaluate("element => element.ariaLabel || element.textContent.trim()")
    for part in tab.locator("main > section").all():
        assert part.get_attribute("aria-label") or part.get_attribute("aria-labelledby")
    assert tab.locator("#glosses button").first.get_attribute("aria-label") == (
        "DONAUDAMPFSCHIFFFAHRT, 0:00.2 to 0:00.6, confidence 97 %"
    )


def test_it_can_be_used_by_keyboard_alone(tab):
    """The Tab key comes to the ways in, to the timeline, and to the files; each of them shows that it is there."""
    StandIn(tab).open().read(make_words(*GLOSSES))
    seen = []
    for _ in range(60):
        tab.keyboard.press("Tab")
        element = tab.evaluate_handle("document.activeElement")
        name = element.evaluate("element => element.id || element.parentElement.id || element.closest('ul')?.id || ''")
        if name not in seen:
            seen.append(name)
            assert element.evaluate("element => getComputedStyle(element).outlineStyle") != "none", name
    order = ["choose", "use-camera", "zoom-in", "glosses", "files"]
    assert [name for name in seen if name in order] == order


def test_the_table_is_one_stop_of_the_tab_key(tab):
    StandIn(tab).open().read(make_words(*GLOSSES))
    rows = tab.locator("#rows button")
    rows.first.focus()
    for key, number in (("ArrowDown", 1), ("ArrowDown", 2), ("ArrowUp", 1), ("Home", 0), ("ArrowUp", 0), ("End", -1)):
        tab.keyboard.press(key)
        assert rows.nth(number).evaluate("element => element === document.activeElement"), (key, number)
    tab.keyboard.press("Enter")
    assert tab.locator("#chosen-gloss").inner_text() == GLOSSES[-1]
    tab.keyboard.press("Tab")
    assert tab.evaluate("document.activeElement.closest('#files') !== null")
    tab.keyboard.press("Shift+Tab")
    assert rows.last.evaluate("element => element === document.activeElement")


def test_nothing_is_asked_for_from_elsewhere(tab):
    server = StandIn(tab).open()
    asked = []
    tab.on("request", lambda request: asked.append(request.url))
    server.read(make_words(*GLOSSES))
    server.start_camera()
    server.until(lambda: server.frames)
    server.say("live", finals=make_words(*GLOSSES), provisional=[], time=2.0)
    tab.wait_for_selector("#rows button")
    assert server.outside == []
    assert all(url.startswith((ADDRESS, f"blob:{ADDRESS}")) for url in asked)


def test_the_page_moves_less_where_the_user_wants_that(tab):
    tab.emulate_media(reduced_motion="reduce")
    server = StandIn(tab).open()
    server.choose()
    server.say("queue", place=1, length=2)
    server.wait("queue")
    assert tab.locator("#light").evaluate("element => getComputedStyle(element).animationName") == "none"
