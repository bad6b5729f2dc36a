"""One Chromium for all tests of the page."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from look_browser import open_browser
from playwright.sync_api import Browser


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with open_browser() as opened:
        yield opened
