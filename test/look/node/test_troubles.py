"""What the page says of a node, by what the node reports: read from messages as it makes them."""

from __future__ import annotations

import pytest
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue

from sam3_ros.look.node.report import HealthReport, Reports, read_health_report
from sam3_ros.look.node.troubles import NodeSight, state_of, troubles_of

NODE = "/see"
SEEN = NodeSight(NODE, is_listed=True, was_there=True, active_s=60.0, outputs=("overlay", "mask"))
FRAMES = {"frames received": "10", "frames answered": "8", "frames dropped, superseded": "2"}


def report(message: str = "active", camera: str = "", **values: str) -> HealthReport:
    """Return a report; values: keys with _ for spaces, and the state."""
    named = {"state": "active", "since the last image s": "0.10", **FRAMES}
    named |= {key.replace("_", " "): value for key, value in values.items()}
    name = f"{NODE}: camera {camera}" if camera else f"{NODE}: segmentation"
    whole = DiagnosticStatus(
        name=name,
        message=message,
        level=DiagnosticStatus.OK if message == "active" else DiagnosticStatus.ERROR,
        values=[KeyValue(key=key, value=value) for key, value in named.items()],
    )
    statuses = [whole]
    if camera:
        values_of_all = [KeyValue(key=k, value=v) for k, v in {"state": "active", **FRAMES}.items()]
        statuses.append(DiagnosticStatus(name=f"{NODE}: segmentation", values=values_of_all))
    found = read_health_report(DiagnosticArray(status=statuses), NODE)
    assert found is not None
    return found


def words(sight: NodeSight, health: HealthReport | None, camera: str = "") -> list[str]:
    return [f"{each.what} {each.remedy}" for each in troubles_of(sight, health, camera)]


def test_nothing_is_wrong_with_a_node_that_answers() -> None:
    assert words(SEEN, report()) == []
    assert state_of(SEEN, report()) == "active"


@pytest.mark.parametrize(
    ("sight", "expected"),
    [
        (NodeSight("", False), "No segmentation node runs in ROS_DOMAIN_ID"),
        (NodeSight(NODE, False), "No segmentation node /see runs in"),
        (NodeSight(NODE, False, was_there=True), "The node /see is gone. "),
    ],
)
def test_a_node_that_is_not_there(sight: NodeSight, expected: str) -> None:
    (told,) = words(sight, report())
    assert told.startswith(expected)
    assert "goes on by itself" in told
    assert state_of(sight, report()) == "gone"


@pytest.mark.parametrize(
    ("state", "loading", "expected"),
    [
        ("unconfigured", "", "inactive"),
        ("inactive", "", "inactive"),
        ("configuring", "", "loading"),
        ("inactive", "stage 3 of 15", "loading"),
        ("finalized", "", "ended"),
    ],
)
def test_a_node_that_answers_nothing_says_why(state: str, loading: str, expected: str) -> None:
    found = report(state=state, loading=loading)
    assert state_of(SEEN, found) == expected
    (told,) = words(SEEN, found)
    assert (loading or state) in told or "being loaded" in told


def test_the_error_that_kept_the_model_from_loading_is_told() -> None:
    found = report(
        "unconfigured: no such bundle", state="unconfigured", last_error="no such bundle"
    )
    (told,) = words(SEEN, found)
    assert "no such bundle" in told and "configure" in told


def test_a_silent_camera_is_told_after_three_seconds() -> None:
    assert words(SEEN, report(since_the_last_image_s="2.50")) == []
    found = report(since_the_last_image_s="5.20", publishers_of_images="0")
    (told,) = words(SEEN, found)
    assert told.startswith("No images for 5 s. ") and "plugged in" in told
    found = report(camera="front", since_the_last_image_s="5.20", publishers_of_images="1")
    (told,) = words(SEEN, found, "front")
    assert told.startswith("No images of camera front for 5 s.") and "driver" in told
    # One that has just become active has had no time for an image.
    fresh = NodeSight(NODE, is_listed=True, active_s=1.0)
    assert words(fresh, report(since_the_last_image_s="")) == []


def test_lost_images_are_told_with_the_nodes_advice() -> None:
    lost = {"images lost, of the last 10 s": "20 of 40"}
    found = report("active, but 20 of the 40 images: start the driver with it", **lost)
    (told,) = words(SEEN, found)
    assert told.startswith("About half of the images are lost on their way to the node.")
    assert "start the driver with it" in told
    assert words(SEEN, report(**{"images lost, of the last 10 s": "19 of 40"})) == []
    assert words(SEEN, report(**{"images lost, of the last 10 s": "2 of 2"})) == []


def test_what_keeps_the_picture_away_is_told() -> None:
    without = NodeSight(NODE, is_listed=True, active_s=9.0, outputs=("mask",))
    (told,) = words(without, report())
    assert "`outputs`" in told
    several = NodeSight(NODE, is_listed=True, active_s=9.0, others=("/other",))
    (told,) = words(several, report())
    assert "--node /other" in told


def test_pictures_that_do_not_come_here_are_told() -> None:
    (trouble,) = troubles_of(SEEN, report(), "", waits_s=5.0)
    assert "pictures have not come here for 5 s" in trouble.what
    # Not beside what explains it.
    silent = report(since_the_last_image_s="9.00")
    assert len(list(troubles_of(SEEN, silent, "", waits_s=9.0))) == 1


def test_a_message_of_another_node_is_none_of_ours() -> None:
    status = DiagnosticStatus(name="/other: segmentation")
    assert read_health_report(DiagnosticArray(status=[status]), NODE) is None


def test_the_rate_is_counted_between_reports() -> None:
    first, second = report(), report(frames_received="40", frames_answered="38")
    object.__setattr__(second, "at", first.at + 2.0)
    reports = Reports().with_next(first)
    assert reports.rate("") is None
    assert reports.with_next(second).rate("") == pytest.approx(15)
    # A node that began anew has no rate yet.
    assert reports.with_next(second).with_next(report()).rate("") is None
