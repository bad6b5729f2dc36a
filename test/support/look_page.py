"""The page of `sam3-ros look` as a person uses it: by what it shows and what things are called."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import cv2
import numpy as np
from look_truth import Mask, Pixels
from playwright.sync_api import Browser, Locator, Page, expect

# Of a busy machine, ms; a test that passes never waits that long.
PATIENCE_MS = 30_000
# Levels, summed over the colours: of a mask on black, and by which an overlay changes a pixel.
_COLOURED, _CHANGED = 120, 40
#: A picture that is shown so long is the one that stays.
_STILL_MS = 700
_LONG_PRESS_MS = 900
expect.set_options(timeout=PATIENCE_MS)
DESKTOP = {"viewport": {"width": 1280, "height": 900}}
PHONE = {
    "viewport": {"width": 412, "height": 839},
    "device_scale_factor": 2,
    "is_mobile": True,
    "has_touch": True,
}


@dataclass(frozen=True)
class _PictureArea:
    """Where the picture lies inside the canvas, which has bars beside it, CSS px."""

    left: float
    top: float
    width: float
    height: float
    pixels_across: int
    canvas_width: float


class LookPage:
    """A viewer. Coordinates are pixels of the picture that is shown."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.phrases = page.get_by_role("textbox", name="Phrases")
        self.canvas = page.locator("canvas")
        self.prompts = page.get_by_role("list", name="Prompts").get_by_role("listitem")
        self.banner = page.locator(".look-serious")
        self.message = page.locator("#look-message")

    def ask(self, text: str) -> None:
        self.phrases.fill(text)
        self.phrases.press("Enter")

    def prompt(self, label: str) -> Locator:
        """Return the prompt with these words in its row."""
        return self.prompts.filter(has_text=label)

    def count_of(self, label: str) -> Locator:
        """Return how many objects a prompt has found."""
        return self.prompt(label).locator(".look-count")

    def button(self, name: str) -> Locator:
        return self.page.get_by_role("button", name=name, exact=True)

    @property
    def drawn(self) -> int:
        """How many pictures have been drawn so far."""
        return int(self.canvas.get_attribute("data-n") or 0)

    @property
    def stamp(self) -> str:
        """The stamp of the picture that is shown."""
        return self.canvas.get_attribute("data-stamp") or ""

    def pause(self) -> None:
        """Pause, and wait for the picture that stays: it may be one that comes after the press."""
        self.button("Pause").click()
        expect(self.button("Resume")).to_be_visible()
        before = ""
        while before != self.stamp:
            before = self.stamp
            self.page.wait_for_timeout(_STILL_MS)

    def resume(self) -> None:
        self.button("Resume").click()
        expect(self.button("Pause")).to_be_visible()

    def show_camera(self, title: str) -> None:
        self.page.get_by_role("combobox", name="Camera").click()
        self.page.get_by_role("option", name=title).click()

    def remove_all(self, but: str) -> None:
        """Remove every prompt of the live pictures that does not have this label."""
        if self.canvas.get_attribute("data-paused") == "true":
            self.resume()
        others = self.prompts.filter(has_not_text=but)
        remove = others.get_by_role("button", name=re.compile("^Remove"))
        while remove.count():
            button = self.button(remove.first.get_attribute("aria-label") or "")
            button.click()
            expect(button).to_have_count(0)

    def set_opacity(self, share: int) -> None:
        """Set it to 0 or 100 % of a paused picture, and wait until that is drawn."""
        self.page.get_by_role("slider", name="Opacity").press("Home" if share == 0 else "End")
        expect(self.canvas).to_have_attribute("data-opacity", "0" if share == 0 else "1")

    def click(self, x: float, y: float, shift: bool = False) -> None:
        self.canvas.click(position=self._place(x, y), modifiers=["Shift"] if shift else [])

    def tap(self, x: float, y: float) -> None:
        self.canvas.tap(position=self._place(x, y))

    def press_long(self, x: float, y: float) -> None:
        """Hold a finger there."""
        at, box = self._place(x, y), self.canvas.bounding_box()
        assert box is not None
        finger = {"x": box["x"] + at["x"], "y": box["y"] + at["y"]}
        session = self.page.context.new_cdp_session(self.page)
        session.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [finger]})
        self.page.wait_for_timeout(_LONG_PRESS_MS)
        session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})

    def drag(self, x0: float, y0: float, x1: float, y1: float) -> None:
        """Draw a box from one corner to the other."""
        box, mouse = self.canvas.bounding_box(), self.page.mouse
        assert box is not None
        first, last = self._place(x0, y0), self._place(x1, y1)
        mouse.move(box["x"] + first["x"], box["y"] + first["y"])
        mouse.down()
        mouse.move(box["x"] + last["x"], box["y"] + last["y"], steps=5)
        mouse.up()

    def download(self, name: str) -> bytes:
        """Press a button that downloads; return the file."""
        with self.page.expect_download() as waiting:
            self.button(name).click()
        return waiting.value.path().read_bytes()

    def shown(self) -> Pixels:
        """Return what a person sees of the picture, RGB uint8 [480, 640, 3]."""
        # A click leaves its mark for a moment: as large as a small object, on a phone.
        expect(self.page.locator(".look-dot")).to_have_count(0)
        # Black, where a note lies over the picture.
        notes = [self.page.locator(".look-paused, .look-note, .look-remarks")]
        shot = self.canvas.screenshot(mask=notes, mask_color="#000000")
        encoded = np.frombuffer(shot, np.uint8)
        pixels = cv2.imdecode(encoded, cv2.IMREAD_COLOR)
        area = self._area()
        scale = pixels.shape[1] / area.canvas_width
        top, left = round(area.top * scale), round(area.left * scale)
        height, width = round(area.height * scale), round(area.width * scale)
        picture = pixels[top : top + height, left : left + width]
        return cv2.resize(picture, (640, 480), interpolation=cv2.INTER_AREA)[:, :, ::-1]

    def shows_pictures(self) -> None:
        """Wait until a picture is drawn."""
        self.draws_more_than(0)

    def draws_more_than(self, count: int, patience_ms: float = PATIENCE_MS) -> None:
        """Wait until so many pictures have been drawn since the page was opened."""
        self.page.wait_for_function(
            "count => Number(document.querySelector('canvas')?.dataset.n) > count",
            arg=count,
            timeout=patience_ms,
        )

    def masks(self) -> Mask:
        """Return where the masks of a paused picture are, as they are shown by themselves."""
        switch = self.page.get_by_role("switch", name="Masks only")
        switch.click()
        expect(self.canvas).to_have_attribute("data-layer", "masks")
        shown = self.shown()
        switch.click()
        expect(self.canvas).to_have_attribute("data-layer", "overlay")
        return shown.astype(int).sum(axis=2) > _COLOURED

    def drawn_over(self) -> Mask:
        """Return which pixels of a paused picture the overlay changes: masks, frames, captions."""
        self.set_opacity(0)
        plain = self.shown()
        self.set_opacity(100)
        return np.abs(self.shown().astype(int) - plain).sum(axis=2) > _CHANGED

    def _place(self, x: float, y: float) -> dict[str, float]:
        """Return where a pixel lies inside the canvas, CSS px."""
        area = self._area()
        return {
            "x": area.left + (x + 0.5) * area.width / area.pixels_across,
            "y": area.top + (y + 0.5) * area.width / area.pixels_across,
        }

    def _area(self) -> _PictureArea:
        size: Any = self.canvas.evaluate("c => [c.width, c.height, c.clientWidth, c.clientHeight]")
        across, down, canvas_width, canvas_height = size
        scale = min(canvas_width / across, canvas_height / down)
        width, height = across * scale, down * scale
        left, top = (canvas_width - width) / 2, (canvas_height - height) / 2
        return _PictureArea(left, top, width, height, across, canvas_width)


@contextmanager
def viewer(browser: Browser, link: str, **how: Any) -> Iterator[LookPage]:
    """Open the page as a viewer of its own, with cookies of its own.

    Fails if the page asked any other host for anything, or an error was thrown in it.
    """
    context = browser.new_context(**(how or DESKTOP))
    context.set_default_timeout(PATIENCE_MS)
    asked: list[str] = []
    errors: list[str] = []
    try:
        page = context.new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.on("websocket", lambda socket: asked.append(socket.url))
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(link)
        yield LookPage(page)
    finally:
        context.close()
    ours = urlsplit(link).netloc
    elsewhere = [
        url
        for url in asked
        if urlsplit(url).netloc != ours and urlsplit(url).scheme not in ("data", "blob")
    ]
    assert elsewhere == []
    assert errors == []
