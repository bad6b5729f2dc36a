"""A running node as the page's source: what its server calls, on the ROS thread behind it."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress

from sam3_ros.asking.nodes import segmentation_nodes
from sam3_ros.core.errors import PromptError
from sam3_ros.core.segmenter.prompts import ConceptPrompt
from sam3_ros.look.node.camera_feed import NodeViewer
from sam3_ros.look.node.holding import Holder
from sam3_ros.look.node.link import NodeLink
from sam3_ros.look.node.prompt_changes import PromptChanges
from sam3_ros.look.node.ros_thread import RosThread
from sam3_ros.look.node.settling import settle
from sam3_ros.look.node.troubles import NodeSight, state_of, troubles_of
from sam3_ros.look.viewing import (
    Holding,
    ListedPrompt,
    Marks,
    PictureStamp,
    Receiver,
    Trouble,
    Verdict,
    View,
    ViewedCamera,
    ViewedHealth,
    Watch,
)

# Often enough for what waits to be told soon.
_TICK_SECONDS = 0.2
_POLL_SECONDS = 0.05
_ONLY_CAMERA = "camera"
_ENDS = "sam3-ros look ends"


class NodeViewing:
    """A Viewing of a node, which may come and go; see the seam for its threads."""

    def __init__(self, ros: RosThread, name: str | None) -> None:
        """name: full name of the node; None for the first that is found."""
        self._ros = ros
        self._link: NodeLink | None = None
        self._holder: Holder | None = None
        self._changes: PromptChanges | None = None
        self._waiting: list[NodeViewer] = []
        self._is_closed = False
        ros.post(lambda: self._begin(name))

    def cameras(self) -> tuple[ViewedCamera, ...]:
        link = self._link
        names = () if link is None else link.cameras
        return tuple(ViewedCamera(name, name or _ONLY_CAMERA) for name in names)

    def watch(self, view: View, receiver: Receiver) -> Watch:
        viewer = NodeViewer(view, receiver, lambda each: self._ros.post(lambda: self._remove(each)))
        self._ros.post(lambda: self._add(viewer))
        return viewer

    def prompts(self, camera: str) -> tuple[ListedPrompt, ...]:
        link = self._link
        return () if link is None else link.prompts.listed(camera, link.newest(camera))

    def health(self, camera: str) -> ViewedHealth:
        link = self._link
        if link is None:
            sight = NodeSight("", is_listed=False)
            return ViewedHealth("gone", "no node", troubles=tuple(troubles_of(sight, None, camera)))
        reports, sight = link.reports, link.sight
        report = reports.last
        dropped = (Trouble(words, "Ask again.", serious=False) for _, words in link.dropped)
        camera_link = link.links.get(camera)
        waits_s = 0.0 if camera_link is None else camera_link.feed.waits_s
        troubles = (*troubles_of(sight, report, camera, waits_s), *dropped)
        state, source = state_of(sight, report), f"node {link.name}"
        if report is None or state == "gone":
            return ViewedHealth(state, source, troubles=troubles)
        return ViewedHealth(
            state=state,
            source=source,
            model=report.text("bundle name") or report.text("bundle"),
            backend=report.text("backend"),
            precision=report.text("precision"),
            frames_per_second=reports.rate(camera),
            latency_median_ms=report.figure(camera, "latency median ms"),
            latency_p95_ms=report.figure(camera, "latency p95 ms"),
            drops=report.drops(camera),
            last_error=report.text("last error"),
            troubles=troubles,
            threshold=link.parameters.threshold,
        )

    def ask_texts(self, phrases: tuple[str, ...], camera: str = "") -> Future[Verdict]:
        try:
            texts = tuple(ConceptPrompt(phrase) for phrase in phrases)
        except PromptError as error:
            return _refused(str(error))
        return self._change(lambda changes, done: changes.ask_texts(texts, camera, done))

    def ask_marks(
        self,
        camera: str,
        stamp: PictureStamp,
        marks: Marks,
        prompt_id: str = "",
        follow: bool = True,
    ) -> Future[Verdict]:
        return self._change(
            lambda changes, done: changes.ask_marks(camera, stamp, marks, prompt_id, follow, done)
        )

    def rename(self, prompt_id: str, camera: str, label: str) -> Future[Verdict]:
        return self._change(lambda changes, done: changes.rename(prompt_id, camera, label, done))

    def remove(self, prompt_id: str, camera: str) -> Future[Verdict]:
        return self._change(lambda changes, done: changes.remove(prompt_id, camera, done))

    def follow(self, prompt_id: str, camera: str, on: bool) -> Future[Verdict]:
        return self._change(lambda changes, done: changes.follow(prompt_id, camera, on, done))

    def freeze(self, prompt_id: str, camera: str, on: bool) -> Future[Verdict]:
        return self._change(lambda changes, done: changes.freeze(prompt_id, camera, on, done))

    def set_threshold(self, score: float) -> Future[Verdict]:
        if not 0.0 <= score <= 1.0:
            return _refused(f"expected a threshold from 0 to 1, got {score:g}")
        future: Future[Verdict] = Future()
        self._with_link(
            lambda link: link.parameters.set_threshold(score, future),
            lambda reason: settle(future, Verdict(False, reason)),
        )
        return future

    def hold(self, view: View) -> Future[Holding]:
        future: Future[Holding] = Future()

        def begin(_: NodeLink) -> None:
            assert self._holder is not None
            self._holder.hold(view, future)

        self._with_link(begin, lambda reason: settle(future, Holding(Verdict(False, reason))))
        return future

    def close(self) -> None:
        if not self._is_closed:
            self._is_closed = True
            self._ros.post(self._end)
        self._ros.close()

    def wait_until_found(self, seconds: float) -> None:
        """Wait until a node with its cameras is known, at most so long; not for the event loop."""
        end = time.monotonic() + seconds
        while time.monotonic() < end and not self.cameras():
            time.sleep(_POLL_SECONDS)

    def _begin(self, name: str | None) -> None:
        if name is not None:
            self._make_link(name)
        self._ros.every(_TICK_SECONDS, self._tick)

    def _tick(self) -> None:
        if self._link is None:
            found = segmentation_nodes(self._ros.node)
            if found:
                self._make_link(found[0])
            return
        self._link.tick()
        if self._holder is not None:
            self._holder.tick()

    def _make_link(self, name: str) -> None:
        link = NodeLink(self._ros.node, name)
        self._changes = PromptChanges(link)
        self._holder = Holder(link, self._ros.post)
        self._link = link
        for viewer in self._waiting:
            link.add_viewer(viewer)
        self._waiting.clear()

    def _add(self, viewer: NodeViewer) -> None:
        if self._link is None:
            self._waiting.append(viewer)
        else:
            self._link.add_viewer(viewer)

    def _remove(self, viewer: NodeViewer) -> None:
        with suppress(ValueError):
            self._waiting.remove(viewer)
        if self._link is not None:
            self._link.remove_viewer(viewer)

    def _end(self) -> None:
        if self._holder is not None:
            self._holder.close()
        if self._link is not None:
            self._link.close()

    def _change(self, change: Callable[[PromptChanges, Future[Verdict]], None]) -> Future[Verdict]:
        future: Future[Verdict] = Future()

        def begin(_: NodeLink) -> None:
            assert self._changes is not None
            change(self._changes, future)

        self._with_link(begin, lambda reason: settle(future, Verdict(False, reason)))
        return future

    def _with_link(self, work: Callable[[NodeLink], None], refuse: Callable[[str], None]) -> None:
        """Have something done on the ROS thread, or refused in words."""

        def run() -> None:
            if self._link is None:
                refuse("no segmentation node is there yet: start one, then ask again")
                return
            try:
                work(self._link)
            except Exception as error:  # so that nobody waits for ever
                refuse(f"a fault in sam3-ros look: {type(error).__name__}: {error}")
                raise

        if self._is_closed:
            refuse(_ENDS)
        else:
            self._ros.post(run)


def _refused(reason: str) -> Future[Verdict]:
    future: Future[Verdict] = Future()
    future.set_result(Verdict(False, reason))
    return future
