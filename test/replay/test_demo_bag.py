"""The bag that is shipped: two cameras that see the same objects, each with depth and its truth."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import cv2
import numpy as np
import pytest

from sam3_ros.replay.bag.bag import Bag, open_bag
from sam3_ros.replay.bag.places import read_places
from sam3_ros.replay.bag.stamps import read_header
from sam3_ros.replay.bag.truth import TrueObject, read_truth
from sam3_ros.ros.images.depth import depth_image
from sam3_ros.ros.launching.shared_files import demo_bag

# A board passes before it once.
HIDDEN = TrueObject("white", "ball")
FRONT_DEPTH, SIDE_DEPTH = "/camera/depth/image_raw", "/side/depth/image_raw"
FRONT, SIDE = "/camera/image/compressed", "/side/image/compressed"


@pytest.fixture(scope="module")
def bag() -> Iterator[Bag]:
    with open_bag(demo_bag()) as opened:
        yield opened


def test_each_camera_has_images_info_and_labels(bag: Bag) -> None:
    counts = {name: topic.message_count for name, topic in bag.topics.items()}
    front = dict.fromkeys((FRONT, "/camera/camera_info", "/truth/labels"), 150)
    side = dict.fromkeys((SIDE, "/side/camera_info", "/side/truth/labels"), 75)
    depth = dict.fromkeys((FRONT_DEPTH, "/camera/depth/camera_info"), 30)
    depth |= dict.fromkeys((SIDE_DEPTH, "/side/depth/camera_info"), 15)
    once = dict.fromkeys(("/truth/objects", "/truth/places", "/side/truth/places"), 1)
    assert counts == {**front, **side, **depth, **once}
    assert bag.camera_topics == [FRONT, SIDE]


def test_it_stays_small() -> None:
    assert sum(path.stat().st_size for path in demo_bag().iterdir()) < 10e6


@pytest.mark.parametrize(("images", "depth"), [(FRONT, FRONT_DEPTH), (SIDE, SIDE_DEPTH)])
def test_every_fifth_image_has_depth_before_it(bag: Bag, images: str, depth: str) -> None:
    order = [(m.topic, read_header(m.cdr)) for m in bag.messages([images, depth])]
    stamps = [header for topic, header in order if topic == images]
    assert [header for topic, header in order if topic == depth] == stamps[::5]
    for (topic, header), (after, later) in pairwise(order):
        if topic == depth:
            assert (after, later) == (images, header)


@pytest.mark.parametrize(("images", "depth"), [(FRONT, FRONT_DEPTH), (SIDE, SIDE_DEPTH)])
def test_depth_has_holes_and_agrees_with_the_true_places(bag: Bag, images: str, depth: str) -> None:
    """Objects lie where the truth says, by the depth in the middle of each, and by camera_info."""
    places, truth = read_places(bag, images), read_truth(bag, images)
    assert truth is not None
    info = bag.decode(next(bag.messages([depth.replace("image_raw", "camera_info")])))
    for message in list(bag.messages([depth]))[::5]:
        stamp = read_header(message.cdr).stamp_ns
        z = depth_image(bag.decode(message)).metres
        assert z.shape == (info.height, info.width) == (240, 320)
        assert 0.01 < np.isnan(z).mean() < 0.4
        seen = set(np.unique(truth.labels[stamp][::2, ::2])) - {0}
        assert seen - set(places[stamp]) == set()
        for number, place in places[stamp].items():
            rows, columns = np.nonzero((truth.labels[stamp][::2, ::2] == number) & ~np.isnan(z))
            depths = z[rows, columns]
            x, y = (
                (columns - info.k[2]) / info.k[0] * depths,
                (rows - info.k[5]) / info.k[4] * depths,
            )
            middle = np.median([x, y, depths], axis=1)
            assert np.linalg.norm(middle - place.centre) < 0.75 * place.box[0]


def test_frame_and_stamp_tell_the_cameras_apart(bag: Bag) -> None:
    headers = {
        topic: [read_header(message.cdr) for message in bag.messages([topic])]
        for topic in (FRONT, SIDE)
    }
    assert {h.frame_id for h in headers[FRONT]} == {"camera_optical_frame"}
    assert {h.frame_id for h in headers[SIDE]} == {"side_optical_frame"}
    stamps = {topic: {h.stamp_ns for h in found} for topic, found in headers.items()}
    assert not stamps[FRONT] & stamps[SIDE]
    assert sorted(stamps[SIDE]) == [h.stamp_ns for h in headers[SIDE]]


@pytest.mark.parametrize("images", [FRONT, SIDE])
def test_each_camera_sees_every_object_but_one_in_every_image(bag: Bag, images: str) -> None:
    truth = read_truth(bag, images)
    assert truth is not None
    assert {read_header(m.cdr).stamp_ns for m in bag.messages([images])} == set(truth.labels)
    assert len(truth.objects) == 9
    for labels in truth.labels.values():
        seen = np.bincount(labels.ravel(), minlength=10)
        always = [n for n, kind in truth.objects.items() if kind != HIDDEN or images == SIDE]
        assert min(seen[number] for number in always) > 1000


def test_one_object_is_hidden_from_the_first_camera_for_about_a_second(bag: Bag) -> None:
    truth = read_truth(bag, FRONT)
    assert truth is not None
    (number,) = (n for n, kind in truth.objects.items() if kind == HIDDEN)
    seen = np.array([np.count_nonzero(truth.labels[t] == number) for t in sorted(truth.labels)])
    hidden = np.flatnonzero(seen == 0)
    assert 12 <= hidden.size <= 20
    assert np.all(np.diff(hidden) == 1)
    assert seen[: hidden[0] - 6].min() > 2500
    assert seen[hidden[-1] + 8 :].min() > 2500
    assert seen.size - hidden[-1] > 12


def test_the_second_camera_looks_from_somewhere_else(bag: Bag) -> None:
    first = [next(bag.messages([topic])) for topic in (FRONT, SIDE)]
    images = [
        cv2.imdecode(np.asarray(bag.decode(m).data), cv2.IMREAD_COLOR).astype(int) for m in first
    ]
    assert images[0].shape == images[1].shape == (480, 640, 3)
    assert np.abs(images[0] - images[1]).mean() > 10
