"""One Chromium for all tests of the page, and one server of the shipped bag."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from look_browser import open_browser
from look_server import LookServer, running_look
from playwright.sync_api import Browser


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with open_browser() as opened:
        yield opened


@pytest.fixture(scope="session")
def bag_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LookServer]:
    """Return what `sam3-ros look` serves by itself; whoever asks something removes it again."""
    with running_look(tmp_path_factory.mktemp("look") / "look.log") as running:
        yield running
