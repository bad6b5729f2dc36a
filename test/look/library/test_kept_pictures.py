"""What is kept of the pictures, and that it does not grow."""

from __future__ import annotations

import numpy as np
import pytest
from look_library import PATIENCE, LastingSegmenter, LookViewer, held_picture, mark

from sam3_ros.core.errors import PromptError
from sam3_ros.core.geometry import Point
from sam3_ros.label.read_settings import ReadSettings
from sam3_ros.look.library.bag_reel import BagReel
from sam3_ros.look.library.kept_pictures import (
    KeepingLimits,
    KeptPicture,
    KeptPictures,
    RecentFeatures,
)
from sam3_ros.look.library.library_viewing import LibraryViewing
from sam3_ros.look.viewing import Marks
from sam3_ros.ros.launching.shared_files import demo_bag


def picture(camera, stamp_ns, side=10):
    return KeptPicture(camera, stamp_ns, np.zeros((side, side, 3), np.uint8))


def test_the_oldest_go_first_by_number_and_by_bytes():
    memory = KeptPictures(KeepingLimits(pictures=3, nbytes=5 * 300))
    for stamp in range(1, 6):
        memory.add(picture("a", stamp))
    assert memory.find("a", 2) is None
    assert memory.required("a", 3).stamp_ns == 3
    for stamp in (6, 7, 8):
        memory.add(picture("b", stamp))
    assert len(memory) == 5
    assert memory.nbytes == 1500
    assert memory.newest("a").stamp_ns == 5
    with pytest.raises(PromptError, match=r"picture of 0.000000003 s is no longer kept"):
        memory.required("a", 3)
    memory.add(picture("c", 9, side=100))  # larger than all that is allowed
    assert len(memory) == 1
    assert memory.newest("c") is not None
    memory.add(picture("c", 9))
    assert memory.nbytes == 300  # in place of the one before


def test_only_the_pictures_that_were_used_last_keep_their_features():
    recent = RecentFeatures(most=2)
    pictures = [picture("a", stamp) for stamp in range(3)]
    for each in pictures:
        each.embedding = object()
    for each in (pictures[0], pictures[1], pictures[0], pictures[2]):
        recent.used(each)
    assert [each.embedding is not None for each in pictures] == [True, False, True]


def test_a_bag_that_plays_on_keeps_few_pictures_and_fewer_features():
    segmenter = LastingSegmenter.load("tabletop", threads=1)
    limits = KeepingLimits(pictures=6, encoded=2)
    reel = BagReel(demo_bag(), ReadSettings())
    viewing = LibraryViewing(reel, lambda: segmenter, ["red cube"], limits)
    try:
        with LookViewer(viewing) as viewer:
            first = viewer.until(lambda each: each.segments is not None)
            for _ in range(9):
                viewer.answered()
            memory = viewing._live.memory
            kept = viewing._thread.submit(
                lambda: [each.embedding is not None for each in memory._kept]
            ).result(PATIENCE)
            assert kept == [False] * 4 + [True] * 2
            click = Marks(positive=(Point(200.0, 200.0),))
            assert "no longer kept" in mark(viewing, first, click).reason
            # Of those that are kept, one without features is encoded anew.
            oldest = viewing._thread.submit(lambda: memory._kept[0]).result(PATIENCE)
            assert viewing._asking.marks("camera", oldest.stamp_ns, click, "", False).accepted
            held = held_picture(viewing)
        for each in range(6):
            assert mark(held, held.picture, click).prompt_ids == (f"point {each + 2}",)
    finally:
        viewing.close()
