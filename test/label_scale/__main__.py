"""Measure what the Ray engine adds to the work: on a cluster of several nodes on this machine.

    make label-scale ARGS="--workers 64"

The model waits in place of computing, so that many workers fit into a few cores. Two parts: how
near to linear the workers come, and whether the driver's memory grows with the number of chunks.
Ends with 1 where they reach less than 0.9 of linear, or memory grows by more than 50 MB after the
first wave of chunks.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager

from waiting_model import WaitingModel, chunk

from sam3_ros.core.stages.plan import StageChoice, StagePlan
from sam3_ros.label.cluster.ray_engine import RayEngine
from sam3_ros.label.job import LabelJob, LabelPrompt

_LEAST_EFFICIENCY, _MOST_GROWTH_MB = 0.9, 50.0
_SAMPLES = 20


@contextmanager
def cluster_of(nodes: int, workers: int) -> Iterator[str]:
    """Start nodes with room for so many workers together, and yield the address."""
    from ray.cluster_utils import Cluster

    cluster = Cluster()
    try:
        for number in range(nodes):
            room = workers // nodes + (number < workers % nodes)
            cluster.add_node(num_cpus=room, object_store_memory=100 << 20, include_dashboard=False)
        cluster.wait_for_nodes()
        yield cluster.address
    finally:
        cluster.shutdown()


def engine_on(address: str, workers: int, seconds: float, wave: int | None = None) -> RayEngine:
    """Return an engine whose model waits so long a chunk."""
    job = LabelJob(
        bundle="/nowhere",
        plan=StagePlan(StageChoice()),
        threads=1,
        prompts=(LabelPrompt("a car"),),
        work=tempfile.mkdtemp(prefix="label-scale-"),
    )
    more = {} if wave is None else {"wave": wave}
    return RayEngine(job, address, workers, load=WaitingModel(seconds), **more)


def efficiency(address: str, workers: int, seconds: float, chunks: int) -> float:
    """Print and return which part of linear so many workers reach, once all of them are there."""
    engine = engine_on(address, workers, seconds)
    begun = time.monotonic()
    pids: set[int] = set()
    all_there, counted, worked, last = 0.0, 0, 0.0, 0.0
    try:
        for outcome in engine.run(chunk(number) for number in range(chunks)):
            assert outcome.figures is not None, outcome.failure
            last = time.monotonic()
            if len(pids) == workers:
                counted += 1
                worked += min(seconds, last - all_there)  # of a chunk that was begun before
                continue
            pids.add(outcome.figures.objects)
            all_there = last
    finally:
        engine.close()
    if len(pids) < workers or not counted:
        print(f"only {len(pids)} of {workers} workers had a chunk: ask for more --chunks")
        return 0.0
    reached = worked / (workers * (last - all_there))
    print(
        f"{workers:4} workers: {counted} chunks of {seconds:g} s in {last - all_there:.1f} s, "
        f"{counted / (last - all_there):.1f} a second, {reached:.3f} of linear (tail included; all "
        f"workers there after {all_there - begun:.0f} s)"
    )
    return reached


def growth(address: str, workers: int, chunks: int, wave: int | None) -> float:
    """Print the driver's memory while it goes through chunks that take no time.

    Return by how many MB it grows from the first quarter's highest to the last quarter's.
    """
    engine = engine_on(address, workers, 0.0, wave)
    every = max(1, chunks // _SAMPLES)
    samples: list[float] = []
    begun = time.monotonic()
    try:
        for done, _ in enumerate(engine.run(chunk(number) for number in range(chunks)), start=1):
            if done % every == 0:
                samples.append(_resident_mb())
                rate = done / (time.monotonic() - begun)
                print(
                    f"{done:8} chunks: driver {samples[-1]:.1f} MB, {rate:.0f} a second", flush=True
                )
    finally:
        engine.close()
    quarter = max(1, len(samples) // 4)
    return max(samples[-quarter:]) - max(samples[:quarter])


def _resident_mb() -> float:
    with open("/proc/self/statm") as file:  # noqa: PTH123
        return int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE") / 1e6


def main() -> int:
    parser = argparse.ArgumentParser(prog="label_scale", description=__doc__)
    parser.add_argument("--nodes", type=int, default=4)
    parser.add_argument("--workers", type=int, nargs="*", default=[64])
    parser.add_argument("--seconds", type=float, default=4.0, help="that a chunk takes")
    parser.add_argument("--rounds", type=int, default=20, help="chunks a worker")
    parser.add_argument("--flat", type=int, default=0, help="chunks, to see the driver's memory")
    parser.add_argument("--flat-workers", type=int, default=4)
    parser.add_argument(
        "--wave", type=int, default=None, help="chunks that the driver knows at once"
    )
    options = parser.parse_args()
    failed = False
    for workers in options.workers:
        with cluster_of(options.nodes, workers) as address:
            chunks = workers * options.rounds
            failed |= efficiency(address, workers, options.seconds, chunks) < _LEAST_EFFICIENCY
    if options.flat:
        with cluster_of(options.nodes, options.flat_workers) as address:
            grown = growth(address, options.flat_workers, options.flat, options.wave)
        print(f"the driver grew by {grown:.1f} MB from the first quarter to the last")
        failed |= grown > _MOST_GROWTH_MB
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
