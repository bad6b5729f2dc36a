"""Run the node between two cameras and whoever asks, and watch what grows.

    make soak ARGS="--minutes 60"

The cameras send at a fixed rate, whether answered or not: more than the node can answer, so that it
is always at work; what it cannot answer it drops and counts. Nothing is judged by how fast it was.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import rclpy
from process_samples import process_sample
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from ros_domains import own_domain

from sam3_ros.core.image_file import read_rgb
from sam3_ros.core.precision.questions import TABLE
from sam3_ros.replay.under_test.node import NodeChild
from sam3_ros.ros.images.messages import image_message
from sam3_ros.ros.launching.dds import keep_to_this_machine, use_image_profile
from sam3_ros.ros.node.process import keep_image_memory
from soak.cameras import SoakCamera
from soak.questions import PATIENCE, ChangingQuestions
from soak.receiver import NODE, SoakReceiver
from soak.verdict import CameraAccount, SoakResult, SoakSample

_START_S = 120.0
# A report without news this many times in a row: nothing is on its way any more.
_SAME_REPORTS = 4


class Soak:
    """One run: cameras, whoever asks and listens, in one thread; the node is another process."""

    def __init__(self, options: argparse.Namespace, node: Node, child: NodeChild) -> None:
        self._options, self._child = options, child
        picture = read_rgb(TABLE)
        pictures = {"front": picture, "side": np.ascontiguousarray(picture[::2, ::2])}
        self.cameras = {
            name: SoakCamera(node, name, number, options.rate, pixels, options.transport)
            for number, (name, pixels) in enumerate(pictures.items())
        }
        self.receiver = SoakReceiver(node, self.cameras)
        image = image_message(picture, "rgb8")
        self.questions = ChangingQuestions(node, self.cameras, image, options.seed)
        self.receiver.on_status = self.questions.settle
        self._executor = SingleThreadedExecutor(context=node.context)
        self._executor.add_node(node)
        self.samples: list[SoakSample] = []
        self.node_ended = ""

    def run(self) -> None:
        """Wait for the node, send for the minutes, wait until all is answered."""
        self._wait(self._is_ready, _START_S)
        begin = time.monotonic()
        end = begin + 60 * self._options.minutes
        next_question = next_sample = begin
        with suppress(KeyboardInterrupt):  # then what there is, is judged
            while (now := time.monotonic()) < end and self._is_alive():
                for camera in self.cameras.values():
                    if camera.due <= now:
                        camera.send()
                if next_question <= now:
                    self.questions.ask()
                    next_question = now + self._options.asking_period
                if next_sample <= now:
                    self._sample(now - begin)
                    next_sample += self._options.sample_period
                dues = [next_question, next_sample, *(c.due for c in self.cameras.values())]
                self._executor.spin_once(timeout_sec=max(0.0, min(dues) - time.monotonic()))
            self._settle()
        self._sample(time.monotonic() - begin)
        self._executor.shutdown()

    def result(self) -> SoakResult:
        """Return what was found."""
        report = self.receiver.report
        outputs: dict[str, int] = {}
        for (_, output), count in self.receiver.outputs.items():
            outputs[output] = outputs.get(output, 0) + count
        return SoakResult(
            samples=self.samples,
            cameras={
                name: CameraAccount(camera.sent, report.of(name), self.receiver.lost(name))
                for name, camera in self.cameras.items()
                if report is not None
            },
            outputs=outputs,
            foreign_count=self.receiver.foreign_count,
            foreign=self.receiver.foreign,
            asked=self.questions.asked,
            statuses=self.receiver.statuses,
            unanswered=self.questions.unanswered(),
            node_ended=self.node_ended,
        )

    def _is_ready(self) -> bool:
        report = self.receiver.report
        return (
            report is not None
            and report.state == "active"
            and self.receiver.is_connected
            and self.questions.is_heard
            and all(camera.is_heard for camera in self.cameras.values())
        )

    def _settle(self) -> None:
        """Wait until nothing is on its way: no report, status or response is due."""
        seen, same, reports = None, 0, self.receiver.reports
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end and self._is_alive():
            self._executor.spin_once(timeout_sec=0.1)
            if self.receiver.reports == reports:
                continue
            reports = self.receiver.reports
            now = (self.receiver.report, self.questions.open)
            same = same + 1 if now == seen else 0
            seen = now
            report = self.receiver.report
            is_idle = report is not None and not any(
                report.of(name).in_work for name in self.cameras
            )
            if is_idle and not self.questions.open and same >= _SAME_REPORTS:
                return

    def _wait(self, done: Callable[[], bool], patience: float) -> None:
        end = time.monotonic() + patience
        while not done():
            self._child.check()
            if time.monotonic() > end:
                raise self._child.failed(f"waited {patience:g} s for the node to be connected")
            self._executor.spin_once(timeout_sec=0.1)
        for camera in self.cameras.values():
            camera.begin()

    def _is_alive(self) -> bool:
        if self._child.exit_code is not None and not self.node_ended:
            self.node_ended = self._child.with_last_words(
                f"the node ended with {self._child.exit_code}"
            )
        return not self.node_ended

    def _sample(self, seconds: float) -> None:
        report = self.receiver.report
        counts = [report.of(name) for name in self.cameras] if report is not None else []
        with suppress(OSError):  # the node has ended, which is told otherwise
            sample = SoakSample(
                seconds=seconds,
                node=process_sample(self._child.pid),
                client=process_sample(os.getpid()),
                sent=sum(camera.sent for camera in self.cameras.values()),
                received=sum(each.received for each in counts),
                answered=sum(each.answered for each in counts),
                dropped=sum(sum(each.dropped.values()) for each in counts),
                outputs=sum(self.receiver.outputs.values()),
                kept_frames=self.receiver.figure("kept frames MiB"),
                kept_texts=self.receiver.figure("kept texts MiB"),
                tracks=self.receiver.of_cameras("tracks MiB"),
                track_ids=self.receiver.of_cameras("track ids given"),
            )
            self.samples.append(sample)
            self._write(sample)

    def _write(self, sample: SoakSample) -> None:
        """Append to the CSV at once: a run that is killed leaves what it saw."""
        row, file = sample.row(), self._options.out / "samples.csv"
        with file.open("w" if len(self.samples) == 1 else "a", newline="") as lines:
            writer = csv.DictWriter(lines, row)
            if len(self.samples) == 1:
                writer.writeheader()
            writer.writerow(row)
        if len(self.samples) % 6 == 1:
            said = f"{sample.seconds / 60:5.1f} min  node {sample.node.rss:.1f} MB, "
            said += f"{sample.node.threads} threads, {sample.node.files} files; "
            said += f"kept {sample.kept_frames:.1f} MiB of frames, {sample.kept_texts:.1f} of "
            said += f"texts, {sample.tracks:.2f} of {sample.track_ids:.0f} tracks so far; "
            said += f"{sample.answered} of {sample.received} answered"
            print(said, file=sys.stderr, flush=True)


def main(arguments: list[str] | None = None) -> int:
    """Run and print; return 0, or 1 if something grows or is not accounted for."""
    options = _parser().parse_args(arguments)
    options.out.mkdir(parents=True, exist_ok=True)
    use_image_profile(os.environ)
    keep_to_this_machine(os.environ)
    keep_image_memory()
    with own_domain() as domain:
        context = Context()
        rclpy.init(context=context, domain_id=domain)
        node = Node("sam3_ros_soak", context=context)
        environment = {**os.environ, "ROS_DOMAIN_ID": str(domain)}
        log = options.out / "node.log"
        try:
            with NodeChild(_node_arguments(options), log, environment) as child:
                soak = Soak(options, node, child)
                soak.run()
        finally:
            node.destroy_node()
            context.try_shutdown()
    result = soak.result()
    (options.out / "result.json").write_text(json.dumps(result.document(), indent=2))
    print("\n".join(result.lines()))
    print(json.dumps(result.document()))
    for failure in result.failures:
        print(f"FAILED: {failure}")
    return 1 if result.failures else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="soak", description=__doc__.partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=1, help="of the questions")
    parser.add_argument("--rate", type=float, default=30.0, help="images a second of each camera")
    parser.add_argument("--transport", choices=("raw", "compressed"), default="raw")
    parser.add_argument("--bundle", default="tabletop")
    parser.add_argument("--asking-period", type=float, default=0.5, help="seconds")
    parser.add_argument("--sample-period", type=float, default=10.0, help="seconds")
    parser.add_argument("--out", type=Path, default=Path("out/soak"))
    parser.add_argument("-p", "--param", action="append", default=[], metavar="NAME:=VALUE")
    return parser


def _node_arguments(options: argparse.Namespace) -> list[str]:
    own = [
        f"bundle:={options.bundle}",
        f"image_transport:={options.transport}",
        "cameras:=[front, side]",
        "prompts:=[red cube]",
    ]
    name = f"__node:={NODE.strip('/')}"
    words = [word for each in (*own, *options.param) for word in ("-p", each)]
    return ["--ros-args", "-r", name, *words]


if __name__ == "__main__":
    sys.exit(main())
