"""Lost images of a camera: by the numbers that DDS gave them, and by their stamps."""

from __future__ import annotations

import pytest

from sam3_ros.ros.frames.losses import ImageLosses, LostImages

START, STEP = 1_700_000_000_000_000_000, 100_000_000
CAMERA, OTHER = b"camera", b"other"


def test_gaps_between_numbers_are_images_that_were_sent():
    losses = ImageLosses()
    found = [losses.note(0, CAMERA, number, 1.0) for number in (7, 8, 11, 12)]
    assert found == [False, False, True, False]
    assert losses.report(1.0) == LostImages(2, 2 / 6, 2, 6, were_sent=True)


def test_what_comes_late_is_not_lost():
    losses = ImageLosses()
    for number in (1, 3, 2, 5, 4, 4):
        losses.note(0, CAMERA, number, 1.0)
    assert losses.report(1.0).count == 0


def test_each_publisher_has_numbers_of_its_own():
    losses = ImageLosses()
    for number in range(1, 20):
        losses.note(0, CAMERA, number, 1.0)
        losses.note(0, OTHER, number + 1000, 1.0)
    losses.note(0, b"the camera's driver, started again", 1, 1.0)
    assert losses.report(1.0).count == 0


@pytest.mark.parametrize("are_numbered", [True, False])
def test_images_that_were_not_sent_are_missed_by_their_stamps(are_numbered):
    losses, number = ImageLosses(), 0
    for step in range(60):
        if step < 20 or step % 4:
            number += 1
            sender = (CAMERA, number) if are_numbered else (b"", 0)
            losses.note(START + step * STEP, *sender, step * 0.1)
    lost = losses.report(5.9)
    assert (lost.count, lost.recent, lost.recent_sent) == (10, 10, 60)
    assert not lost.were_sent
    assert lost.words() == (
        "10 of the 60 images of the last 10 s did not arrive, by the gaps between their stamps"
    )


def test_what_was_lost_is_not_counted_twice():
    losses = ImageLosses()
    for step in range(60):
        if step < 20 or step % 4:
            losses.note(START + step * STEP, CAMERA, step + 1, step * 0.1)
    assert losses.report(5.9) == LostImages(10, 10 / 60, 10, 60, were_sent=True)


def test_stamps_that_nobody_set_are_no_gaps():
    losses = ImageLosses()
    for _ in range(60):
        losses.note(0, b"", 0, 1.0)
    assert losses.report(1.0) == LostImages(0, 0.0, 0, 60, were_sent=True)


def test_the_recent_ones_are_those_of_ten_seconds():
    losses = ImageLosses()
    for step in range(400):
        if step >= 100 or step % 4:
            losses.note(0, CAMERA, step + 1, step * 0.1)
    lost = losses.report(39.9)
    assert (lost.count, lost.recent, lost.recent_share) == (24, 0, 0.0)
    assert lost.share == pytest.approx(24 / 399)
