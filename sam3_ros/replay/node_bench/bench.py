"""Measures the node case by case: each transport, image size and pace, and clicks."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from sam3_ros.core.geometry import ImageSize
from sam3_ros.core.segmenter.pixels import resized
from sam3_ros.replay.node_bench.node import NodeUnderBench, ProcessUse
from sam3_ros.replay.node_bench.report import (
    AS_ANSWERED,
    FIRST_CLICK,
    NEXT_CLICK,
    CaseReport,
    NodeBenchReport,
    NodeUse,
    latency_parts,
    latency_report,
    tracked_objects,
)
from sam3_ros.replay.node_bench.settings import LEAST_FRAMES, NodeBenchSettings, Transport
from sam3_ros.replay.report.report import account_frames
from sam3_ros.ros.launching.dds import (
    keep_to_this_machine,
    profile_in_use,
    use_image_profile,
)
from sam3_ros.ros.node.process import keep_image_memory

_WARM_UP = 3
Say = Callable[[str], None]


def bench_node(
    settings: NodeBenchSettings,
    picture_rgb: npt.NDArray[np.uint8],
    bundle_stages: Collection[str],
    say: Say,
) -> NodeBenchReport:
    """Measure all cases.

    picture_rgb: uint8 [H, W, 3]. bundle_stages: the stages whose time counts as sessions. say:
    called with a line before each case.

    Sets the process's environment for Fast DDS. Raises NodeBenchError, NodeFailedError.
    """
    keep_to_this_machine(os.environ)  # first: the profile depends on it
    use_image_profile(os.environ)
    keep_image_memory()
    cases: list[CaseReport] = []
    for transport in settings.transports:
        say(f"starting the node for {transport.value} images")
        with ExitStack() as stack:
            node = NodeUnderBench(settings, transport, stack)
            for size in settings.sizes:
                picture = resized(picture_rgb, size, "bilinear_antialias")
                bench = _SizeBench(settings, transport, node, picture, bundle_stages)
                cases += bench.cases(say)
    profile = profile_in_use(os.environ) or ""
    return NodeBenchReport(dict(settings.parameters), profile, tuple(cases))


class _SizeBench:
    """The cases of one image size with a running node."""

    def __init__(
        self,
        settings: NodeBenchSettings,
        transport: Transport,
        node: NodeUnderBench,
        picture_rgb: npt.NDArray[np.uint8],
        bundle_stages: Collection[str],
    ) -> None:
        self._settings, self._transport, self._node = settings, transport, node
        self._size = ImageSize(*picture_rgb.shape[:2])
        self._stages = bundle_stages
        self._message_bytes = node.camera.show(picture_rgb)

    def cases(self, say: Say) -> Iterator[CaseReport]:
        title = f"{self._transport.value} {self._size.width}x{self._size.height}"
        for _ in range(_WARM_UP):
            self._node.wait_for_answer(self._node.send_frame())
        say(f"{title}, {AS_ANSWERED}")
        yield self._frames(AS_ANSWERED, self._as_answered)
        if self._settings.clicks:
            say(f"{title}, clicks")
            yield from self._clicks()
        if self._settings.rate is not None:
            pace = f"{self._settings.rate:g} a second"
            say(f"{title}, {pace}")
            yield self._frames(pace, self._at_rate)

    def _frames(self, pace: str, send: Callable[[], int]) -> CaseReport:
        node, receiver = self._node, self._node.receiver
        before, use = node.settled_counts(), node.use
        receiver.begin()
        began = time.time_ns()
        sent = send()
        sent_all = time.time_ns()
        counts = node.settled_counts().since(before)
        end = max([sent_all, *(answer.in_hand for answer in receiver.answers)])
        frames = account_frames(sent, len(receiver.answers), counts)
        return replace(self._case(pace, (end - began) / 1e9, use), frames=frames)

    def _as_answered(self) -> int:
        sent, began = 0, time.monotonic()
        while not self._is_enough(sent, began):
            self._node.wait_for_answer(self._node.send_frame())
            sent += 1
        return sent

    def _at_rate(self) -> int:
        assert self._settings.rate is not None
        sent, began = 0, time.monotonic()
        while not self._is_enough(sent, began):
            time.sleep(max(0.0, began + sent / self._settings.rate - time.monotonic()))
            self._node.send_frame()
            sent += 1
        return sent

    def _clicks(self) -> Iterator[CaseReport]:
        """Yield the case of the first click on a frame, and of the next ones.

        The first click runs the image stages that only clicks need, the others only the decoder.
        The cases have no answers if the frame was dropped or lost.
        """
        node, receiver = self._node, self._node.receiver
        receiver.begin()
        stamp_ns = node.send_frame()
        is_seen = node.wait_for_answer(stamp_ns)
        for pace, count in ((FIRST_CLICK, 1), (NEXT_CLICK, self._settings.clicks)):
            use = node.use
            receiver.begin()
            began = time.monotonic()
            for number in range(count if is_seen else 0):
                if number >= LEAST_FRAMES and time.monotonic() - began > self._settings.seconds:
                    break
                node.send_click(stamp_ns, self._size.width / 2, self._size.height / 2)
                node.wait_for_click(stamp_ns)
            yield self._case(pace, time.monotonic() - began, use)

    def _is_enough(self, sent: int, began: float) -> bool:
        is_late = time.monotonic() - began > self._settings.seconds
        return sent >= self._settings.frames or (sent >= LEAST_FRAMES and is_late)

    def _case(self, pace: str, seconds: float, before: ProcessUse) -> CaseReport:
        """Report the answers since the receiver's begin()."""
        answers = [latency_parts(a, self._stages) for a in self._node.receiver.answers]
        mask = self._node.receiver.last_mask if answers else None
        return CaseReport(
            transport=self._transport.value,
            width=self._size.width,
            height=self._size.height,
            message_bytes=self._message_bytes,
            pace=pace,
            seconds=seconds,
            frames=None,
            latency=latency_report(answers),
            use=_use(before, self._node.use, seconds, len(answers)),
            covered=0.0 if mask is None else float(np.mean(np.frombuffer(mask.data, "u1") != 0)),
            tracked=tracked_objects(self._node.receiver.answers),
        )


def _use(before: ProcessUse, after: ProcessUse, seconds: float, answers: int) -> NodeUse:
    cpu = after.cpu_seconds - before.cpu_seconds
    return NodeUse(
        cpu_percent=100 * cpu / seconds if seconds else 0.0,
        cpu_ms_per_answer=1000 * cpu / max(answers, 1),
        resident=after.resident,
        resident_peak=after.resident_peak,
    )
