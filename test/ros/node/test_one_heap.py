"""All threads of the node share one heap, because glibc gives back that of the first alone."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys

import pytest

# As the node's program does; then what a configuration does: threads that allocate.
PROGRAM = """
import ctypes, tempfile, threading
from pathlib import Path
import sam3_ros.ros.segmentation_node

held, go = [], threading.Event()
def allocate():
    held.append(bytearray(1_000_000))
    go.wait()
threads = [threading.Thread(target=allocate) for _ in range(20)]
for thread in threads:
    thread.start()
go.set()
for thread in threads:
    thread.join()

libc = ctypes.CDLL(None)
libc.fopen.restype = ctypes.c_void_p
with tempfile.TemporaryDirectory() as folder:
    told = Path(folder) / "malloc.xml"
    file = ctypes.c_void_p(libc.fopen(str(told).encode(), b"w"))
    libc.malloc_info(0, file)
    libc.fclose(file)
    print(told.read_text().count("<heap "))
"""


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "malloc_info"), reason="not glibc")
@pytest.mark.parametrize(("given", "fewest", "most"), [(None, 1, 1), ("8", 2, 8)])
def test_threads_share_one_heap_unless_the_user_says_otherwise(
    given: str | None, fewest: int, most: int
) -> None:
    environment = {key: value for key, value in os.environ.items() if key != "MALLOC_ARENA_MAX"}
    if given is not None:
        environment["MALLOC_ARENA_MAX"] = given
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True
    )
    assert ended.returncode == 0, ended.stderr
    assert fewest <= int(ended.stdout) <= most
