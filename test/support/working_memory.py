"""What sessions of a model hold of the system's memory, as they come, run and go.

    working_memory.py MODEL FLOATS SESSIONS CYCLES

MODEL takes x f32[1, FLOATS]. A line of JSON: MiB resident before, after the first session has run,
after all have, after they are closed, and after each of the cycles of opening, running and closing.
What glibc keeps of freed memory for itself is not counted: malloc_trim returns it first.
"""

from __future__ import annotations

import ctypes
import json
import re
import sys
from pathlib import Path

import numpy as np

from sam3_ros.core.backends import open_session
from sam3_ros.core.stages.session import Session


def resident() -> float:
    ctypes.CDLL(None).malloc_trim(0)
    status = Path("/proc/self/status").read_text(encoding="ascii")
    found = re.search(r"^VmRSS:\s+(\d+) kB", status, re.MULTILINE)
    assert found is not None
    return int(found[1]) / 1024


def opened_and_run(model: Path, x: np.ndarray) -> Session:
    session = open_session(model)
    session.run({"x": x})
    return session


def main() -> None:
    model, floats, sessions, cycles = Path(sys.argv[1]), *map(int, sys.argv[2:])
    opened_and_run(model, np.ones((1, 1), np.float32)).close()
    x = np.ones((1, floats), np.float32)
    held = {"before": resident()}
    opened = [opened_and_run(model, x)]
    held["one"] = resident()
    opened += [opened_and_run(model, x) for _ in range(sessions - 1)]
    held["all"] = resident()
    for session in opened:
        session.close()
    held["closed"] = resident()
    after_cycles = []
    for _ in range(cycles):
        opened_and_run(model, x).close()
        after_cycles.append(resident())
    print(json.dumps({**held, "cycles": after_cycles}))


if __name__ == "__main__":
    main()
