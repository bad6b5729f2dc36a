from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import replace

import pytest

from sam3_ros.core.errors import PromptError
from sam3_ros.core.geometry import Box
from sam3_ros.core.segmenter.prompts import ConceptPrompt, InteractivePrompt
from sam3_ros.ros.prompts.active import ActivePrompts, Snapshot
from sam3_ros.ros.prompts.requests import (
    MOST_POSITIONS,
    PromptRefusedError,
    PromptRequest,
    Source,
)

TWO = ("front", "left")
SECOND = 1_000_000_000
NOW = 100 * SECOND


def texts(*words: str, camera: str | None = None) -> list[PromptRequest]:
    return [PromptRequest(ConceptPrompt(word), camera) for word in words]


def click(
    x: float = 1.0,
    prompt_id: str = "point",
    camera: str | None = None,
    frames: int = 0,
    pins: Mapping[str, int] | None = None,
) -> PromptRequest:
    prompt = InteractivePrompt(points=((x, 1.0),), id=prompt_id)
    return PromptRequest(prompt, camera, frames=frames, pins=pins or {})


def values(active: ActivePrompts) -> dict[str, int]:
    return {entry.prompt.id: entry.label_value for entry in active.all()}


def ids(snapshot: Snapshot) -> list[str]:
    return [entry.prompt.id for entry in snapshot]


def test_a_value_is_the_least_free_and_lives_as_long_as_its_id():
    active = ActivePrompts()
    active.replace(Source.TEXT, None, texts("a", "b", "c"))
    assert values(active) == {"a": 1, "b": 2, "c": 3}
    active.replace(Source.TEXT, None, texts("d", "c"))
    assert values(active) == {"d": 1, "c": 3}
    active.replace_all(texts("c", "e", "f"))
    assert values(active) == {"c": 3, "e": 1, "f": 2}


def test_a_source_replaces_only_what_came_by_it():
    active = ActivePrompts()
    active.replace(Source.TEXT, None, texts("a"))
    active.replace(Source.POINT, None, [click()])
    active.replace(Source.BOX, None, [click(prompt_id="box")])
    active.replace(Source.TEXT, None, [])
    assert ids(active.all()) == ["point", "box"]
    active.replace_all([])
    assert active.all() == ()


def test_the_parameter_replaces_its_own_and_the_texts_for_every_camera():
    active = ActivePrompts(TWO)
    active.replace(Source.TEXT, "front", texts("a", camera="front"))
    active.put(texts("b", "c"))
    active.replace_parameter(texts("d"), [click(prompt_id="it")])
    assert values(active) == {"a": 1, "b": 2, "c": 3, "d": 4, "it": 5}
    active.replace(Source.TEXT, None, texts("e"))
    assert ids(active.all()) == ["a", "b", "c", "it", "e"]
    _, displaced = active.replace_parameter([], [*texts("b"), click(prompt_id="it")])
    assert ids(displaced) == ["b"]
    assert values(active) == {"a": 1, "c": 3, "b": 2, "it": 5}
    before = active.all()
    with pytest.raises(PromptError, match="different ids"):
        active.replace_parameter(texts("f"), texts("f"))
    assert active.all() == before
    active.replace_parameter([], [])
    assert ids(active.all()) == ["a", "c"]


def test_a_source_replaces_only_what_came_for_its_camera():
    active = ActivePrompts(TWO)
    active.replace(Source.TEXT, None, texts("a"))
    active.replace(Source.TEXT, "front", texts("b", camera="front"))
    active.replace(Source.TEXT, "left", texts("c", camera="left"))
    active.replace(Source.TEXT, "front", [])
    active.replace(Source.TEXT, None, texts("d"))
    assert ids(active.snapshot("front")) == ["d"]
    assert ids(active.snapshot("left")) == ["c", "d"]


def test_a_prompt_that_is_displaced_by_another_source_is_returned():
    active = ActivePrompts()
    active.replace_all(texts("a", "b"))
    new, (displaced,) = active.replace(Source.TEXT, None, texts("b", "c"))
    assert ids(new) == ["b", "c"]
    assert (displaced.prompt.id, displaced.source) == ("b", Source.SET)
    assert active.replace(Source.TEXT, None, texts("b", "c"))[1] == ()
    assert values(active) == {"a": 1, "b": 2, "c": 3}
    active.replace(Source.TEXT, None, [])
    assert values(active) == {"a": 1}


def test_one_by_one():
    active = ActivePrompts()
    active.replace(Source.TEXT, None, texts("a"))
    active.put([*texts("b"), click()])
    _, displaced = active.put([click(2.0), *texts("a")])
    assert [(each.prompt.id, each.source) for each in displaced] == [("a", Source.TEXT)]
    assert values(active) == {"a": 1, "b": 2, "point": 3}
    assert click(2.0).prompt in [each.prompt for each in active.all()]
    active.remove_named([(None, "a"), (None, "point")])
    assert values(active) == {"b": 2}


def test_removing_what_is_not_asked_changes_nothing():
    active = ActivePrompts(TWO)
    active.put([*texts("a"), *texts("b", camera="front")])
    with pytest.raises(PromptRefusedError, match="a prompt in use, got 'c'") as caught:
        active.remove_named([(None, "a"), (None, "c")])
    assert caught.value.prompt_id == "c"
    with pytest.raises(PromptRefusedError, match="of the camera 'left', got 'b': it is in use for"):
        active.remove_named([("left", "b")])
    assert ids(active.all()) == ["a", "b"]
    active.remove_named([(None, "b")])
    assert ids(active.all()) == ["a"]


def test_a_cameras_own_prompt_hides_the_one_of_every_camera():
    active = ActivePrompts(TWO)
    (everywhere, own, other), _ = active.put(
        [click(), click(2.0, camera="front"), click(3.0, "other", camera="left")]
    )
    assert active.snapshot("front") == (own,)
    assert active.snapshot("left") == (everywhere, other)
    assert (everywhere.label_value, own.label_value, other.label_value) == (1, 1, 2)
    active.remove_named([("front", "point")])
    assert active.snapshot("front") == (everywhere,)


def test_ids_of_a_camera_must_differ():
    active = ActivePrompts(TWO)
    active.put([click(), click(camera="front"), click(camera="left")])
    before = active.all()
    with pytest.raises(PromptRefusedError, match="different ids at the camera 'left'") as caught:
        active.replace_all([click(camera="left"), click(camera="left")])
    assert (caught.value.prompt_id, caught.value.camera) == ("point", "left")
    assert active.all() == before


def test_frames_are_counted_only_for_the_prompt_that_was_asked():
    active = ActivePrompts()
    active.replace(Source.TEXT, None, texts("a"))
    active.replace(Source.POINT, None, [click(1.0, frames=2)])
    active.answered("", active.snapshot(""), NOW)
    asked = active.snapshot("")
    active.replace(Source.POINT, None, [click(2.0, frames=1)])  # while that frame is in work
    active.answered("", asked, NOW)
    assert ids(active.all()) == ["a", "point"]
    active.answered("", active.snapshot(""), NOW)
    assert ids(active.all()) == ["a"]


def test_frames_are_counted_for_each_camera():
    active = ActivePrompts(TWO)
    active.put([click(frames=1)])
    active.answered("front", active.snapshot("front"), NOW)
    assert active.snapshot("front") == ()
    assert ids(active.all()) == ids(active.snapshot("left")) == ["point"]
    active.answered("left", active.snapshot("left"), NOW)
    assert active.all() == ()


def test_a_pinned_prompt_waits_for_its_frame_and_is_free_after_it():
    active = ActivePrompts(TWO)
    (one,), _ = active.put([click(frames=2, pins={"front": 500})])
    assert active.pinned_ns(one, "front") == 500
    assert active.pinned_ns(one, "left") is None
    assert active.snapshot("front", 600) == ()
    assert active.snapshot("front", 500) == active.snapshot("front") == (one,)
    assert active.snapshot("left", 600) == (one,)
    active.answered("front", (one,), NOW)
    assert active.pinned_ns(one, "front") is None
    assert active.snapshot("front", 600) == (one,)
    active.answered("front", (one,), NOW)
    assert active.snapshot("front") == ()
    assert active.snapshot("left") == (one,)


def test_where_it_is_hidden_a_prompt_waits_for_no_frame():
    active = ActivePrompts(TWO)
    (_, everywhere), _ = active.put(
        [click(camera="front"), click(pins={"front": 500, "left": 500})]
    )
    assert active.pinned_ns(everywhere, "front") is None
    assert active.pinned_ns(everywhere, "left") == 500


def test_a_value_is_an_ids_own_while_the_id_is_in_use():
    active = ActivePrompts()
    (old,), _ = active.put([click(1.0)])
    active.put([click(2.0)])
    assert active.has_value(old)
    active.replace_all(texts("a"))
    assert not active.has_value(old)


def test_removing_spares_a_successor():
    active = ActivePrompts()
    active.replace(Source.POINT, None, [click(1.0)])
    (old,) = active.all()
    active.replace(Source.POINT, None, [click(2.0)])
    active.remove(old)
    assert ids(active.all()) == ["point"]
    active.remove(*active.all())
    assert active.all() == ()


def test_removing_at_one_camera_leaves_the_others():
    active = ActivePrompts(TWO)
    (one,), _ = active.put([click()])
    active.remove(one, "front")
    assert active.snapshot("front") == ()
    assert active.snapshot("left") == active.all() == (one,)
    active.remove(one, "left")
    assert active.all() == ()


def test_there_are_254_values_and_too_many_prompts_change_nothing():
    active = ActivePrompts()
    active.replace_all(texts(*(f"thing {n}" for n in range(254))))
    assert set(values(active).values()) == set(range(1, 255))
    with pytest.raises(PromptError, match=r"at most 254 prompts at a time.*got 255"):
        active.replace(Source.POINT, None, [click()])
    assert len(values(active)) == 254


@pytest.mark.parametrize(
    ("prompt", "ends_with_its_object"),
    [
        (ConceptPrompt("mug"), False),
        (ConceptPrompt("mug", exemplars=(Box(1, 1, 2, 2),)), True),
        (InteractivePrompt(points=((1.0, 1.0),)), True),
    ],
)
def test_what_shows_an_object_on_an_image_ends_with_it(prompt, ends_with_its_object):
    active = ActivePrompts()
    (tracked, other), _ = active.put(
        [PromptRequest(prompt, tracking=True), PromptRequest(replace(prompt, id="other"))]
    )
    assert tracked.is_followed == ends_with_its_object
    assert not other.is_followed


def test_so_many_points_that_they_would_keep_the_model_busy_are_refused():
    points = ((1.0, 1.0),) * MOST_POSITIONS
    PromptRequest(InteractivePrompt(points=points))
    with pytest.raises(PromptError, match="at most 256 points and boxes, got 257"):
        PromptRequest(InteractivePrompt(points=points, box=Box(1, 1, 2, 2)))


def test_listeners_are_called_when_a_prompt_ends_at_one_of_its_cameras():
    active, asked = ActivePrompts(TWO), list[list[str]]()
    active.on_change(lambda: asked.append(ids(active.snapshot("front"))))
    active.put([*texts("a"), click(frames=1)])
    active.answered("front", active.snapshot("front"), NOW)
    assert asked == [["a", "point"], ["a"]]
    active.remove(active.snapshot("front")[0], "front")
    assert asked[2:] == [[]]
    assert ids(active.snapshot("left")) == ["a", "point"]
    active.answered("front", active.snapshot("left"), NOW)
    assert len(asked) == 3


def test_listeners_are_called_at_every_change_and_only_then():
    active, seen = ActivePrompts(), list[list[str]]()
    active.on_change(lambda: seen.append(ids(active.all())))
    active.replace(Source.TEXT, None, texts("a"))
    active.put([click(frames=2)])
    active.answered("", active.snapshot(""), NOW)
    with pytest.raises(PromptError):
        active.remove_named([(None, "b")])
    assert seen == [["a"], ["a", "point"]]
    active.answered("", active.snapshot(""), NOW)
    assert seen[2:] == [["a"]]
    active.remove(*active.all())
    active.replace_all([])
    assert seen[3:] == [[]]


def test_threads_see_whole_sets():
    active = ActivePrompts()
    stop = threading.Event()

    def write() -> None:
        for _ in range(300):
            active.replace(Source.TEXT, None, texts("a", "b"))
            active.replace(Source.TEXT, None, texts("c", "d", "e"))
        stop.set()

    writer = threading.Thread(target=write)
    writer.start()
    while not stop.is_set():
        assert set(ids(active.snapshot(""))) in ({"a", "b"}, {"c", "d", "e"}, set())
    writer.join()


def test_a_source_names_its_topic():
    assert Source.TEXT.topic() == "~/prompt/text"
    assert Source.POINT.topic("front") == "~/front/prompt/point"
    assert Source.SET.topic("front") == "~/prompts"
    assert Source.PARAMETER.topic("front") == "parameter prompts"


def timed(seconds: float) -> list[PromptRequest]:
    return [PromptRequest(InteractivePrompt(points=((1.0, 1.0),), id="it"), seconds=seconds)]


@pytest.mark.parametrize(
    ("after_s", "is_asked"),
    [(0.0, True), (0.9, True), (-0.5, True), (1.0, False), (60.0, False), (-50.0, False)],
)
def test_a_prompt_lasts_its_seconds_from_the_first_answer_on(after_s, is_asked):
    """Disorder of the stamps does not end it; a clock that jumps does, either way."""
    active = ActivePrompts()
    active.put(timed(1.0))
    active.end_by_time("", NOW + 3600 * SECOND)  # no answer yet
    active.answered("", active.snapshot(""), NOW)
    active.answered("", active.snapshot(""), NOW + SECOND // 2)  # only the first counts
    active.end_by_time("", NOW + int(after_s * SECOND))
    assert ids(active.all()) == (["it"] if is_asked else [])


def test_seconds_count_at_each_camera():
    active = ActivePrompts(TWO)
    active.put(timed(1.0))
    active.answered("front", active.snapshot("front"), NOW)
    active.answered("left", active.snapshot("left"), NOW + 2 * SECOND)
    for camera in TWO:
        active.end_by_time(camera, NOW + 2 * SECOND)
    assert (ids(active.snapshot("front")), ids(active.snapshot("left"))) == ([], ["it"])
