"""The order of the node's locks, and that the tests' watch over it sees a wrong one."""

from __future__ import annotations

import ast
import threading
from pathlib import Path

import pytest
from lock_order import VIOLATED, LockOrderError, LockWatch
from node_under_test import running_node

import sam3_ros.ros
from sam3_ros.ros.locks import NodeLock

ROOM = Path(sam3_ros.ros.__file__).parent
KINDS = {"Lock", "RLock", "Semaphore", "BoundedSemaphore", "Barrier"}
INVERTED = (NodeLock.FRAME_QUEUE, NodeLock.NODE)


@pytest.fixture
def watch() -> LockWatch:
    """Return a watch of the test's own; its violations are no fault of the node."""
    return LockWatch()


def test_every_lock_of_the_node_has_a_place_in_the_order() -> None:
    made: list[str] = []
    for file in ROOM.rglob("*.py"):
        for call in ast.walk(ast.parse(file.read_text())):
            if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Attribute):
                continue
            if call.func.attr in KINDS:
                assert file.name == "locks.py", f"{file}:{call.lineno} makes a lock without a name"
            elif call.func.attr == "Condition":
                assert call.args, f"{file}:{call.lineno} makes a condition with a lock of its own"
            elif call.func.attr == "make" and isinstance(call.func.value, ast.Attribute):
                made.append(call.func.value.attr)
    assert sorted(made) == sorted(lock.name for lock in NodeLock)


def test_locks_in_order_are_nested_and_one_after_the_other(watch: LockWatch) -> None:
    with watch.installed():
        node, queue, memory = (
            lock.make() for lock in (NodeLock.NODE, NodeLock.FRAME_QUEUE, NodeLock.FRAME_MEMORY)
        )
    with node, node, queue, memory:
        pass
    with memory:
        pass
    with queue:
        pass
    assert watch.violations == []
    assert (NodeLock.NODE, NodeLock.FRAME_MEMORY) in watch.nested


@pytest.mark.parametrize(
    "names",
    [
        INVERTED,
        (NodeLock.FRAME_LEDGER, NodeLock.FRAME_LEDGER),
        (NodeLock.NODE, NodeLock.ACTIVE_PROMPTS, NodeLock.ACTIVE_PROMPTS_TOPIC),
    ],
)
def test_a_planted_inversion_is_seen_though_nobody_waits(
    watch: LockWatch, names: tuple[NodeLock, ...]
) -> None:
    with watch.installed():
        *outer, last = (name.make() for name in names)
    for lock in outer:
        lock.acquire()
    with pytest.raises(LockOrderError, match=f"takes {names[-1].name}"):
        last.acquire()
    assert len(watch.violations) == 1


def test_a_lock_that_its_thread_holds_is_not_waited_for_for_ever(watch: LockWatch) -> None:
    with watch.installed():
        lock = NodeLock.FRAME_MEMORY.make()
    with lock, pytest.raises(LockOrderError):
        lock.acquire()


def test_a_condition_waits_with_a_watched_lock(watch: LockWatch) -> None:
    with watch.installed():
        changed = threading.Condition(NodeLock.FRAME_QUEUE.make())
    is_ready = threading.Event()

    def notify() -> None:
        with changed:
            is_ready.set()
            changed.notify()

    with changed:
        threading.Thread(target=notify).start()
        assert changed.wait_for(is_ready.is_set, timeout=60)
    assert watch.held == []


PLANTED = f"""
import sys
from sam3_ros.ros import segmentation_node
from sam3_ros.ros.locks import NodeLock

outer, inner = NodeLock.{INVERTED[0].name}.make(), NodeLock.{INVERTED[1].name}.make()
with outer:
    try:
        inner.acquire()
    except Exception:
        pass  # as a node that survives any error in a callback
sys.exit(segmentation_node.main())
"""


def test_a_planted_inversion_fails_a_test_of_the_node_as_a_process(tmp_path: Path) -> None:
    program = tmp_path / "planted.py"
    program.write_text(PLANTED)
    said = f"{VIOLATED}: MainThread holds FRAME_QUEUE and takes NODE"
    with (
        pytest.raises(AssertionError, match=said),
        running_node(tmp_path, program=(str(program),), autostart="false") as (_, client),
    ):
        client.diagnosed(lambda values, _: values["state"] == "unconfigured")
