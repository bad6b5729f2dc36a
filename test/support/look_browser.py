"""A real Chromium without a window."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, sync_playwright

# Debian's; Google's own, where Ubuntu has Chromium as a snap only.
_NAMES = ("chromium", "google-chrome")
# As root, which is what runs tests in a container, Chromium wants to be told to do without its
# sandbox. The pages are our own.
_ARGUMENTS = ("--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage")


@contextmanager
def open_browser() -> Iterator[Browser]:
    """Start Chromium and end it with the block. Raises RuntimeError if there is none."""
    path = next(filter(None, map(shutil.which, _NAMES)), None)
    if path is None:
        raise RuntimeError(f"none of {', '.join(_NAMES)} is here; make test-look installs one")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(_ARGUMENTS))
        try:
            yield browser
        finally:
            browser.close()
