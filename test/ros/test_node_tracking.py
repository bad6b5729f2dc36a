"""Objects keep their ids from image to image, in every topic, and ~/tracks tells their story."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from camera_rig import CameraRig
from geometry_msgs.msg import Point
from node_client import NODE, NodeClient
from node_under_test import running_node
from rclpy.qos import QoSProfile
from sam3_ros.msg import (
    ActivePrompts,
    Prompt,
    Prompts,
    PromptStatus,
    Segments,
    SegmentScore,
    TrackEvent,
    TrackEvents,
)
from scenes import colour_scene, iou, patch_mask

from sam3_ros.core.geometry import ImageSize
from sam3_ros.ros.answers.segments import mask_of
from sam3_ros.ros.qos import LATCHED

HEIGHT, WIDTH = 96, 128
SIZE = ImageSize(HEIGHT, WIDTH)
GOOD = 0.75
EMPTY = colour_scene(HEIGHT, WIDTH, {})
BLUE = (80, 16, 116, 60)
ON_RED, ON_BLUE = [Point(x=20.0, y=20.0)], [Point(x=100.0, y=40.0)]
DEFAULTS = {
    "tracking": False,
    "tracking_least_score": 0.5,
    "redetect_every": 5,
    "max_objects": 64,
    "tracking_gap_s": 10.0,
    "mask_encoding": "mono8",
    "score_threshold": 0.0,
}
NAMES = {
    TrackEvent.BORN: "born",
    TrackEvent.CONFIRMED: "confirmed",
    TrackEvent.OCCLUDED: "occluded",
    TrackEvent.LOST: "lost",
    TrackEvent.FOUND: "found",
    TrackEvent.ENDED: "ended",
    TrackEvent.REFUSED: "refused",
}


def place(number: int) -> tuple[int, int, int, int]:
    """Return the red patch's corners in image `number`; it soon leaves a clicked point."""
    return 6, 8 + 3 * number, 46, 40 + 3 * number


def scene(number: int, *, blue: bool = True) -> np.ndarray:
    patches = {"red": place(number)}
    return colour_scene(HEIGHT, WIDTH, {**patches, "blue": BLUE} if blue else patches)


def both(text: str, points: list[Point]) -> tuple[Prompt, Prompt]:
    """Return a text and a click `it`, both tracked."""
    click = Prompt(id="it", positive_points=points, tracking=True)
    return Prompt(text=text, tracking=True), click


class TrackRig(CameraRig):
    """A camera whose images have stamps that go on by themselves."""

    def __init__(self, client: NodeClient, name: str = "") -> None:
        super().__init__(client, name)
        self.stamp = 100
        #: Stamps of this test's images.
        self.shown: set[int] = set()
        self.segments: list[Segments] = []
        self.events: list[TrackEvents] = []
        deep, of = QoSProfile(depth=200), f"{NODE}/{name}".rstrip("/")
        client.node.create_subscription(Segments, f"{of}/segments", self.segments.append, deep)
        client.node.create_subscription(TrackEvents, f"{of}/tracks", self.events.append, deep)
        client.spin_until(self._hears_all, "all topics")

    def see(self, image: np.ndarray, stamp: int = 0) -> dict[tuple[str, int], SegmentScore]:
        """Show the next image; return what was found by prompt and track id, best first."""
        self.stamp = stamp or self.stamp + 1
        self.shown.add(self.stamp)
        before = len(self.segments)
        self.send(self.stamp, image)

        def answer() -> Segments | None:
            new = self.segments[before:]
            return next((each for each in new if each.header.stamp.sec == self.stamp), None)

        self.latest: Segments = self.client.spin_until(answer, f"image {self.stamp}")
        found = [each.score for each in self.latest.segments]
        return {(each.prompt_id, each.track_id): each for each in found}

    def mask(self, track_id: int) -> np.ndarray:
        """Return the mask of a track in the last image."""
        (segment,) = (s for s in self.latest.segments if s.score.track_id == track_id)
        return mask_of(segment, SIZE)

    def happened(self) -> list[tuple[int, TrackEvent]]:
        """Return what happened at the images of this test, each with its image's stamp, s."""
        return [
            (message.header.stamp.sec, event)
            for message in self.events
            for event in message.events
            if message.header.stamp.sec in self.shown
        ]

    def story(self, *until: tuple[str, str, int]) -> list[tuple[str, str, int]]:
        """Return kind, prompt and track id of what happened; wait until these have."""

        def story() -> list[tuple[str, str, int]]:
            return [(NAMES[e.kind], e.prompt_id, e.track_id) for _, e in self.happened()]

        self.client.spin_until(lambda: not set(until) - set(story()), f"the events {until}")
        return story()

    def put(self, *prompts: Prompt, stamp: float = 0) -> list[PromptStatus]:
        message = Prompts(action=Prompts.PUT, prompts=list(prompts), header=self.header(stamp))
        return self.client.prompt("set", message)

    def status_after(self, begin: int) -> PromptStatus:
        self.client.spin_until(lambda: len(self.client.statuses) > begin, "a status")
        return self.client.statuses[begin]

    def _hears_all(self) -> bool:
        """Send an image; return whether its segments came, and the node knows of the others."""
        self.stamp += 1
        self.send(self.stamp, EMPTY)
        for _ in range(10):
            self.client.executor.spin_once(timeout_sec=0.05)
        return bool(self.segments)


@pytest.fixture(scope="module")
def rig_of_one_node(tmp_path_factory, sam3_bundle_path) -> Iterator[TrackRig]:
    folder = tmp_path_factory.mktemp("tracking")
    with running_node(folder, bundle=sam3_bundle_path) as (_, client):
        yield TrackRig(client)


@pytest.fixture
def rig(rig_of_one_node: TrackRig) -> Iterator[TrackRig]:
    rig = rig_of_one_node
    rig.client.prompt("set", Prompts())
    rig.see(EMPTY)  # which brings the ends of what was tracked before
    rig.client.statuses.clear()
    rig.shown.clear()
    yield rig
    rig.client.set_parameters(**DEFAULTS)


def test_ids_stay_over_images_for_a_text_a_click_and_a_box(rig: TrackRig) -> None:
    assert rig.client.set_parameters(redetect_every=2).successful
    rig.see(scene(0))
    rig.put(*both("red", ON_BLUE))
    seen = rig.see(scene(0))
    ids = dict(seen.keys())
    assert ids.keys() == {"red", "it"}
    assert len({0, *ids.values()}) == 3
    for number in range(1, 5):
        seen = rig.see(scene(number))
        assert seen.keys() == {("red", ids["red"]), ("it", ids["it"])}
        assert iou(rig.mask(ids["red"]), patch_mask(HEIGHT, WIDTH, place(number))) > GOOD
        assert seen["it", ids["it"]].track_state == SegmentScore.CONFIRMED
        assert seen["red", ids["red"]].track_age == number
    assert seen["red", ids["red"]].track_state == SegmentScore.CONFIRMED
    assert sorted(rig.story(("confirmed", "red", ids["red"]))) == sorted(
        [
            ("born", "it", ids["it"]),
            ("born", "red", ids["red"]),
            ("confirmed", "red", ids["red"]),
        ]
    )


def test_what_is_hidden_is_listed_without_a_mask_and_comes_back_with_its_id(rig: TrackRig) -> None:
    assert rig.client.set_parameters(redetect_every=1).successful
    rig.put(Prompt(text="red", tracking=True), Prompt(id="other", text="blue"))
    ((_, number),) = (key for key in rig.see(scene(0)) if key[1])
    assert rig.see(scene(0))["red", number].track_state == SegmentScore.CONFIRMED
    for unseen in range(1, 4):
        found = rig.see(EMPTY)
        hidden = found["red", number]
        assert (hidden.score, hidden.frames_unseen, hidden.track_age) == (0.0, unseen, unseen + 1)
        assert hidden.track_state in (SegmentScore.OCCLUDED, SegmentScore.LOST)
        assert not rig.mask(number).any()
        assert hidden.box.x_max > hidden.box.x_min
        assert list(found) == [("red", number)]
    back = rig.see(scene(1))
    assert back["red", number].frames_unseen == 0
    assert iou(rig.mask(number), patch_mask(HEIGHT, WIDTH, place(1))) > GOOD
    kinds = [kind for kind, _, _ in rig.story(("found", "red", number))]
    assert kinds[:2] == ["born", "confirmed"]
    assert kinds[-1] == "found"
    assert {"occluded", "lost"} & set(kinds)
    stamps = [stamp for stamp, _ in rig.happened()]
    assert stamps == sorted(stamps)
    assert rig.events[-1].header == rig.latest.header


def test_a_click_whose_object_is_gone_ends_with_the_reason(rig: TrackRig) -> None:
    lists = rig.client.collect(ActivePrompts, f"{NODE}/active_prompts", LATCHED)
    assert rig.client.set_parameters(tracking=True).successful
    rig.see(scene(0, blue=False))
    assert rig.click(20.5, 10.5, stamp=rig.stamp).accepted
    for number in range(1, 3):  # this model never looks outside of the last mask's box
        ((_, track_id),) = rig.see(scene(number, blue=False))
        assert iou(rig.mask(track_id), patch_mask(HEIGHT, WIDTH, place(number))) > GOOD
    before = len(rig.client.statuses)
    assert not rig.see(EMPTY)
    status = rig.status_after(before)
    assert (status.prompt_id, status.accepted) == ("point", False)
    assert status.reason == "no longer tracked: the model sees no object there; show it again"
    assert status.header == rig.header(rig.stamp)
    rig.client.spin_until(lambda: lists and not lists[-1].prompts, "the empty list")
    assert rig.story(("ended", "point", track_id))[-1] == ("ended", "point", track_id)
    assert not rig.see(scene(0))


def test_a_score_below_the_least_is_not_seen(rig: TrackRig) -> None:
    rig.see(scene(0))
    rig.put(Prompt(id="it", tracking=True, positive_points=ON_RED), Prompt(text="red"))
    assert {prompt_id for prompt_id, _ in rig.see(scene(1))} == {"it", "red"}
    assert rig.client.set_parameters(tracking_least_score=1.0).successful
    before = len(rig.client.statuses)
    assert {prompt_id for prompt_id, _ in rig.see(scene(1))} == {"red"}
    status = rig.status_after(before)
    assert (status.prompt_id, status.accepted) == ("it", False)
    assert "1.00" in status.reason


def test_a_click_on_nothing_is_refused(rig: TrackRig) -> None:
    rig.see(scene(0))
    before = len(rig.client.statuses)
    rig.put(Prompt(id="it", tracking=True, positive_points=[Point(x=60.0, y=90.0)]))
    status = rig.status_after(before + 1)
    assert (status.prompt_id, status.accepted) == ("it", False)
    assert status.reason.startswith("not tracked: ")
    assert not rig.see(scene(1))
    refused = ("refused", "it", 0)
    assert rig.story(refused) == [refused]


def test_a_click_on_an_earlier_image_is_answered_there_and_followed_from_the_next(
    rig: TrackRig,
) -> None:
    rig.put(Prompt(id="blue", text="blue", tracking=True))
    rig.see(scene(0))
    clicked = rig.stamp
    rig.see(scene(1))
    answered = len(rig.segments)
    rig.put(Prompt(id="it", tracking=True, positive_points=ON_RED), stamp=clicked)
    rig.client.spin_until(lambda: len(rig.segments) > answered, "its answer")
    earlier = rig.segments[answered]
    assert earlier.header == rig.header(clicked)
    assert {each.score.prompt_id for each in earlier.segments} == {"blue", "it"}
    (number,) = (s.score.track_id for s in earlier.segments if s.score.prompt_id == "it")
    for later in (2, 3):
        seen = rig.see(scene(later))
        assert seen["it", number].track_age == later - 1
        assert iou(rig.mask(number), patch_mask(HEIGHT, WIDTH, place(later))) > GOOD
    story = rig.story(("born", "it", number))
    assert [each for each in story if each[1] == "it"] == [("born", "it", number)]


def test_a_click_on_an_earlier_image_of_another_size_ends_nothing_else(rig: TrackRig) -> None:
    rig.see(np.kron(scene(0), np.ones((2, 2, 1), np.uint8)))
    larger = rig.stamp
    rig.put(Prompt(text="blue", tracking=True))
    before = rig.see(scene(0)).keys()
    begin = len(rig.client.statuses)
    rig.put(Prompt(id="it", tracking=True, positive_points=ON_RED), stamp=larger)
    status = rig.status_after(begin + 1)
    assert status.reason == "not tracked: by now the camera's images are of 128x96 px"
    assert rig.see(scene(0)).keys() == before


def test_what_is_removed_or_replaced_ends_and_its_ids_are_never_given_again(rig: TrackRig) -> None:
    rig.put(Prompt(id="a", text="red", tracking=True), Prompt(id="b", text="blue", tracking=True))
    first = rig.see(scene(0))
    rig.put(Prompt(id="a", text="red", tracking=True, label="again"))
    second = rig.see(scene(0))
    ids, again = dict(first.keys()), dict(second.keys())
    assert again["b"] == ids["b"]
    assert again["a"] > max(ids.values())
    assert second["a", again["a"]].label == "again"
    remove = Prompts(action=Prompts.REMOVE, prompts=[Prompt(id="b")])
    assert rig.client.prompt("set", remove)[0].accepted
    assert list(rig.see(scene(0))) == [("a", again["a"])]
    rig.client.prompt("set", Prompts(prompts=[Prompt(id="c", text="blue", tracking=True)]))
    ((prompt_id, number),) = rig.see(scene(0))
    assert prompt_id == "c"
    assert number > again["a"]
    story = rig.story(("ended", "a", again["a"]))
    ended = [each[1:] for each in story if each[0] == "ended"]
    assert ended == [("a", ids["a"]), ("b", ids["b"]), ("a", again["a"])]
    reasons = {event.reason for _, event in rig.happened() if event.kind == TrackEvent.ENDED}
    assert reasons == {"its prompt is no longer asked"}


def test_beyond_max_objects_a_click_is_refused_and_a_text_told_of(rig: TrackRig) -> None:
    assert rig.client.set_parameters(max_objects=1).successful
    two = colour_scene(HEIGHT, WIDTH, {"red": [place(0), BLUE]})
    rig.put(Prompt(text="red", tracking=True))
    ((_, number),) = rig.see(two)
    rig.put(Prompt(id="it", positive_points=ON_BLUE, tracking=True))
    begin = len(rig.client.statuses)
    rig.client.spin_until(
        lambda: [s for s in rig.client.statuses[begin - 1 :] if not s.accepted], "the refusal"
    )
    status = rig.client.statuses[-1]
    assert (status.prompt_id, status.accepted) == ("it", False)
    assert "max_objects" in status.reason
    assert list(rig.see(two)) == [("red", number)]
    rig.story(("refused", "red", 0), ("refused", "it", 0))
    values, words = {}, []

    def warned(now: dict[str, str], summary: object) -> bool:
        values.update(now)
        words.append(summary.message)  # type: ignore[attr-defined]
        return "objects are found and not tracked: there are 1 objects already" in words[-1]

    rig.client.diagnosed(warned)
    assert int(values["objects refused, max_objects"]) >= 2
    assert values["tracks, tentative"] == "1"
    assert float(values["tracks MiB"]) > 0
    assert int(values["track ids given"]) >= number
    assert rig.client.set_parameters(max_objects=8, redetect_every=1).successful
    assert len(rig.see(two)) == 2


@pytest.mark.parametrize("gap", ["clock", "inactive", "time", "size"])
def test_after_a_gap_texts_begin_anew_and_clicks_are_over(rig: TrackRig, gap: str) -> None:
    rig.see(scene(0))
    rig.put(*both("blue", ON_RED))
    before = rig.see(scene(0))
    assert {prompt_id for prompt_id, _ in before} == {"blue", "it"}
    highest, begin, image = rig.stamp, len(rig.client.statuses), scene(0)
    stamp = highest + 1
    if gap == "clock":
        stamp, why = 3, "the clock jumped back in between"
    elif gap == "time":
        stamp, why = highest + 11, "no image was answered for 11.0 s (tracking_gap_s 10)"
    elif gap == "size":
        image = np.kron(image, np.ones((2, 2, 1), np.uint8))
        why = "the image's size changed from 128x96 to 256x192"
    else:
        assert rig.client.transition("deactivate")
        assert rig.client.transition("activate")
        why = "the node was inactive in between"
    ((prompt_id, number),) = rig.see(image, stamp)
    assert prompt_id == "blue"
    assert number > max(number for _, number in before)
    status = rig.status_after(begin)
    assert (status.prompt_id, status.accepted) == ("it", False)
    assert status.reason == f"no longer tracked: {why}: click again"
    assert status.header == rig.header(stamp)
    rig.story(*(("ended", *each) for each in before))
    ended = [event for _, event in rig.happened() if event.kind == TrackEvent.ENDED]
    assert {(event.prompt_id, event.reason) for event in ended} == {("blue", why), ("it", why)}
    rig.stamp = highest + 100


def test_with_a_gap_of_0_objects_are_never_ended_by_time(rig: TrackRig) -> None:
    assert rig.client.set_parameters(tracking_gap_s=0.0).successful
    rig.put(Prompt(text="blue", tracking=True))
    before = rig.see(scene(0))
    assert rig.see(scene(0), rig.stamp + 3600).keys() == before.keys()


def test_in_a_mono16_mask_a_pixel_is_the_track(rig: TrackRig) -> None:
    assert rig.client.set_parameters(mask_encoding="mono16").successful
    rig.put(Prompt(text="red", tracking=True), Prompt(text="blue"))
    for number in range(3):
        seen = rig.see(scene(number))
        (track_id,) = (track_id for prompt_id, track_id in seen if prompt_id == "red")
        (mask,) = rig.answers(rig.masks, rig.stamp, 1)
        pixels = np.frombuffer(mask.data, np.uint16).reshape(mask.height, mask.width)
        red = patch_mask(HEIGHT, WIDTH, place(number))
        assert seen["red", track_id].id == track_id
        assert iou(pixels == track_id, red) > GOOD
        assert seen["blue", 0].id == 65_535
        assert iou(pixels == 65_535, patch_mask(HEIGHT, WIDTH, BLUE)) > GOOD
    assert rig.see(EMPTY)["red", track_id].id == track_id


def test_the_time_of_each_object_is_told(rig: TrackRig) -> None:
    rig.put(Prompt(text="red", tracking=True), Prompt(text="blue", tracking=True))
    ids = {track_id for _, track_id in rig.see(scene(0))}
    assert rig.see(scene(1))
    (timing,) = rig.answers(rig.timings, rig.stamp, 1)
    of_objects = {s.stage: s.milliseconds for s in timing.stages if s.stage.startswith("track/")}
    assert of_objects.keys() == {f"track/{number}" for number in ids}
    assert all(value > 0 for value in of_objects.values())


def test_a_text_of_the_simple_topic_is_tracked_as_the_parameter_says(rig: TrackRig) -> None:
    for wanted in (True, False):
        assert rig.client.set_parameters(tracking=wanted, prompts=["red"]).successful
        ((_, number),) = rig.see(scene(0))
        assert bool(number) == wanted
    assert rig.client.set_parameters(prompts=[""]).successful


def test_a_raised_threshold_holds_for_texts_in_use(rig: TrackRig) -> None:
    assert rig.client.set_parameters(redetect_every=1).successful
    rig.put(Prompt(text="red", tracking=True))
    assert rig.client.set_parameters(score_threshold=0.99).successful
    assert not rig.see(scene(0))
    assert rig.client.set_parameters(score_threshold=0.0).successful
    assert len(rig.see(scene(0))) == 1


def test_memory_is_freed_as_objects_come_and_go(rig: TrackRig) -> None:
    assert rig.client.set_parameters(redetect_every=1).successful
    last = 0
    for _ in range(5):
        rig.client.prompt("set", Prompts(prompts=[Prompt(id="a", text="red", tracking=True)]))
        ((_, number),) = rig.see(scene(0))
        assert number > last
        last = number
    rig.client.prompt("set", Prompts())
    rig.client.diagnosed(lambda values, _: values["tracks MiB"] == "0.000")
    rig.see(EMPTY)
    kinds = [kind for kind, _, _ in rig.story(("ended", "a", last))]
    assert kinds.count("born") == kinds.count("ended") == 5


def test_a_node_that_is_not_active_remembers_nothing(rig: TrackRig) -> None:
    rig.put(Prompt(text="red", tracking=True))
    assert rig.see(scene(0))
    assert rig.client.transition("deactivate")
    rig.client.diagnosed(lambda values, _: values["tracks, tentative"] == "0")
    assert rig.client.transition("activate")


def test_cameras_keep_apart(tmp_path_factory, sam3_bundle_path) -> None:
    folder = tmp_path_factory.mktemp("cameras")
    parameters = {"prompts": "['red']", "tracking": "true", "cameras": "[front, left]"}
    parameters["redetect_every"] = "1"
    with running_node(folder, bundle=sam3_bundle_path, **parameters) as (_, client):
        front, left = TrackRig(client, "front"), TrackRig(client, "left")
        for number in range(3):
            assert front.see(scene(number)).keys() == {("red", 1)}
        ((_, of_left),) = left.see(scene(0))
        assert of_left == 1  # ids are a camera's own
        assert left.see(EMPTY)["red", 1].frames_unseen == 1
        assert front.see(scene(3))["red", 1].frames_unseen == 0
        assert front.see(scene(3), stamp=3).keys() == {("red", 2)}  # its clock jumped back
        assert left.see(scene(0)).keys() == {("red", 1)}
        assert {each[2] for each in left.story(("born", "red", 1))} == {1}
