from __future__ import annotations

import threading

import pytest

from sam3_ros.core.errors import PromptError
from sam3_ros.core.prompts import ConceptPrompt, InteractivePrompt
from sam3_ros.ros.active_prompts import ActivePrompts, Source


def texts(*words: str) -> list[ConceptPrompt]:
    return [ConceptPrompt(word) for word in words]


def click(x: float = 1.0, prompt_id: str = "point") -> InteractivePrompt:
    return InteractivePrompt(points=((x, 1.0),), id=prompt_id)


def values(active: ActivePrompts) -> dict[str, int]:
    return {entry.prompt.id: entry.label_value for entry in active.snapshot()}


def test_a_value_is_the_least_free_and_lives_as_long_as_its_id():
    active = ActivePrompts()
    active.replace(Source.TEXT, texts("a", "b", "c"))
    assert values(active) == {"a": 1, "b": 2, "c": 3}
    active.replace(Source.TEXT, texts("d", "c"))
    assert values(active) == {"d": 1, "c": 3}
    active.replace_all(texts("c", "e", "f"))
    assert values(active) == {"c": 3, "e": 1, "f": 2}


def test_a_source_replaces_only_what_came_by_it():
    active = ActivePrompts()
    active.replace(Source.TEXT, texts("a"))
    active.replace(Source.POINT, [click()])
    active.replace(Source.BOX, [click(prompt_id="box")])
    active.replace(Source.TEXT, [])
    assert list(values(active)) == ["point", "box"]
    active.replace_all([])
    assert values(active) == {}


def test_a_set_is_not_touched_by_a_text_save_of_the_same_id():
    active = ActivePrompts()
    active.replace_all(texts("a", "b"))
    (displaced,) = active.replace(Source.TEXT, texts("b", "c"))
    assert (displaced.prompt.id, displaced.source) == ("b", Source.SET)
    assert active.replace(Source.TEXT, texts("b", "c")) == ()
    assert values(active) == {"a": 1, "b": 2, "c": 3}
    active.replace(Source.TEXT, [])
    assert values(active) == {"a": 1}


def test_frames_are_counted_only_for_the_prompt_that_was_asked():
    active = ActivePrompts()
    active.replace(Source.TEXT, texts("a"))
    active.replace(Source.POINT, [click(1.0)], frames=2)
    active.answered(active.snapshot())
    asked = active.snapshot()
    active.replace(Source.POINT, [click(2.0)], frames=1)  # while that frame is in work
    active.answered(asked)
    assert list(values(active)) == ["a", "point"]
    active.answered(active.snapshot())
    assert list(values(active)) == ["a"]


def test_removing_spares_a_successor():
    active = ActivePrompts()
    active.replace(Source.POINT, [click(1.0)])
    (old,) = active.snapshot()
    active.replace(Source.POINT, [click(2.0)])
    active.remove(old)
    assert list(values(active)) == ["point"]
    active.remove(*active.snapshot())
    assert values(active) == {}


def test_there_are_254_values_and_too_many_prompts_change_nothing():
    active = ActivePrompts()
    active.replace_all(texts(*(f"thing {n}" for n in range(254))))
    assert set(values(active).values()) == set(range(1, 255))
    with pytest.raises(PromptError, match="at most 254 prompts"):
        active.replace(Source.POINT, [click()])
    assert len(values(active)) == 254


def test_threads_see_whole_sets():
    active = ActivePrompts()
    stop = threading.Event()

    def write() -> None:
        for _ in range(300):
            active.replace(Source.TEXT, texts("a", "b"))
            active.replace(Source.TEXT, texts("c", "d", "e"))
        stop.set()

    writer = threading.Thread(target=write)
    writer.start()
    while not stop.is_set():
        assert set(values(active)) in ({"a", "b"}, {"c", "d", "e"}, set())
    writer.join()
