"""What one viewer may ask of a source."""

from __future__ import annotations

import math
from collections.abc import Callable
from concurrent.futures import Future

import pytest
from fed_viewing import FedViewing

from sam3_ros.core.geometry import Point
from sam3_ros.look.rights import ViewerRights
from sam3_ros.look.server.guarded import (
    ASKS_AT_ONCE,
    MOST_CHARACTERS,
    MOST_HELD,
    MOST_PHRASES,
    MOST_POINTS,
    GuardedViewing,
)
from sam3_ros.look.viewing import Marks, PictureStamp, Verdict, View

Change = Callable[[GuardedViewing], "Future[Verdict]"]

STAMP = PictureStamp(1, 2)
HERE = Marks(positive=(Point(1.0, 2.0),))
CHANGES: dict[str, Change] = {
    "texts": lambda viewing: viewing.ask_texts(("cube",)),
    "marks": lambda viewing: viewing.ask_marks("", STAMP, HERE),
    "rename": lambda viewing: viewing.rename("a", "", "b"),
    "remove": lambda viewing: viewing.remove("a", ""),
    "follow": lambda viewing: viewing.follow("a", "", True),
    "freeze": lambda viewing: viewing.freeze("a", "", True),
    "threshold": lambda viewing: viewing.set_threshold(0.5),
}


@pytest.fixture
def source() -> FedViewing:
    return FedViewing()


@pytest.fixture
def viewer(source: FedViewing) -> GuardedViewing:
    return GuardedViewing(source, ViewerRights())


@pytest.mark.parametrize("kind", CHANGES)
def test_a_viewer_may_ask(source: FedViewing, viewer: GuardedViewing, kind: str) -> None:
    assert CHANGES[kind](viewer).result(0).accepted
    assert [each[0] for each in source.asked] == [kind]


@pytest.mark.parametrize("kind", CHANGES)
def test_who_only_looks_is_refused_in_words(source: FedViewing, kind: str) -> None:
    viewer = GuardedViewing(source, ViewerRights(may_change=False))

    verdict = CHANGES[kind](viewer).result(0)

    assert not verdict.accepted
    assert "--view-only" in verdict.reason
    assert not source.asked


def test_who_only_looks_may_pause_and_keep_but_not_ask_of_it(source: FedViewing) -> None:
    viewer = GuardedViewing(source, ViewerRights(may_change=False))
    held = viewer.hold(View("")).result(0).held
    assert held is not None

    assert held.files().result(0).name == "frame"
    assert not held.ask_texts(("cube",)).result(0).accepted
    assert not source.asked


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (lambda viewing: viewing.ask_texts(("x" * 10_000_000,)), "10000000"),
        (lambda viewing: viewing.ask_texts(("x",) * (MOST_PHRASES + 1)), str(MOST_PHRASES)),
        (lambda viewing: viewing.rename("a", "", "x" * 5000), str(MOST_CHARACTERS)),
        (lambda viewing: viewing.remove("x" * 5000, ""), str(MOST_CHARACTERS)),
        (
            lambda viewing: viewing.ask_marks(
                "", STAMP, Marks((Point(1.0, 1.0),) * (MOST_POINTS + 1))
            ),
            str(MOST_POINTS),
        ),
        (lambda viewing: viewing.ask_marks("", STAMP, Marks()), "neither"),
        (lambda viewing: viewing.ask_marks("", STAMP, Marks((Point(math.nan, 1.0),))), "finite"),
        (lambda viewing: viewing.set_threshold(math.nan), "nan"),
        (lambda viewing: viewing.set_threshold(1.5), "1.5"),
    ],
)
def test_what_is_too_much_is_refused_in_words(
    source: FedViewing, viewer: GuardedViewing, change: Change, word: str
) -> None:
    verdict = change(viewer).result(0)

    assert not verdict.accepted
    assert word in verdict.reason
    assert not source.asked


def test_who_asks_too_often_is_refused_and_others_are_not(source: FedViewing) -> None:
    eager, other = (GuardedViewing(source, ViewerRights()) for _ in range(2))

    verdicts = [eager.ask_texts(("cube",)).result(0) for _ in range(ASKS_AT_ONCE + 30)]

    assert all(each.accepted for each in verdicts[:ASKS_AT_ONCE])
    assert "a second" in verdicts[-1].reason
    assert other.ask_texts(("cube",)).result(0).accepted


def test_held_pictures_are_few_and_go_with_their_viewer(
    source: FedViewing, viewer: GuardedViewing
) -> None:
    held = [viewer.hold(View("")).result(0).held for _ in range(MOST_HELD)]
    refused = viewer.hold(View("")).result(0)
    assert refused.held is None
    assert "let go" in refused.verdict.reason

    assert held[0] is not None
    held[0].release()
    held[0].release()
    assert viewer.hold(View("")).result(0).held is not None

    viewer.close()
    assert all(each.is_released for each in source.held)
    assert not source.is_closed
