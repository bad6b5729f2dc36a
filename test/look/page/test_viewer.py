"""What one viewer looks at and asks, on a source that keeps what it was asked."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future
from dataclasses import replace

import pytest
from scripted_viewing import PROMPT, ScriptedViewing, done

from sam3_ros.core.geometry import Box, Point
from sam3_ros.look.page import viewer as viewer_module
from sam3_ros.look.page.marking import PictureMark
from sam3_ros.look.page.viewer import Viewer
from sam3_ros.look.rights import ViewerRights
from sam3_ros.look.viewing import (
    FrameFiles,
    Holding,
    Marks,
    PictureLayer,
    PictureStamp,
    Verdict,
    View,
    ViewedCamera,
)

STAMP = PictureStamp(7, 5)
POINT = replace(PROMPT, id="point", label="point", kind="click", text="")
POSITIVE = PictureMark("front", STAMP, Marks(positive=(Point(1, 2),)))
NEGATIVE = PictureMark("front", STAMP, Marks(negative=(Point(3, 4),)))
BOX = PictureMark("front", STAMP, Marks(box=Box(0, 0, 9, 9)))
TWO = (ViewedCamera("front", "front"), ViewedCamera("left", "left"))


def a_viewer(viewing: ScriptedViewing, may_change: bool = True) -> Viewer:
    viewer = Viewer(viewing, ViewerRights(may_change))
    viewer.cameras()
    return viewer


def test_phrases_are_split_and_asked_of_every_camera() -> None:
    viewing = ScriptedViewing()

    verdict = asyncio.run(a_viewer(viewing).ask("red cube;  ball ;"))

    assert verdict.accepted
    assert viewing.asked == [("ask_texts", ("red cube", "ball"), "")]


def test_a_blank_text_is_refused_with_an_example() -> None:
    viewing = ScriptedViewing()

    verdict = asyncio.run(a_viewer(viewing).ask("  ; "))

    assert not verdict.accepted
    assert "red cube" in verdict.reason
    assert viewing.asked == []


@pytest.mark.parametrize("text", ["cube \ud800", "x" * 10_000_000], ids=["surrogate", "10 MB"])
def test_texts_that_no_page_lets_through_are_refused_at_once(text: str) -> None:
    viewing = ScriptedViewing()
    viewer = a_viewer(viewing)

    verdicts = [asyncio.run(viewer.ask(text)), asyncio.run(viewer.rename(PROMPT, text))]

    assert [each.accepted for each in verdicts] == [False, False]
    assert all(0 < len(each.reason) < 100 for each in verdicts)
    assert viewing.asked == []


@pytest.mark.parametrize("mark", [POSITIVE, BOX])
def test_a_click_or_box_asks_for_a_new_object_on_its_picture(mark: PictureMark) -> None:
    viewing = ScriptedViewing()

    asyncio.run(a_viewer(viewing).mark(mark))

    assert viewing.asked == [("ask_marks", "front", STAMP, mark.marks, "")]


def test_a_negative_click_goes_to_the_object_that_was_clicked_last() -> None:
    viewing = ScriptedViewing(listed=(PROMPT,), verdict=Verdict(True, prompt_ids=("point",)))
    viewer = a_viewer(viewing)

    before = asyncio.run(viewer.mark(NEGATIVE))
    asyncio.run(viewer.mark(POSITIVE))
    viewing.listed = (PROMPT, POINT)
    asyncio.run(viewer.mark(NEGATIVE))

    assert not before.accepted
    assert "click the object first" in before.reason
    assert viewing.asked[-1] == ("ask_marks", "front", STAMP, NEGATIVE.marks, "point")


def test_a_negative_click_has_nothing_to_go_to_once_the_object_is_removed() -> None:
    viewing = ScriptedViewing(listed=(POINT,), verdict=Verdict(True, prompt_ids=("point",)))
    viewer = a_viewer(viewing)
    asyncio.run(viewer.mark(POSITIVE))
    viewing.listed = ()

    assert not asyncio.run(viewer.mark(NEGATIVE)).accepted


def test_clicks_go_to_the_selected_prompt_until_it_is_selected_again() -> None:
    viewing = ScriptedViewing(listed=(PROMPT, POINT))
    viewer = a_viewer(viewing)

    viewer.select(POINT)
    asyncio.run(viewer.mark(POSITIVE))
    viewer.select(POINT)
    asyncio.run(viewer.mark(POSITIVE))

    assert [asked[-1] for asked in viewing.asked] == ["point", ""]


@pytest.mark.parametrize(
    "act",
    [
        lambda viewer: viewer.ask("ball"),
        lambda viewer: viewer.mark(POSITIVE),
        lambda viewer: viewer.mark(NEGATIVE),
        lambda viewer: viewer.rename(PROMPT, "dice"),
        lambda viewer: viewer.remove(PROMPT),
        lambda viewer: viewer.follow(PROMPT, True),
        lambda viewer: viewer.freeze(PROMPT, True),
        lambda viewer: viewer.set_threshold(0.5),
    ],
)
def test_a_viewer_who_only_looks_changes_nothing(act) -> None:
    viewing = ScriptedViewing()

    verdict = asyncio.run(act(a_viewer(viewing, may_change=False)))

    assert (verdict.accepted, viewing.asked) == (False, [])
    assert "viewing only" in verdict.reason


def test_what_is_asked_while_paused_is_asked_of_the_held_picture_alone() -> None:
    viewing = ScriptedViewing()
    viewer = a_viewer(viewing)

    async def pause_and_ask() -> list[Verdict]:
        return [
            await viewer.pause(),
            await viewer.ask("star"),
            await viewer.mark(POSITIVE),
            await viewer.follow(PROMPT, True),
        ]

    verdicts = asyncio.run(pause_and_ask())

    assert [each.accepted for each in verdicts] == [True, True, True, False]
    assert [what[0] for what in viewing.asked] == ["hold"]
    assert [what[0] for what in viewing.held.asked] == ["ask_texts", "ask_marks"]


def test_resuming_and_leaving_let_go_of_the_held_picture() -> None:
    viewing = ScriptedViewing(cameras_there=TWO)
    viewer = a_viewer(viewing)

    for leave in (viewer.resume, lambda: viewer.show_camera("left"), viewer.end):
        asyncio.run(viewer.pause())
        assert viewer.held is not None
        leave()
        assert viewer.held is None

    assert viewing.held.released == 3


def test_a_picture_that_is_held_after_the_viewer_has_left_is_let_go() -> None:
    viewing = ScriptedViewing()
    viewer = a_viewer(viewing)
    late: Future[Holding] = Future()
    viewing.holding = late

    async def leave_while_pausing() -> None:
        pausing = asyncio.ensure_future(viewer.pause())
        await asyncio.sleep(0)
        viewer.end()
        late.set_result(Holding(Verdict(True), viewing.held))
        await pausing

    asyncio.run(leave_while_pausing())

    assert (viewer.held, viewing.held.released) == (None, 1)


def test_an_answer_that_does_not_come_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(viewer_module, "_PATIENCE_SECONDS", 0.02)
    viewing = ScriptedViewing(verdict=None)

    verdict = asyncio.run(a_viewer(viewing).ask("ball"))

    assert not verdict.accepted
    assert "no answer" in verdict.reason
    viewing.open_futures[0].set_result(Verdict(True))  # the source may still complete it


def test_a_picture_held_too_late_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(viewer_module, "_PATIENCE_SECONDS", 0.02)
    viewing = ScriptedViewing()
    late: Future[Holding] = Future()
    viewing.holding = late

    verdict = asyncio.run(a_viewer(viewing).pause())
    late.set_result(Holding(Verdict(True), viewing.held))

    assert (verdict.accepted, viewing.held.released) == (False, 1)


def test_files_of_live_pictures_hold_one_for_as_long_as_it_takes() -> None:
    viewing = ScriptedViewing()

    files = asyncio.run(a_viewer(viewing).files())

    assert isinstance(files, FrameFiles)
    assert (files.name, viewing.held.released) == ("front_7_000000005", 1)


def test_why_there_are_no_files_is_told() -> None:
    viewing = ScriptedViewing()
    refused = Verdict(False, "no picture came yet")
    viewing.holding = done(Holding(refused))

    assert asyncio.run(a_viewer(viewing).files()) == refused


def test_the_plain_picture_is_asked_for_only_where_it_shows_through() -> None:
    viewer = a_viewer(ScriptedViewing())

    assert viewer.view == View("front")
    viewer.opacity, viewer.layer = 0.5, PictureLayer.MASKS
    assert viewer.view == View("front", PictureLayer.MASKS, with_plain=True)


def test_steps_between_cameras_go_round() -> None:
    viewer = a_viewer(ScriptedViewing(cameras_there=TWO))

    assert [viewer.camera_beside(step) for step in (1, 2, -1)] == ["left", "front", "left"]


def test_a_camera_that_has_gone_is_replaced_by_the_first() -> None:
    viewing = ScriptedViewing(cameras_there=TWO)
    viewer = a_viewer(viewing)
    viewer.show_camera("left")
    viewing.cameras_there = ()
    viewer.cameras()
    assert viewer.camera == "left"  # nothing is known: it may come back

    viewing.cameras_there = TWO[:1]
    viewer.cameras()

    assert viewer.camera == "front"


def test_a_name_is_not_blank() -> None:
    viewing = ScriptedViewing()

    assert not asyncio.run(a_viewer(viewing).rename(PROMPT, "  ")).accepted
    assert asyncio.run(a_viewer(viewing).rename(PROMPT, " the  dice ")).accepted
    assert viewing.asked == [("rename", "red cube", "", "the dice")]


def test_a_held_picture_is_drawn_anew_only_for_another_view() -> None:
    viewing = ScriptedViewing()
    viewer = a_viewer(viewing)

    async def move_the_slider() -> list[bool]:
        await viewer.pause()
        drawn = []
        for viewer.opacity in (1.0, 0.9, 0.5, 1.0):
            drawn.append(await viewer.draw_held())
        return drawn

    assert asyncio.run(move_the_slider()) == [False, True, False, True]
    assert viewing.held.asked == [
        ("show", View("front", with_plain=True)),
        ("show", View("front")),
    ]
