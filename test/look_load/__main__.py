"""Put the page beside a node that is busy, with viewers in real browsers, and measure both.

    make look-load ARGS="--viewers 10 --minutes 5"

The camera sends a picture of the shipped bag at a fixed rate. Somebody listens to the node's scores
all the time, so that it answers without the page too. Viewers' browsers run at the lowest priority,
for they stand for other machines; where a click is timed, at the usual one.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import fmean, median
from typing import Any

import numpy as np
from look_server import LookServer, running_look
from look_truth import shown_truth
from node_client import NodeClient
from node_under_test import ENVIRONMENT, THE_NODE, NodeProcess
from process_samples import process_sample
from ros_domains import own_domain
from still_camera import still_camera

from look_load.verdict import Figure, figures_table, slope_a_minute
from look_load.viewers import READY

_SAMPLE_S = 2.0
# Of the node's answers, with the page compared with without.
_MOST_LOSS_PERCENT = 10
# MB a minute, of the server.
_MOST_SLOPE = 0.2


@dataclass
class Measured:
    """What was counted while somebody looked, or nobody."""

    seconds: float = 0.0
    answers: int = 0
    #: CPU time of the page's server and of the node, s.
    look_cpu: float = 0.0
    node_cpu: float = 0.0
    #: Of the server: when, s, and its memory, MB.
    times: list[float] = field(default_factory=list)
    memory: list[float] = field(default_factory=list)

    @property
    def answers_a_second(self) -> float:
        return self.answers / self.seconds


class Load:
    """A node before a camera, and whoever counts its answers."""

    def __init__(self, client: NodeClient, node: NodeProcess) -> None:
        self._client, self._node = client, node
        self._client.listen("scores")
        self._client.spin_until(lambda: self._client.outputs["scores"], "the first answer")

    def measure(self, seconds: float, server: LookServer | None = None) -> Measured:
        """Count for a while."""
        found, scores = Measured(), self._client.outputs["scores"]
        scores.clear()
        first, node_first = _sample(server), process_sample(self._node.process.pid)
        begin = last = time.monotonic()
        while (now := time.monotonic()) < begin + seconds:
            self._client.executor.spin_once(timeout_sec=0.05)
            if server is not None and now >= last + _SAMPLE_S:
                last = now
                found.times.append(now - begin)
                found.memory.append(process_sample(server.command.process.pid).anonymous)
        found.seconds, found.answers = time.monotonic() - begin, len(scores)
        found.node_cpu = process_sample(self._node.process.pid).cpu_s - node_first.cpu_s
        found.look_cpu = _sample(server) - first
        return found


def _sample(server: LookServer | None) -> float:
    return 0.0 if server is None else process_sample(server.command.process.pid).cpu_s


class Viewers:
    """Browsers in a process of their own."""

    def __init__(self, link: str, *arguments: str, niceness: int = 0) -> None:
        command = ["nice", "-n", str(niceness), sys.executable, "-m", "look_load.viewers"]
        self._process = subprocess.Popen(
            [*command, "--link", link, *arguments], stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        self._lines = self._process.stdout

    def wait_until_ready(self) -> None:
        line = self._lines.readline().strip()
        if line != READY:
            raise SystemExit(f"the viewers did not get ready: {line}")

    def seen(self) -> dict[str, Any]:
        """Wait for their end and return what they saw."""
        text = self._lines.read()
        if self._process.wait() != 0:
            raise SystemExit("the viewers failed")
        return dict(json.loads(text))


def looked_at(
    load: Load, server: LookServer, viewers: int, seconds: float
) -> tuple[Measured, list[float]]:
    """Measure while viewers look; return also how many pictures a second each saw."""
    words = ("--viewers", str(viewers), "--seconds", str(seconds))
    looking = Viewers(server.link, *words, niceness=19)
    looking.wait_until_ready()
    measured = load.measure(seconds, server)
    return measured, looking.seen()["frames_a_second"]


def run(load: Load, server_log: Path, options: argparse.Namespace) -> list[Figure]:
    """Measure without the page, with a viewer, with many, and without again."""
    said = options.say
    said("the node alone")
    alone = [load.measure(options.seconds).answers_a_second]
    with running_look(server_log, "--node") as server:
        said("first paint and clicks")
        words = ("--openings", str(options.openings), "--clicks", str(options.clicks))
        seen = Viewers(server.link, *words).seen()
        said("one viewer")
        one, frames = looked_at(load, server, 1, options.seconds)
        said("nobody looks")
        nobody = load.measure(options.seconds, server)
        said(f"{options.viewers} viewers")
        many, many_frames = looked_at(load, server, options.viewers, 60 * options.minutes)
    said("the node alone again")
    alone.append(load.measure(options.seconds).answers_a_second)
    least = fmean(alone) * (1 - _MOST_LOSS_PERCENT / 100)
    growth = slope_a_minute(many.times, many.memory)
    return [
        Figure("node alone, before", alone[0], "answers/s"),
        Figure("node alone, after", alone[1], "answers/s"),
        Figure("node, one viewer", one.answers_a_second, "answers/s", least=least),
        Figure(f"node, {options.viewers} viewers", many.answers_a_second, "answers/s", least=least),
        Figure("page, one viewer", frames[0], "pictures/s", least=15),
        Figure(f"page, median of {options.viewers}", median(many_frames), "pictures/s"),
        Figure("server's CPU, one viewer", 100 * one.look_cpu / one.seconds, "%", most=40),
        Figure(f"server's CPU, {options.viewers} viewers", 100 * many.look_cpu / many.seconds, "%"),
        Figure("server's CPU, nobody looks", 100 * nobody.look_cpu / nobody.seconds, "%"),
        Figure("click to mask, median", median(seen["click_ms"]), "ms"),
        Figure("click to mask, p95", _p95(seen["click_ms"]), "ms", most=250),
        Figure("first paint, slowest", max(seen["first_paint_ms"]), "ms", most=1500),
        Figure(f"memory, {options.viewers} viewers", many.memory[-1], "MB"),
        Figure("its growth after a quarter", growth, "MB/min", most=_MOST_SLOPE),
    ]


def _p95(values: list[float]) -> float:
    return float(np.percentile(values, 95))


@contextmanager
def busy_node(folder: Path, rate: float) -> Iterator[Load]:
    """Run a node before a camera that sends at a rate, Hz."""
    truth = shown_truth()
    parameters = {
        "bundle": "tabletop",
        "prompts": "[red cube]",
        "image_transport": "compressed",
    }
    with own_domain() as domain:
        os.environ.update(ENVIRONMENT, ROS_DOMAIN_ID=str(domain))
        node = NodeProcess(domain, folder / "node.log", THE_NODE, parameters)
        client = NodeClient(domain)
        try:
            jpeg = truth.jpegs[sorted(truth.jpegs)[20]]
            with still_camera(domain, "/image/compressed", jpeg, rate):
                yield Load(client, node)
        finally:
            client.close()
            node.stop()


def main() -> int:
    """Run as the arguments say; 1 if a figure misses its goal."""
    parser = argparse.ArgumentParser(prog="make look-load ARGS=...")
    parser.add_argument("--seconds", type=float, default=20.0, help="of each short part (20)")
    parser.add_argument("--rate", type=float, default=20.0, help="images a second (20)")
    parser.add_argument("--viewers", type=int, default=10)
    parser.add_argument("--minutes", type=float, default=5.0, help="of the many viewers (5)")
    parser.add_argument("--clicks", type=int, default=40)
    parser.add_argument("--openings", type=int, default=5)
    parser.add_argument("--out", type=Path, default=Path("out/look_load"))
    options = parser.parse_args()
    options.say = lambda text: print(f"... {text}", flush=True)
    options.out.mkdir(parents=True, exist_ok=True)
    with busy_node(options.out, options.rate) as load:
        figures = run(load, options.out / "look.log", options)
    print("\n".join(figures_table(figures)))
    print(
        f"load of this machine over 15 minutes: {os.getloadavg()[2]:.1f} on {os.cpu_count()} cores"
    )
    written = json.dumps([asdict(each) for each in figures], indent=2)
    (options.out / "figures.json").write_text(written + "\n", encoding="utf-8")
    return 0 if all(each.is_kept for each in figures) else 1


if __name__ == "__main__":
    raise SystemExit(main())
