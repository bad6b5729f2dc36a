"""The page without a mouse and without sight: focus, names, roles, contrast."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from look_page import PHONE, LookPage, viewer
from look_server import LookServer
from playwright.sync_api import Browser, expect

# More than the page has controls.
_MOST_TABS = 80
_CONTROLS = {"button", "textbox", "slider", "switch", "combobox", "application", "spinbutton"}


@pytest.fixture(scope="module")
def page(browser: Browser, bag_server: LookServer) -> Iterator[LookPage]:
    with viewer(browser, bag_server.link) as opened:
        opened.shows_pictures()
        yield opened


def accessible(page: LookPage) -> list[tuple[str, str, bool]]:
    """Return role, name and whether it has the focus of all controls a screen reader knows of."""
    session = page.page.context.new_cdp_session(page.page)
    found = []
    for node in session.send("Accessibility.getFullAXTree")["nodes"]:
        properties = {
            each["name"]: each["value"].get("value") for each in node.get("properties", ())
        }
        role = node.get("role", {}).get("value", "")
        if not node["ignored"] and role in _CONTROLS and not properties.get("disabled"):
            name = node.get("name", {}).get("value", "")
            found.append((role, name, bool(properties.get("focused"))))
    session.detach()
    return found


def test_every_control_has_a_name_of_its_own(page: LookPage) -> None:
    names = [name for _, name, _ in accessible(page)]
    assert len(names) > 8
    assert all(names)
    assert len(set(names)) == len(names)


def test_tab_reaches_every_control(page: LookPage) -> None:
    expected = {name for _, name, _ in accessible(page)}
    reached: list[str] = []
    for _ in range(_MOST_TABS):
        page.page.keyboard.press("Tab")
        reached += [name for _, name, has_focus in accessible(page) if has_focus]
        if reached.count(reached[0]) > 1:
            break
    assert set(reached) == expected


def test_one_asks_and_removes_by_keys_alone(page: LookPage) -> None:
    keys = page.page.keyboard
    page.phrases.focus()
    keys.type("purple ball")
    keys.press("Enter")
    expect(page.count_of("purple ball")).to_have_text("1")
    page.button("Remove purple ball").focus()
    keys.press("Enter")
    expect(page.prompt("purple ball")).to_have_count(0)


def test_one_marks_an_object_by_keys_alone(page: LookPage) -> None:
    keys = page.page.keyboard
    page.canvas.focus()
    keys.press("p")
    expect(page.canvas).to_have_attribute("data-paused", "true")
    keys.press("ArrowRight")
    keys.press("Enter")
    expect(page.prompts).to_have_count(2)
    page.canvas.focus()
    keys.press("p")
    expect(page.canvas).to_have_attribute("data-paused", "false")
    expect(page.prompts).to_have_count(1)


@pytest.mark.parametrize("how", [{}, PHONE], ids=["desktop", "phone"])
def test_axe_finds_nothing_to_object_to(
    browser: Browser, bag_server: LookServer, how: dict
) -> None:
    with viewer(browser, bag_server.link, **how) as page:
        page.shows_pictures()
        expect(page.prompt("red cube")).to_be_visible()
        found = Axe().run(page.page)
        assert found.violations_count == 0, found.generate_report()
