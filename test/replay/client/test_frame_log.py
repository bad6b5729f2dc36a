"""What came back for which image."""

from __future__ import annotations

import numpy as np
import pytest
from sam3_ros.msg import SegmentScore, SegmentScores
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from sam3_ros.core.segmenter.segments import TrackState, TrackStatus
from sam3_ros.replay.bag.stamps import MessageHeader
from sam3_ros.replay.client.answered_frame import labels_of
from sam3_ros.replay.client.frame_log import FrameLog
from sam3_ros.ros.images.messages import image_message

SECOND = 1_000_000_000


def header(seconds: int, frame_id: str = "camera") -> Header:
    made = Header(frame_id=frame_id)
    made.stamp.sec = seconds
    return made


def mask(seconds: int, frame_id: str = "camera", dtype: type = np.uint8) -> Image:
    labels = np.array([[0, 1], [3, 3]], dtype)
    encoding = "mono8" if dtype is np.uint8 else "mono16"
    return image_message(labels, encoding, header(seconds, frame_id))


def scores(seconds: int) -> SegmentScores:
    found = [
        SegmentScore(id=1, label_value=3, prompt_id="red"),
        SegmentScore(id=3, label_value=1, prompt_id="blue"),
    ]
    return SegmentScores(header=header(seconds), segments=found)


@pytest.fixture
def log() -> FrameLog:
    made = FrameLog()
    for seconds in (1, 2):
        made.sent(MessageHeader(seconds * SECOND, "camera"), seconds, now=10.0 * seconds)
    return made


def test_mask_and_scores_make_an_answer_in_either_order(log):
    assert log.mask(mask(1), now=10.5) is None
    first = log.scores(scores(1))
    assert log.scores(scores(2)) is None
    second = log.mask(mask(2), now=20.25)
    assert [(a.bag_stamp_ns, a.sent_at) for a in (first, second)] == [(1, 10.0), (2, 20.0)]
    assert log.latencies == [0.5, 0.25]
    assert (log.sent_count, log.mask_count, log.missing_scores) == (2, 2, 0)


def test_a_mask_counts_as_answered_without_its_scores(log):
    log.mask(mask(1), now=11.0)
    assert (log.mask_count, log.missing_scores) == (1, 1)


def test_an_image_that_was_clicked_on_may_be_answered_again(log):
    log.expect_repeats(1)
    first = log.mask(mask(1), now=11.0) or log.scores(scores(1))
    again = log.scores(scores(1)) or log.mask(mask(1), now=12.0)
    log.mask(mask(1), now=13.0)
    assert [(a.repeat, a.latency) for a in (first, again)] == [(False, 1.0), (True, 2.0)]
    assert (log.mask_count, log.click_answers, log.stray_masks) == (1, 1, 1)


def test_a_stamp_that_is_sent_again_is_the_later_image(log):
    first = log.mask(mask(1), now=10.5) or log.scores(scores(1))
    log.sent(MessageHeader(SECOND, "camera"), 1, now=30.0, loop=1)
    second = log.mask(mask(1), now=30.5) or log.scores(scores(1))
    assert [(a.loop, a.repeat, a.sent_at) for a in (first, second)] == [
        (0, False, 10.0),
        (1, False, 30.0),
    ]
    assert (log.sent_count, log.mask_count, log.stray_masks) == (3, 2, 0)


def test_unknown_and_repeated_masks_are_counted(log):
    log.mask(mask(7), now=11.0)
    log.mask(mask(1), now=11.0)
    log.mask(mask(1), now=12.0)
    assert (log.mask_count, log.stray_masks) == (1, 2)


def test_a_wrong_frame_id_is_reported(log):
    log.mask(mask(1, frame_id="other"), now=11.0)
    assert log.wrong_frame_ids == 1


def test_values_mean_prompts_in_mono8_and_segments_in_mono16(log):
    by_prompt = log.mask(mask(1), now=11.0) or log.scores(scores(1))
    by_segment = log.mask(mask(2, dtype=np.uint16), now=21.0) or log.scores(scores(2))
    np.testing.assert_array_equal(by_prompt.mask_of("red"), [[False, False], [True, True]])
    np.testing.assert_array_equal(by_segment.mask_of("red"), [[False, True], [False, False]])
    assert by_prompt.holds("blue")
    assert not by_prompt.mask_of("green").any()


def test_tracked_objects_have_their_ids_and_those_that_are_hidden_are_apart(log):
    seen = SegmentScore(id=7, label_value=3, prompt_id="red", track_id=7, track_age=5)
    seen.track_state = SegmentScore.CONFIRMED
    hidden = SegmentScore(id=4, label_value=3, prompt_id="red", track_id=4, frames_unseen=9)
    hidden.track_state = SegmentScore.OCCLUDED
    log.mask(mask(1), now=11.0)
    answer = log.scores(SegmentScores(header=header(1), segments=[seen, hidden]))
    assert [s.track for s in answer.segments] == [TrackStatus(7, TrackState.CONFIRMED, 5, 0)]
    assert [s.track for s in answer.unseen] == [TrackStatus(4, TrackState.OCCLUDED, 0, 9)]
    log.mask(mask(2), now=21.0)
    plain = log.scores(scores(2))
    assert {s.track for s in plain.segments} == {None}
    assert all(s.is_seen for s in plain.segments)


def test_a_prompt_whose_objects_are_all_hidden_is_not_found(log):
    hidden = SegmentScore(label_value=3, prompt_id="red", track_id=4, frames_unseen=9)
    hidden.track_state = SegmentScore.LOST
    log.mask(mask(1), now=11.0)
    answer = log.scores(SegmentScores(header=header(1), segments=[hidden]))
    assert not answer.holds("red")
    assert not answer.mask_of("red").any()


def test_a_mask_of_another_encoding_is_refused():
    strange = mask(1)
    strange.encoding = "rgb8"
    with pytest.raises(ValueError, match="mono8 or mono16"):
        labels_of(strange)
