"""Who has no token sees nothing of the page, and who only looks changes nothing."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from look_page import viewer
from look_server import LookServer, running_look
from playwright.sync_api import Browser, expect


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LookServer]:
    log = tmp_path_factory.mktemp("look") / "look.log"
    with running_look(log, "--host", "0.0.0.0", "--view-only") as running:
        yield running


def test_a_wrong_token_shows_nothing(browser: Browser, server: LookServer) -> None:
    wrong = f"{server.local_origin}/#token={'a' * 43}"
    with viewer(browser, wrong) as page:
        expect(page.page.get_by_role("alert")).to_contain_text("token")
        expect(page.canvas).to_have_count(0)
        assert page.page.context.cookies() == []


def test_the_link_that_is_printed_lets_a_viewer_only_look(
    browser: Browser, server: LookServer
) -> None:
    token = server.link.partition("#")[2]
    with viewer(browser, f"{server.local_origin}/#{token}") as page:
        page.shows_pictures()
        assert "token" not in page.page.url
        expect(page.prompt("red cube")).to_be_visible()
        expect(page.phrases).to_have_count(0)
        expect(page.button("Remove red cube")).to_have_count(0)
        page.click(320, 240)
        page.page.wait_for_timeout(500)
        expect(page.prompts).to_have_count(1)
