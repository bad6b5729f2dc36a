"""A ROS domain for one test alone, also among test runs side by side on one machine."""

from __future__ import annotations

import fcntl
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# Above 101 the ports of Linux's domains meet the ephemeral ones; 0 is everybody's default.
DOMAINS = range(1, 102)


@contextmanager
def own_domain() -> Iterator[int]:
    """Yield a domain id that no other test has until the block ends.

    Raises RuntimeError if all are in use.
    """
    folder = Path(tempfile.gettempdir()) / "sam3_ros_test_domains"
    folder.mkdir(exist_ok=True)
    for domain in DOMAINS:
        with (folder / str(domain)).open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            yield domain
            return
    raise RuntimeError(f"all {len(DOMAINS)} ROS domains are in use by tests: {folder}")
