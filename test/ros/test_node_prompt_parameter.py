"""The parameter `prompts` with points and boxes: at the start, and set while the node runs."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from node_client import NODE, NodeClient
from node_under_test import running_node
from sam3_ros.msg import ActivePrompts, Prompt, Prompts, Segments
from scenes import colour_scene, iou, patch_mask

from sam3_ros.core.geometry import ImageSize
from sam3_ros.ros.answers.segments import mask_of
from sam3_ros.ros.qos import LATCHED

HEIGHT, WIDTH = 96, 128
RED, BLUE = (10, 10, 40, 40), (80, 16, 116, 60)
SCENE = colour_scene(HEIGHT, WIDTH, {"red": RED, "blue": BLUE})
GOOD = 0.9
AT_START = "['{point: [25, 25], id: it}', blue]"


def overlap(message: Segments, prompt_id: str, corners: tuple[int, int, int, int]) -> float:
    (segment,) = (s for s in message.segments if s.score.prompt_id == prompt_id)
    mask = mask_of(segment, ImageSize(HEIGHT, WIDTH))
    return iou(mask, patch_mask(HEIGHT, WIDTH, corners))


class Asked:
    def __init__(self, client: NodeClient) -> None:
        self.client = client
        self._lists = client.collect(ActivePrompts, f"{NODE}/active_prompts", LATCHED)

    def by_source(self, *expected: tuple[str, str]) -> None:
        """Wait until exactly these (id, source) pairs are active."""

        def found() -> bool:
            now = [(each.prompt.id, each.source) for each in self._lists[-1].prompts]
            return sorted(now) == sorted(expected)

        self.client.spin_until(lambda: self._lists and found(), f"the list {expected}")


@pytest.fixture(scope="module")
def asked_of_one_node(tmp_path_factory, sam3_bundle_path) -> Iterator[Asked]:
    folder = tmp_path_factory.mktemp("node")
    with running_node(folder, bundle=sam3_bundle_path, prompts=AT_START) as (_, client):
        client.connected()
        yield Asked(client)


@pytest.fixture
def asked(asked_of_one_node: Asked) -> Iterator[Asked]:
    yield asked_of_one_node
    asked_of_one_node.client.prompt("set", Prompts())
    asked_of_one_node.client.set_parameters(prompts=[""])


def test_a_point_of_the_start_is_answered_on_the_first_image(asked: Asked) -> None:
    asked.by_source(("it", "parameter prompts"), ("blue", "~/prompt/text"))
    first = asked.client.answer(SCENE, "segments")["segments"]
    assert overlap(first, "it", RED) > GOOD
    assert overlap(first, "blue", BLUE) > GOOD
    second = asked.client.answer(SCENE, "segments")["segments"]
    assert {each.score.prompt_id for each in second.segments} == {"it", "blue"}


def test_what_is_set_later_is_answered_at_once_in_place_of_what_was_set_before(
    asked: Asked,
) -> None:
    client = asked.client
    assert client.set_parameters(prompts=["{point: [25, 25], id: it}", "red"]).successful
    seen = client.answer(SCENE, "segments")["segments"]
    client.click(100.0, 40.0)
    client.prompt("set", Prompts(action=Prompts.PUT, prompts=[Prompt(id="mine", text="green")]))
    before = len(client.outputs["segments"])
    assert client.set_parameters(prompts=["{box: [80, 16, 116, 60], id: boxed}"]).successful
    answer = client.answer_to("boxed", before)
    assert answer.header.stamp == seen.header.stamp
    assert overlap(answer, "boxed", BLUE) > GOOD
    others = (("mine", "~/prompts"), ("point", "~/prompt/point"))  # a click lasts a second
    asked.by_source(("boxed", "parameter prompts"), *others)
    client.ask("red")
    asked.by_source(("boxed", "parameter prompts"), *others, ("red", "~/prompt/text"))


def test_a_semicolon_separates_in_the_parameter_as_on_the_topic(asked: Asked) -> None:
    text = "red; a, b;"
    assert asked.client.set_parameters(prompts=[text]).successful
    asked.by_source(("red", "~/prompt/text"), ("a, b", "~/prompt/text"))
    red, odd = asked.client.ask(text)
    assert (list(red.warnings), odd.prompt_id) == ([], "a, b")
    assert "phrases are separated by ';'" in odd.warnings[0]
    asked.by_source(("red", "~/prompt/text"), ("a, b", "~/prompt/text"))


def test_what_is_refused_changes_nothing(asked: Asked) -> None:
    client = asked.client
    assert client.set_parameters(prompts=["{point: [25, 25], id: it}"]).successful
    client.answer(SCENE, "segments")
    for entry, reason in (
        (
            "{point: [25]}",
            "'{point: [25]}', line 1, point: expected [x, y] in pixels, got ['25']",
        ),
        ("{point: [2", "is not plain YAML"),
        ("{point: [500, 25]}", "outside the image"),
        ("{text: mug, camera: front}", "there is no camera 'front'"),
    ):
        refused = client.set_parameters(prompts=["red", entry])
        assert not refused.successful
        assert reason in refused.reason
    asked.by_source(("it", "parameter prompts"))
