"""Which depth belongs to which image, and why none does."""

from __future__ import annotations

from typing import Any

import pytest
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header

from sam3_ros.ros.depth.ledger import DepthLedger, DepthRefusal, DepthRefusedError
from sam3_ros.ros.depth.pairs import DepthPairs
from sam3_ros.ros.stamps import nanoseconds, time_message

MS = 1_000_000


def depth_at(milliseconds: int) -> Image:
    return Image(header=Header(stamp=time_message(milliseconds * MS)))


def pairs_of(tolerance_s: float = 0.02, has_info: bool = True) -> DepthPairs:
    pairs = DepthPairs(lambda: tolerance_s, lambda: 1.0, "/depth", "/camera_info")
    if has_info:
        pairs.note_info(CameraInfo())
    return pairs


def found(pairs: DepthPairs, milliseconds: int, may_wait: bool = True) -> int | None:
    """Return the stamp of the depth that belongs to an image, ms; None while it may come."""
    pair = pairs.find(milliseconds * MS, may_wait)
    return None if pair is None else nanoseconds(pair.depth.header.stamp) // MS


def refusal(pairs: DepthPairs, milliseconds: int, may_wait: bool = False) -> DepthRefusal:
    with pytest.raises(DepthRefusedError) as refused:
        pairs.find(milliseconds * MS, may_wait)
    return refused.value.refusal


@pytest.mark.parametrize(
    ("stamps", "expected"),
    [
        ([100, 133], 100),  # the very stamp
        ([90, 115], 90),
        ([85, 105], 105),
        ([70, 110, 140], 110),
        ([105], 105),
        ([110, 95], 95),  # in disorder
    ],
)
def test_the_nearest_is_taken(stamps: list[int], expected: int) -> None:
    pairs = pairs_of()
    pairs.take(100 * MS)
    for stamp in stamps:
        pairs.note(depth_at(stamp))

    assert found(pairs, 100) == expected


def test_while_a_nearer_one_may_come_nothing_is_decided() -> None:
    pairs = pairs_of()
    pairs.take(100 * MS)
    assert found(pairs, 100) is None
    pairs.note(depth_at(85))

    assert found(pairs, 100) is None
    assert found(pairs, 100, may_wait=False) == 85
    pairs.note(depth_at(101))
    assert found(pairs, 100) == 101


@pytest.mark.parametrize(("image", "expected"), [(233, 200), (251, None), (280, None)])
def test_depth_that_the_next_cannot_be_nearer_than_is_not_waited_with(
    image: int, expected: int | None
) -> None:
    pairs = pairs_of(0.06)
    for stamp in (0, 100, 200):
        pairs.note(depth_at(stamp))
    pairs.take(image * MS)
    assert found(pairs, image) is None  # of three it is not known yet at which pace they come
    pairs = pairs_of(0.06)
    for stamp in (-200, 0, 100, 200):
        pairs.note(depth_at(stamp + 1000))
    pairs.take((image + 1000) * MS)

    assert found(pairs, image + 1000) == (None if expected is None else expected + 1000)


def test_equal_stamps_alone_count_where_the_tolerance_is_nothing() -> None:
    pairs = pairs_of(0.0)
    pairs.note(depth_at(100))
    pairs.note(depth_at(133))

    assert found(pairs, 100) == 100
    assert refusal(pairs, 101, may_wait=True) is DepthRefusal.TOO_FAR


def test_the_depth_of_an_image_that_waits_for_its_turn_is_kept() -> None:
    pairs = pairs_of()
    pairs.note_image(100 * MS)
    for stamp in range(0, 3000, 33):
        pairs.note(depth_at(stamp))
    pairs.take(100 * MS)
    for stamp in range(3000, 6000, 33):
        pairs.note(depth_at(stamp))
        pairs.note_image(stamp * MS)

    assert found(pairs, 100) == 99
    pairs.drop(100 * MS)
    assert refusal(pairs, 100) is DepthRefusal.TOO_FAR


def test_why_there_is_none() -> None:
    assert refusal(pairs_of(), 100) is DepthRefusal.NO_DEPTH
    late = pairs_of()
    late.note(depth_at(50))
    assert refusal(late, 100) is DepthRefusal.TOO_LATE
    blind = pairs_of(has_info=False)
    blind.note(depth_at(100))
    assert found(blind, 100) is None  # it may come
    assert refusal(blind, 100) is DepthRefusal.NO_CAMERA_INFO
    blind.note_info(CameraInfo())
    assert found(blind, 100) == 100


def test_after_the_clock_jumped_back_old_depth_is_not_taken_for_new() -> None:
    pairs = pairs_of()
    for stamp in (60_000, 60_100):
        pairs.note(depth_at(stamp))
    pairs.note(depth_at(100))
    pairs.take(60_000 * MS)

    assert refusal(pairs, 60_000) is DepthRefusal.TOO_LATE
    assert found(pairs, 100) == 100


def test_an_image_that_is_the_first_after_the_jump_waits_for_its_depth() -> None:
    pairs = pairs_of()
    pairs.note(depth_at(60_000))
    pairs.take(100 * MS)

    assert found(pairs, 100) is None
    pairs.note(depth_at(105))
    assert found(pairs, 100) == 105
    assert refusal(pairs, 59_900) is DepthRefusal.TOO_LATE


def test_somebody_is_told_only_where_an_image_waits() -> None:
    pairs = pairs_of()
    assert not pairs.note(depth_at(100))
    pairs.take(100 * MS)
    assert pairs.note(depth_at(133))
    pairs.clear()
    assert not pairs.note(depth_at(166))


class Log(list[str]):
    def warning(self, words: str, **_: Any) -> None:
        self.append(words)


def test_a_ledger_warns_while_all_are_refused() -> None:
    now, log = [0.0], Log()
    ledger = DepthLedger("front", log, lambda: now[0])
    ledger.note_subscribed(True)
    assert ledger.report().finding == ""
    assert ledger.refuse(DepthRefusedError(DepthRefusal.NO_DEPTH, "remap depth"))

    report = ledger.report()
    assert report.refused[DepthRefusal.NO_DEPTH] == 1
    assert report.last == "no depth: remap depth"
    assert "nothing in space of the last 1 answers" in report.finding
    assert log == ["camera front: nothing in space of an image: no depth: remap depth"]
    ledger.count_published()
    assert ledger.report().finding == ""
    assert not ledger.refuse(DepthRefusedError(DepthRefusal.TOO_FAR, "depth is slower"))
    assert ledger.report().finding == "" and len(log) == 1
    now[0] = 11.0
    assert ledger.refuse(DepthRefusedError(DepthRefusal.TOO_LATE, "x"))
    assert ledger.report().finding
    ledger.warn_once("set depth_rectified")
    ledger.warn_once("set depth_rectified")
    assert log[2:] == ["camera front: set depth_rectified"]
    ledger.note_subscribed(False)
    assert ledger.report().finding == ""
