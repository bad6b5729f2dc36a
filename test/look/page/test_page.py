"""The page in NiceGUI's own simulation of a browser: what is there, and what its controls do."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest
from nicegui import ui
from nicegui.testing import User
from nicegui.testing.user_interaction import UserInteraction
from nicegui.testing.user_simulation import user_simulation
from scripted_viewing import PROMPT, ScriptedViewing

from sam3_ros.look.page.page import build_page
from sam3_ros.look.page.picture import PictureElement
from sam3_ros.look.page.slider import SliderElement
from sam3_ros.look.rights import ViewerRights
from sam3_ros.look.viewing import Trouble, Verdict, ViewedCamera, ViewedHealth

POINT = replace(PROMPT, id="point", label="point", kind="click", text="", followed=True)
CLICK = {"camera": "front", "sec": 7, "nanosec": 5, "kind": "positive", "at": [12, 3]}


def on_a_page(
    viewing: ScriptedViewing, acts: Callable[[User], Awaitable[None]], may_change: bool = True
) -> None:
    async def run() -> None:
        def root() -> None:
            build_page(viewing, ViewerRights(may_change), "/feed")

        async with user_simulation(root) as user:
            await user.open("/")
            await acts(user)

    before = signal.getsignal(signal.SIGINT)
    try:
        asyncio.run(run())
    finally:
        signal.signal(signal.SIGINT, before)  # the simulation leaves its own


def press(user: User, name: str) -> None:
    """Click the button with this accessible name, or with these words on it."""
    with user:
        found = [
            element
            for element in user.find(kind=ui.button).elements
            if name in (element.props.get("aria-label"), element.text)
        ]
    (pressed,) = found
    with user:
        UserInteraction(user, {pressed}, None).click()


def names_of(user: User, kind: type[ui.element]) -> list[str]:
    with user:
        try:
            elements = user.find(kind=kind).elements
        except AssertionError:
            return []
        return [
            element.props.get("aria-label") or getattr(element, "text", "") for element in elements
        ]


async def until(holds: Callable[[], object]) -> None:
    for _ in range(300):
        if holds():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("did not come")


def test_prompts_are_listed_with_count_score_and_what_may_be_done() -> None:
    async def acts(user: User) -> None:
        await user.should_see("red cube")
        await user.should_see(".92")
        await user.should_see("Prompts (2)")
        buttons = names_of(user, ui.button)
        for act in ("Follow", "Freeze", "Rename", "Remove"):
            assert f"{act} red cube" in buttons
        assert "Add points to point" in buttons
        assert "Add points to red cube" not in buttons

    on_a_page(ScriptedViewing(listed=(PROMPT, POINT)), acts)


def test_labels_troubles_and_refusals_are_text_and_never_html() -> None:
    evil = "<img src=x onerror=alert(1)>"
    viewing = ScriptedViewing(
        listed=(replace(PROMPT, label=evil),),
        healthy=ViewedHealth("active", evil, last_error=evil, troubles=(Trouble(evil, evil),)),
        verdict=Verdict(False, evil),
    )

    async def acts(user: User) -> None:
        press(user, f"Remove {evil}")
        await user.should_see(f"Not done: {evil}")
        with user:
            for element in user._client.elements.values():
                assert "innerHTML" not in element.props
                assert element.tag not in ("nicegui-html", "nicegui-markdown")

    on_a_page(viewing, acts)


def test_asking_tells_what_became_of_it_and_empties_the_field() -> None:
    viewing = ScriptedViewing(verdict=Verdict(True, warnings=("the model does not know 'bal'",)))

    async def acts(user: User) -> None:
        with user:
            field = user.find(kind=ui.input, marker=None)
        (phrases,) = (each for each in field.elements if "Phrases" in each.props["aria-label"])
        with user:
            phrases.value = "bal; star"
        press(user, "Ask")
        await user.should_see("Asked “bal; star”. Note: the model does not know 'bal'")
        assert phrases.value == ""

    on_a_page(viewing, acts)

    assert viewing.asked == [("ask_texts", ("bal", "star"), "")]


def test_a_refused_text_stays_in_the_field_with_the_reason() -> None:
    async def acts(user: User) -> None:
        with user:
            fields = user.find(kind=ui.input).elements
        (phrases,) = (each for each in fields if "Phrases" in each.props["aria-label"])
        with user:
            phrases.value = "ball"
        press(user, "Ask")
        await user.should_see("Not done: the node is gone")
        assert phrases.value == "ball"

    on_a_page(ScriptedViewing(verdict=Verdict(False, "the node is gone")), acts)


def test_a_click_on_the_picture_is_asked_with_its_stamp_and_a_hostile_one_is_refused() -> None:
    viewing = ScriptedViewing()

    async def acts(user: User) -> None:
        with user:
            picture = user.find(kind=PictureElement)
            picture.trigger("mark", CLICK)
        await user.should_see("Asked for the object there.")
        with user:
            picture.trigger("mark", {**CLICK, "at": ["<script>"]})
        await user.should_see("load it again")

    on_a_page(viewing, acts)

    assert [(what[0], what[1], what[2]) for what in viewing.asked] == [
        ("ask_marks", "front", (7, 5))
    ]


def test_view_only_leaves_out_what_changes_something() -> None:
    viewing = ScriptedViewing(listed=(PROMPT, POINT))

    async def acts(user: User) -> None:
        await user.should_see("red cube")
        await user.should_see("view only")
        buttons = names_of(user, ui.button)
        assert {"Pause", "Download PNG", "Download JSON"} <= set(buttons)
        assert not {"Ask", "Remove red cube", "Follow red cube"} & set(buttons)
        assert "Threshold" not in names_of(user, SliderElement)
        with user:
            picture = user.find(kind=PictureElement)
            picture.trigger("mark", CLICK)
        await user.should_see("this page is for viewing only")

    on_a_page(viewing, acts, may_change=False)

    assert viewing.asked == []


def test_pausing_shows_the_held_picture_and_resuming_lets_it_go() -> None:
    viewing = ScriptedViewing()

    async def acts(user: User) -> None:
        press(user, "Pause")
        await user.should_see("Resume")
        with user:
            (picture,) = user.find(kind=PictureElement).elements
        assert picture.props["paused"] is True
        press(user, "Resume")
        await until(lambda: picture.props["paused"] is False)

    on_a_page(viewing, acts)

    assert viewing.held.released == 1


def test_a_trouble_is_a_red_banner_in_plain_words_until_it_is_over() -> None:
    silent = Trouble("No images for 5 s.", "Is the camera plugged in?")
    viewing = ScriptedViewing(healthy=ViewedHealth("active", "node /n", troubles=(silent,)))

    async def acts(user: User) -> None:
        await user.should_see("No images for 5 s.")
        await user.should_see("Is the camera plugged in?")
        viewing.healthy = ViewedHealth("active", "node /n")
        await user.should_not_see("No images for 5 s.", retries=30)

    on_a_page(viewing, acts)


def test_cameras_are_chosen_where_there_are_several() -> None:
    several = (ViewedCamera("front", "front"), ViewedCamera("left", "on the left"))
    viewing = ScriptedViewing(cameras_there=several)

    async def acts(user: User) -> None:
        press(user, "Next camera")
        with user:
            (picture,) = user.find(kind=PictureElement).elements
        await until(lambda: picture.props["camera"] == "left")
        assert picture.props["title"] == "on the left"

    on_a_page(viewing, acts)


@pytest.mark.parametrize(
    ("button", "name", "content"),
    [
        ("Download PNG", "front_7_000000005.png", b"overlay"),
        ("Download masks", "front_7_000000005_masks.png", b"masks"),
        ("Download JSON", "front_7_000000005.json", b"{}"),
    ],
)
def test_a_frame_is_downloaded_under_the_name_of_its_picture(
    button: str, name: str, content: bytes
) -> None:
    async def acts(user: User) -> None:
        press(user, button)
        response = await user.download.next(timeout=5.0)
        assert response.content == content
        assert name in response.headers.get("content-disposition", name)

    on_a_page(ScriptedViewing(), acts)


def test_opacity_below_all_brings_the_plain_picture_along() -> None:
    async def acts(user: User) -> None:
        with user:
            (picture,) = user.find(kind=PictureElement).elements
            for sent in ("<b>", 1e999, None, 40):
                user.find(kind=SliderElement).trigger("slide", sent)
        await until(lambda: picture.props["opacity"] == 0.4)
        await user.should_see("40 %")

    on_a_page(ScriptedViewing(), acts, may_change=False)


@pytest.mark.parametrize("value", [{"a": 1}, 7, ["red cube"], None, "cube \ud800"])
def test_what_no_field_holds_is_answered_in_words(value: object) -> None:
    async def acts(user: User) -> None:
        (phrases,) = (
            each
            for each in user.find(kind=ui.input).elements
            if "Phrases" in each.props["aria-label"]
        )
        UserInteraction(user, {phrases}, None).trigger("update:value", value)
        press(user, "Ask")
        await user.should_see("Not done: ")

    on_a_page(ScriptedViewing(), acts)
