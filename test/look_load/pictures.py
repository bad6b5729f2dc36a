"""Takes the pictures of docs/look.md: the page on a desktop and on a phone, over the shipped bag.

    PYTHONPATH=test:test/support .venv/bin/python -m look_load.pictures docs/images

The page tells how fast the machine was: take them while nothing else runs.
"""

from __future__ import annotations

import argparse
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from look_browser import open_browser
from look_page import PHONE, viewer
from look_server import running_look
from look_truth import shown_truth
from playwright.sync_api import Browser, expect

_QUALITY = 85
_DESKTOP = {"viewport": {"width": 1280, "height": 800}}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m look_load.pictures")
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    with TemporaryDirectory() as logs, ExitStack() as stack:
        server = stack.enter_context(running_look(Path(logs) / "look.log"))
        browser = stack.enter_context(open_browser())
        on_a_desktop(browser, server.link, folder / "look.jpg")
        on_a_phone(browser, server.link, folder / "look_phone.jpg")


def on_a_desktop(browser: Browser, link: str, file: Path) -> None:
    """Two phrases and a click on a paused picture; the phrases stay asked."""
    with viewer(browser, link, **_DESKTOP) as page:
        page.shows_pictures()
        page.ask("white star; purple ball")
        expect(page.count_of("purple ball")).to_have_text("1")
        page.draws_more_than(page.drawn + 30)
        page.pause()
        page.click(*shown_truth().centre(shown_truth().stamp_of(page.shown()), "red cylinder"))
        expect(page.prompts).to_have_count(4)
        page.page.mouse.move(1000, 700)
        page.page.screenshot(path=file, type="jpeg", quality=_QUALITY)


def on_a_phone(browser: Browser, link: str, file: Path) -> None:
    """The live picture, and what is asked of it."""
    with viewer(browser, link, **PHONE) as page:
        page.shows_pictures()
        page.draws_more_than(30)
        page.page.screenshot(path=file, type="jpeg", quality=_QUALITY)


if __name__ == "__main__":
    main()
