"""What is wrong, and what to do, in words for somebody who knows neither ROS nor models."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sam3_ros.look.node.report import HealthReport
from sam3_ros.look.viewing import LOST_SHARE, SILENCE_SECONDS, Trouble
from sam3_ros.topics.listening import domain_text

#: Seconds without a word of a node from which on it counts as gone, though ROS still lists it.
GONE_SECONDS = 5.0
# As the node tells of a few lost images.
_LEAST_LOST = 3


@dataclass(frozen=True)
class NodeSight:
    """What is known of the node from outside."""

    #: Full name; empty while none was found.
    name: str
    #: Whether ROS lists it.
    is_listed: bool
    #: Whether it was ever heard of.
    was_there: bool = False
    #: Other segmentation nodes that run.
    others: tuple[str, ...] = ()
    #: How long it has been active, s.
    active_s: float = 0.0
    #: The node's parameter outputs; None while it is not known.
    outputs: tuple[str, ...] | None = None


def state_of(sight: NodeSight, report: HealthReport | None) -> str:
    """Return ViewedHealth.state."""
    if not sight.is_listed or (report is not None and report.age > GONE_SECONDS):
        return "gone"
    if report is None:
        return "loading"
    state = report.node.state
    if report.text("loading") or state in ("configuring", "activating"):
        return "loading"
    return {"active": "active", "finalized": "ended"}.get(state, "inactive")


def troubles_of(
    sight: NodeSight, report: HealthReport | None, camera: str, waits_s: float = 0.0
) -> Iterator[Trouble]:
    """Yield what is wrong with the node, or with one camera, the worst first.

    waits_s: for how long viewers of the camera have waited for a picture.
    """
    state = state_of(sight, report)
    if state == "gone":
        yield _gone(sight)
    elif report is None:
        yield Trouble("The node has not said yet how it is.", "Wait a moment.", serious=False)
    elif state == "loading":
        loading = report.text("loading")
        what = f"The model is being loaded: {loading}." if loading else "The model is being loaded."
        yield Trouble(what, "Wait: pictures come when it is ready.", serious=False)
    elif state != "active":
        yield _not_active(sight, report)
    else:
        found = list(_of_active_node(sight, report, camera))
        yield from found
        if not found and waits_s > SILENCE_SECONDS:
            yield Trouble(
                f"The node is active, but its pictures have not come here for {waits_s:.0f} s.",
                "Where the node is on another machine: look at the network. On this one: start the "
                "node and this page with the same FASTDDS and RMW variables.",
            )
    if sight.others and sight.is_listed:
        names = " or ".join(f"--node {name}" for name in sight.others)
        yield Trouble(
            f"There are other nodes, and this page shows {sight.name}.",
            f"`sam3-ros look {names}` shows another.",
            serious=False,
        )


def _gone(sight: NodeSight) -> Trouble:
    wait = "This page goes on by itself when it is there."
    if sight.was_there:
        return Trouble(
            f"The node {sight.name} is gone.",
            f"It has ended, or its machine cannot be reached: start it again. {wait}",
        )
    called = f" {sight.name}" if sight.name else ""
    return Trouble(
        f"No segmentation node{called} runs in {domain_text()}.",
        "`sam3-ros node` starts one; if one runs, it has another name or another ROS_DOMAIN_ID. "
        f"{wait}",
    )


def _not_active(sight: NodeSight, report: HealthReport) -> Trouble:
    state, error = report.node.state, report.text("last error")
    if report.node.failure and error:
        return Trouble(
            f"The node could not start its model: {error}",
            f"Correct that, then `ros2 lifecycle set {sight.name} configure`, or start it again.",
        )
    verbs = "configure` and then `activate" if state == "unconfigured" else "activate"
    return Trouble(
        f"The node is {state}: it answers no images.",
        f"`ros2 lifecycle set {sight.name} {verbs}`; with autostart:=true it does so by itself.",
    )


def _of_active_node(sight: NodeSight, report: HealthReport, camera: str) -> Iterator[Trouble]:
    silence = report.silence(camera)
    of = f" of camera {camera}" if camera else ""
    if min(sight.active_s, float("inf") if silence is None else silence) > SILENCE_SECONDS:
        yield _silent(report, camera, silence, of)
    lost, sent = report.lost(camera)
    if lost >= _LEAST_LOST and lost >= LOST_SHARE * sent:
        yield Trouble(
            f"{_share(lost, sent)} of the images{of} are lost on their way to the node.",
            f"The node says: {report.words.get(camera, report.words[''])}",
        )
    elif report.errors.get(camera, False):
        yield Trouble("The node reports an error.", report.words[camera])
    if sight.outputs is not None and "overlay" not in sight.outputs:
        yield Trouble(
            "The node's parameter `outputs` leaves the overlay out, which this page shows.",
            f"`ros2 param set {sight.name} outputs` with overlay, mask, scores and segments in it.",
        )


def _silent(report: HealthReport, camera: str, silence: float | None, of: str) -> Trouble:
    what = f"No images{of} yet." if silence is None else f"No images{of} for {silence:.0f} s."
    if report.of(camera).get("publishers of images") == "0":
        return Trouble(
            what,
            "Nobody sends any: is the camera plugged in, and its driver running? "
            "`sam3-ros topic list` shows what is sent; the node listens to `image:=/your/topic`.",
        )
    return Trouble(
        what,
        "Something is there to send them, and sends none, or sends what does not arrive: look at "
        "the camera and its driver.",
    )


def _share(lost: int, sent: int) -> str:
    share = lost / sent
    return "About half" if share < 0.6 else f"{share:.0%}"
