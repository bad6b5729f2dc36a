"""Viewers in a Chromium of their own, as a process: it prints what they saw as one line of JSON.

It is a process, so that its priority can be low: a viewer's browser runs on another machine, and
here it must not take what the node and the page's server need.
"""

from __future__ import annotations

import argparse
import json
import time
from contextlib import ExitStack

from look_browser import open_browser
from look_page import LookPage, viewer
from look_truth import shown_truth
from playwright.sync_api import Browser, expect

READY = "ready"
# Objects to click on: large ones.
_CLICKED = ("purple ball", "black star")
# Beside the click, where its own mark is not, px.
_BESIDE = 14
# Resolves once the pixels around a place have changed, with the time since the mouse went down.
_UNTIL_MASKED = """([x, y]) => new Promise((resolve, reject) => {
  const canvas = document.querySelector("canvas");
  const patch = () => canvas.getContext("2d").getImageData(x - 3, y - 3, 7, 7).data;
  const before = patch();
  const change = (now) => now.reduce((sum, v, i) => sum + Math.abs(v - before[i]), 0) / 49;
  let begin = null;
  addEventListener("pointerdown", (event) => { begin = event.timeStamp; },
                   {capture: true, once: true});
  const look = () => {
    if (begin !== null && change(patch()) > 40) resolve(performance.now() - begin);
    else if (begin !== null && performance.now() - begin > 10000) reject("no mask in 10 s");
    else requestAnimationFrame(look);
  };
  look();
})"""
_FIRST_PAINT = """() => performance.getEntriesByName("first-contentful-paint")[0].startTime"""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m look_load.viewers")
    parser.add_argument("--link", required=True)
    parser.add_argument("--viewers", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=0.0, help="how long they look")
    parser.add_argument("--clicks", type=int, default=0)
    parser.add_argument("--openings", type=int, default=0)
    options = parser.parse_args()
    with open_browser() as browser:
        seen = {
            "first_paint_ms": first_paints(browser, options.link, options.openings),
            "click_ms": clicks(browser, options.link, options.clicks),
            "frames_a_second": watched(browser, options.link, options.viewers, options.seconds),
        }
    print(json.dumps(seen), flush=True)


def watched(browser: Browser, link: str, count: int, seconds: float) -> list[float]:
    """Let viewers look; return how many pictures a second each saw."""
    if not seconds:
        return []
    with ExitStack() as stack:
        pages = [stack.enter_context(viewer(browser, link)) for _ in range(count)]
        for page in pages:
            page.shows_pictures()
        print(READY, flush=True)
        begins = [(time.monotonic(), page.drawn) for page in pages]
        pages[0].page.wait_for_timeout(1000 * seconds)
        return [
            (page.drawn - drawn) / (time.monotonic() - began)
            for page, (began, drawn) in zip(pages, begins, strict=True)
        ]


def clicks(browser: Browser, link: str, count: int) -> list[float]:
    """Click on objects of the live picture; return how long each mask took to be seen, ms."""
    if not count:
        return []
    truth = shown_truth()
    places = [truth.centre(sorted(truth.jpegs)[20], name) for name in _CLICKED]
    with viewer(browser, link) as page:
        page.shows_pictures()
        # By themselves masks are colours on black, whatever is under them.
        page.page.get_by_role("switch", name="Masks only").click()
        expect(page.canvas).to_have_attribute("data-layer", "masks")
        return [_click(page, *places[number % len(places)]) for number in range(count)]


def _click(page: LookPage, x: int, y: int) -> float:
    page.page.evaluate(
        f"place => {{ window.masked = ({_UNTIL_MASKED})(place); }}", [x + _BESIDE, y]
    )
    page.click(x, y)
    took = float(page.page.evaluate("() => window.masked"))
    page.remove_all(but="red cube")
    page.page.wait_for_timeout(500)
    return took


def first_paints(browser: Browser, link: str, count: int) -> list[float]:
    """Open the page anew, without a cache; return when something is seen first, ms."""
    found = []
    for _ in range(count):
        with viewer(browser, link) as page:
            page.shows_pictures()
            found.append(float(page.page.evaluate(_FIRST_PAINT)))
    return found


if __name__ == "__main__":
    main()
