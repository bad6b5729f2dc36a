"""The file of keep_prompts: what it gives back, and what it refuses and sets aside."""

from __future__ import annotations

import json
import os
import stat
import time
from pathlib import Path
from typing import Any

import pytest

from sam3_ros.core.geometry import Box, Point
from sam3_ros.core.segmenter.prompts import ConceptPrompt, InteractivePrompt, Prompt
from sam3_ros.ros.prompts.active import ActivePrompt
from sam3_ros.ros.prompts.kept_file import KeptFile, KeptFileError, KeptPrompt, kept_path
from sam3_ros.ros.prompts.messages import prompt_from_message
from sam3_ros.ros.prompts.requests import Source

PROMPTS: tuple[Prompt, ...] = (
    ConceptPrompt("red cube"),
    ConceptPrompt("tasse à café ☕", id="cup", label="Tasse"),
    ConceptPrompt(
        exemplars=(Box(1, 2, 3, 4), Box(5, 6, 7.5, 8)), exemplar_labels=(1, 0), id="like this"
    ),
    ConceptPrompt("ball", points=(Point(1, 2),), id="that ball"),
    InteractivePrompt(points=(Point(3.5, 4), Point(9, 9)), point_labels=(1, 0), id="it"),
    InteractivePrompt(box=Box(0, 0, 10, 20), id="in here"),
)


@pytest.fixture
def kept(tmp_path) -> KeptFile:
    return KeptFile(tmp_path / "home" / "sam3_ros" / "node.json")


def actives(camera: str | None = None) -> list[KeptPrompt]:
    return [
        KeptPrompt.of(ActivePrompt(prompt, Source.SET, value, camera))
        for value, prompt in enumerate(PROMPTS, start=1)
    ]


@pytest.mark.parametrize("camera", [None, "front"])
def test_what_was_written_is_read(kept: KeptFile, camera: str | None) -> None:
    kept.write("/node", actives(camera))
    read = kept.read()
    assert tuple(prompt_from_message(each.message) for each in read) == PROMPTS
    assert {(each.source, each.message.camera) for each in read} == {(Source.SET, camera or "")}


def test_only_its_owner_may_read_it_and_nothing_is_left_beside_it(kept: KeptFile) -> None:
    for _ in range(3):
        kept.write("/node", actives())
    assert stat.S_IMODE(kept.path.stat().st_mode) == 0o600
    assert names(kept) == [kept.path.name]


def test_no_file_is_no_prompts(kept: KeptFile) -> None:
    assert kept.read() == ()


def names(kept: KeptFile) -> list[str]:
    return [each.name for each in kept.path.parent.iterdir()]


def document(**changes: object) -> str:
    prompt = {"source": "prompts", "id": "a", "text": "ball"}
    return json.dumps({"format": 1, "prompts": [{**prompt, **changes}]})


BAD = {
    "empty": "",
    "cut": document()[:-9],
    "another format": '{"format": 2, "prompts": []}',
    "foreign": '{"recipes": ["soup"]}',
    "a list": "[]",
    "null": "null",
    "not utf-8": b"\xff\xfe\x00",
    "deep": "[" * 100_000,
    "deep objects": '{"a":' * 50_000,
    "huge": " " * (1 << 20),
    "many digits": document(positive_points=[[1, 2]]).replace("1, 2", "1, " + "9" * 100_000),
    "infinite": document(positive_points=[[1, 2]]).replace("1, 2", "1, 1e999"),
    "not a number": document(positive_points=[[1, 2]]).replace("1, 2", "1, NaN"),
    "numbers as texts": document(boxes=[["1", "2", "3", "4"]]),
    "half a point": document(positive_points=[[1]]),
    "too many points": document(positive_points=[[1, 2]] * 257),
    "too many prompts": json.dumps(
        {"format": 1, "prompts": [{"source": "prompts", "id": str(n)} for n in range(255)]}
    ),
    "long text": document(text="x" * 1001),
    "half a surrogate": document(text="\ud800"),
    "nul": document(id="a\0b"),
    "unknown key": document(command="rm"),
    "unknown source": document(source="elsewhere"),
    "id is no text": document(id={"a": 1}),
}


@pytest.mark.parametrize("what", BAD)
def test_what_is_damaged_foreign_or_hostile_is_refused_and_set_aside(
    kept: KeptFile, what: str
) -> None:
    content = BAD[what]
    data = content.encode("utf-8", "surrogatepass") if isinstance(content, str) else content
    kept.path.parent.mkdir(parents=True)
    kept.path.write_bytes(data)
    with pytest.raises(KeptFileError, match="it is now") as refused:
        kept.read()
    assert len(str(refused.value)) < 600
    assert not kept.path.exists()
    assert kept.path.with_name(f"{kept.path.name}.refused").read_bytes() == data
    assert kept.read() == ()
    kept.write("/node", actives())  # and is no hindrance from then on
    assert len(kept.read()) == len(PROMPTS)


def test_what_an_earlier_version_kept_is_read(kept: KeptFile) -> None:
    click = {"source": "prompts", "id": "it", "positive_points": [[1, 2]], "sticky": True}
    text = {"source": "prompt/text", "id": "mug", "text": "mug"}
    kept.path.parent.mkdir(parents=True)
    kept.path.write_text(json.dumps({"format": 1, "prompts": [click, text]}))
    read = [(each.message.id, each.message.tracking) for each in kept.read()]
    assert read == [("it", True), ("mug", False)]


@pytest.mark.parametrize("prompt", [{"sticky": True, "tracking": True}, {"sticky": "yes"}, []])
def test_an_old_word_is_no_way_around_the_schema(kept: KeptFile, prompt: Any) -> None:
    if isinstance(prompt, dict):
        prompt = {"source": "prompts", "id": "it", "text": "mug", **prompt}
    kept.path.parent.mkdir(parents=True)
    kept.path.write_text(json.dumps({"format": 1, "prompts": [prompt]}))
    with pytest.raises(KeptFileError, match="prompts/0"):
        kept.read()


@pytest.mark.parametrize("what", ["fifo", "folder", "endless"])
def test_what_is_no_file_is_refused_without_waiting(kept: KeptFile, what: str) -> None:
    kept.path.parent.mkdir(parents=True)
    if what == "fifo":
        os.mkfifo(kept.path)
    elif what == "folder":
        kept.path.mkdir()
    else:
        kept.path.symlink_to("/dev/zero")
    begin = time.monotonic()
    with pytest.raises(KeptFileError):
        kept.read()
    assert time.monotonic() - begin < 5
    kept.write("/node", actives())
    assert len(kept.read()) == len(PROMPTS)


def test_a_link_in_its_place_is_not_followed(kept: KeptFile, tmp_path) -> None:
    other = tmp_path / "other"
    other.write_text("precious")
    kept.path.parent.mkdir(parents=True)
    kept.path.symlink_to(other)
    kept.write("/node", actives())
    assert other.read_text() == "precious"
    assert not kept.path.is_symlink()


def test_what_cannot_be_written_leaves_the_old_prompts(kept: KeptFile, monkeypatch) -> None:
    kept.write("/node", actives())

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(KeptFileError, match="No space left on device"):
        kept.write("/node", [])
    monkeypatch.undo()
    assert len(kept.read()) == len(PROMPTS)
    assert names(kept) == [kept.path.name]


def test_more_than_can_be_read_again_is_not_written(kept: KeptFile) -> None:
    large = [
        ActivePrompt(ConceptPrompt("é" * 900, id=f"{n}"), Source.SET, n) for n in range(1, 255)
    ]
    with pytest.raises(KeptFileError, match="ask for less"):
        kept.write("/node", [KeptPrompt.of(each) for each in large])
    assert not kept.path.exists()


@pytest.mark.parametrize("place", ["a file", "/proc/nowhere"])
def test_a_folder_that_cannot_be_made_is_an_error(tmp_path, place: str) -> None:
    (tmp_path / "a file").write_text("")
    with pytest.raises(KeptFileError):
        KeptFile(tmp_path / place / "node.json").write("/node", [])


def test_what_killed_writers_left_is_removed(kept: KeptFile) -> None:
    kept.write("/node", actives())
    left = kept.path.with_name(f".sam3-ros-1-abc.{kept.path.name}.new")
    left.write_text("{")
    kept.remove_unfinished()
    assert names(kept) == [kept.path.name]


def test_each_name_and_domain_has_a_file_below_the_home_of_ros(monkeypatch) -> None:
    monkeypatch.setenv("HOME", "/home/someone")
    found = kept_path({}, "/front/segmentation_node", 7)
    assert found == Path("/home/someone/.ros/sam3_ros/front.segmentation_node.domain_7.json")
    found = kept_path({"ROS_HOME": "/var/ros"}, "/segmentation_node", 0)
    assert found == Path("/var/ros/sam3_ros/segmentation_node.domain_0.json")
