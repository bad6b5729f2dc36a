"""A ROS domain for one test alone, also among test runs side by side on one machine."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sam3_ros.replay.private_domain import FIRST_DOMAIN, claim

# 0 is everybody's default; those of the commands, which tests run too, are left to them.
DOMAINS = range(1, FIRST_DOMAIN)


@contextmanager
def own_domain() -> Iterator[int]:
    """Yield a domain id that no other test has, and in which no node is, until the block ends.

    The one that was left longest ago: for 20 s DDS takes a node that was killed for a living one.
    Raises RuntimeError if all are in use.
    """
    folder = Path(tempfile.gettempdir()) / "sam3_ros_test_domains"
    folder.mkdir(exist_ok=True)
    for domain in sorted(DOMAINS, key=lambda domain: _left(folder / str(domain))):
        if (claimed := claim(domain)) is None:
            continue
        try:
            with claimed:
                yield domain
        finally:
            (folder / str(domain)).touch()
        return
    raise RuntimeError(f"all {len(DOMAINS)} ROS domains are in use, by tests or by nodes")


def _left(file: Path) -> float:
    """Return when a domain was left, s; 0 for one that nobody had yet."""
    try:
        return file.stat().st_mtime
    except FileNotFoundError:
        return 0.0
