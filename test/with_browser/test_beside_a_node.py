"""The page beside a running node, over DDS: it asks the node, and tells when the node is lost."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator

import pytest
from look_page import LookPage, viewer
from look_server import running_look
from look_truth import ShownTruth, shown_truth
from node_under_test import ENVIRONMENT, THE_NODE, NodeProcess
from playwright.sync_api import Browser, expect
from ros_domains import own_domain
from still_camera import still_camera

# Starting one on a busy machine, ms.
NODE_PATIENCE_MS = 60_000
PARAMETERS = {
    "bundle": "tabletop",
    "prompts": "[red cube]",
    "image_transport": "compressed",
    "diagnostics_period": "0.5",
}


@pytest.fixture(scope="module")
def truth() -> ShownTruth:
    return shown_truth()


@pytest.fixture(scope="module")
def stamp(truth: ShownTruth) -> int:
    """Return which of the bag's pictures the camera sends."""
    return sorted(truth.jpegs)[20]


@pytest.fixture(scope="module")
def start_node(
    tmp_path_factory: pytest.TempPathFactory, truth: ShownTruth, stamp: int
) -> Iterator[Callable[[], NodeProcess]]:
    """Return what starts a node, again and again, before a camera that goes on."""
    folder, nodes = tmp_path_factory.mktemp("node"), list[NodeProcess]()

    with own_domain() as domain, pytest.MonkeyPatch.context() as environment:
        for name, value in {**ENVIRONMENT, "ROS_DOMAIN_ID": str(domain)}.items():
            environment.setenv(name, value)

        def start() -> NodeProcess:
            nodes.append(
                NodeProcess(domain, folder / f"node_{len(nodes)}.log", THE_NODE, PARAMETERS)
            )
            return nodes[-1]

        with still_camera(domain, "/image/compressed", truth.jpegs[stamp], rate=5):
            yield start
        for node in nodes:
            if node.process.poll() is None:
                assert node.stop() == 0, node.log


@pytest.fixture(scope="module")
def node(start_node: Callable[[], NodeProcess]) -> NodeProcess:
    return start_node()


@pytest.fixture(scope="module")
def link(node: NodeProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    assert node.process.poll() is None
    with running_look(tmp_path_factory.mktemp("look") / "look.log", "--node") as server:
        yield server.link


def masks_are_those_of(page: LookPage, truth: ShownTruth, stamp: int, *phrases: str) -> None:
    assert truth.stamp_of(page.shown()) == stamp
    truth.assert_masks(stamp, page.masks(), *phrases)


def test_what_is_typed_and_clicked_is_answered_by_the_node(
    browser: Browser, link: str, truth: ShownTruth, stamp: int
) -> None:
    with viewer(browser, link) as page:
        page.shows_pictures()
        page.ask("white star")
        expect(page.count_of("white star")).to_have_text("1")
        page.click(*truth.centre(stamp, "purple ball"))
        expect(page.prompts).to_have_count(3)
        page.pause()
        masks_are_those_of(page, truth, stamp, "red cube", "white star", "purple ball")
        page.click(*truth.centre(stamp, "black ring"))
        expect(page.prompts).to_have_count(4)
        masks_are_those_of(
            page, truth, stamp, "red cube", "white star", "purple ball", "black ring"
        )
        page.resume()
        page.remove_all(but="red cube")


def test_a_node_that_is_lost_is_told_and_found_again(
    browser: Browser,
    link: str,
    node: NodeProcess,
    start_node: Callable[[], NodeProcess],
    truth: ShownTruth,
    stamp: int,
) -> None:
    with viewer(browser, link) as page:
        page.shows_pictures()
        node.stop(signal.SIGKILL)
        expect(page.banner).to_be_visible(timeout=NODE_PATIENCE_MS)
        before = page.drawn
        start_node()
        expect(page.banner).to_be_hidden(timeout=NODE_PATIENCE_MS)
        page.draws_more_than(before, NODE_PATIENCE_MS)
        page.pause()
        masks_are_those_of(page, truth, stamp, "red cube")
