"""The engine of a cluster, on a real one of this machine; its models wait, or fail, as told."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from waiting_model import SOURCE, WaitingModel, chunk

from sam3_ros.core.errors import Sam3RosError
from sam3_ros.core.stages.plan import StageChoice, StagePlan
from sam3_ros.label.cluster.ray_engine import RayEngine
from sam3_ros.label.cluster.ray_session import ClusterError, set_environment
from sam3_ros.label.engine import MOST_TRIES, ChunkOutcome
from sam3_ros.label.job import LabelJob, LabelPrompt

WORKERS = 2


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """Return the address of a cluster of two machines, as far as Ray sees."""
    # Its workers import the models from there.
    os.environ["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if "support" in path)
    set_environment()
    from ray.cluster_utils import Cluster

    cluster = Cluster()
    for _ in range(WORKERS):
        cluster.add_node(num_cpus=1, object_store_memory=80 << 20, include_dashboard=False)
    cluster.wait_for_nodes()
    yield cluster.address
    cluster.shutdown()


@pytest.fixture
def job(tmp_path: Path) -> LabelJob:
    plan = StagePlan(StageChoice())
    return LabelJob("/nowhere", plan, 1, (LabelPrompt("cube"),), work=str(tmp_path / "work"))


def outcomes(engine: RayEngine, numbers: range) -> dict[int, ChunkOutcome]:
    try:
        found = list(engine.run(chunk(number) for number in numbers))
    finally:
        engine.close()
    assert sorted(each.number for each in found) == list(numbers)  # each once
    assert {each.source for each in found} == {SOURCE.key}
    return {each.number: each for each in found}


def test_what_fails_is_tried_again_then_set_aside_and_the_rest_goes_on(address, job, tmp_path):
    model = WaitingModel(
        deadly=frozenset({4}),
        deadly_once=frozenset({2}),
        wrong=frozenset({7}),
        folder=str(tmp_path),
    )
    # Several waves: what is known of one is no part of the next.
    engine = RayEngine(job, address, WORKERS, load=model, wave=6)
    found = outcomes(engine, range(10))
    assert {n for n, each in found.items() if each.figures is None} == {4, 7}
    assert found[4].failure.startswith(f"its worker died {MOST_TRIES} times")
    assert found[7].failure == "chunk 7 is wrong"
    assert [model.tries(number) for number in (0, 2, 4, 7)] == [1, 2, MOST_TRIES, MOST_TRIES]
    assert {each.figures.frames for each in found.values() if each.figures} == {30}
    assert list((tmp_path / "work").iterdir()) == []


@pytest.mark.parametrize(
    ("model", "error", "told"),
    [
        (WaitingModel(refusal="no such\nbundle"), ClusterError, r"no such bundle \(on .+\)"),
        (WaitingModel(unwritable=frozenset({0, 1})), OSError, "No space left"),
    ],
    ids=["no model", "full disk"],
)
def test_where_nothing_can_go_on_it_ends_with_the_reason(address, job, model, error, told):
    import ray
    from ray.exceptions import RaySystemError

    engine = RayEngine(job, address, WORKERS, load=model)
    with pytest.raises(error, match=told):
        outcomes(engine, range(2))
    # Threads that it left may call Ray, as here, and must not connect anew.
    with pytest.raises(RaySystemError, match="has not been started"):
        ray.put(0)


def test_a_cluster_with_no_room_is_told_from_one_that_is_busy(address, job):
    wide = replace(job, threads=64)
    with pytest.raises(ClusterError, match=r"a worker needs 64 CPU, and no machine"):
        outcomes(RayEngine(wide, address, load=WaitingModel()), range(1))


def test_a_cluster_that_is_not_there_is_one_line(job):
    engine = RayEngine(job, "127.0.0.1:1", load=WaitingModel())
    with pytest.raises(
        Sam3RosError, match=r"cannot reach the Ray cluster '127\.0\.0\.1:1'"
    ) as told:
        outcomes(engine, range(1))
    assert "\n" not in str(told.value)
