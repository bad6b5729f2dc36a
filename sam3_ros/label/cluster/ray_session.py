"""A connection to a Ray cluster, or a cluster of one's own, without Ray's noise."""

from __future__ import annotations

import logging
import os
import shutil
import signal
import socket
import sys
import tempfile
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from secrets import token_hex
from typing import Any

from sam3_ros.core.errors import Sam3RosError

# Chunks are named in it, no image comes into it; Ray wants 75 MB at least.
_OBJECT_STORE_BYTES = 200 << 20
_PATIENCE_S = 10.0
# Read by Ray when it is imported, or by the processes that it starts.
_QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    # Its C++ parts write to stderr past Python's logging.
    "RAY_BACKEND_LOG_LEVEL": "fatal",
    "RAY_DATA_LOG_LEVEL": "CRITICAL",
    "RAY_DATA_DISABLE_PROGRESS_BARS": "1",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    # The driver would keep events of every task for a dashboard that is not there: 2.5 kB a chunk.
    "RAY_task_events_report_interval_ms": "0",
    # Where a run stops half way, Ray Data's prefetching thread outlives the session. Its next call
    # of Ray would connect anew.
    "RAY_ENABLE_AUTO_CONNECT": "0",
}


class ClusterError(Sam3RosError):
    """A cluster that cannot be reached, or on which no worker can start."""


class RaySession:
    """The cluster, connected to from here on until it is closed."""

    def __init__(self, address: str, cpus: float) -> None:
        """Connect, or start a cluster where the address is empty.

        cpus: of a cluster of its own, as Ray counts them. Raises ClusterError.
        """
        set_environment()
        if address:
            _require_listening(address)
        elif os.environ.setdefault("RAY_AUTH_MODE", "token") == "token":
            # Its ports listen to the network: who has no token is heard by none of them.
            os.environ["RAY_AUTH_TOKEN"] = token_hex(32)
        import ray

        self._folder = None if address else tempfile.mkdtemp(prefix="sam3-ros-ray-")
        own: dict[str, Any] = {
            "num_cpus": cpus,
            "include_dashboard": False,
            "object_store_memory": _OBJECT_STORE_BYTES,
            "_temp_dir": self._folder,
        }
        try:
            with _signal_handlers_kept(), _stderr_hidden():
                ray.init(
                    **({"address": address} if address else own),
                    log_to_driver=False,
                    logging_level=logging.CRITICAL,
                )
        except Exception as error:  # of many kinds, by what went wrong where
            self.close()
            what = f"cannot reach the Ray cluster {address!r}" if address else "cannot start Ray"
            said = " ".join(str(error).split()) or type(error).__name__
            raise ClusterError(
                f"{what}: {said[:300]}. `ray status --address ADDRESS` shows whether it is there"
            ) from error
        _silence()

    def resources(self) -> dict[str, float]:
        """Return what the cluster has now: "CPU", "GPU"."""
        import ray

        return dict(ray.cluster_resources())

    def close(self) -> None:
        """Disconnect, and end a cluster of its own; closing twice is allowed."""
        import ray

        with _signal_handlers_kept():
            ray.shutdown()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)


def set_environment() -> None:
    """Set what Ray reads when it is imported."""
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)


def _require_listening(address: str) -> None:
    """Raise ClusterError where nothing listens: Ray would try for minutes."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal():  # such as auto: Ray knows at once
        return
    try:
        with socket.create_connection((host.removeprefix("ray://"), int(port)), _PATIENCE_S):
            pass
    except (OSError, OverflowError, UnicodeError) as error:
        raise ClusterError(
            f"cannot reach the Ray cluster {address!r}: {error}. Name its head as HOST:6379, or "
            "`auto` on one of its machines"
        ) from error


def _silence() -> None:
    """Keep Ray from the terminal: its logs are in its own folder, what matters is told in words."""
    import ray._private.worker as internals
    import ray.data  # noqa: F401 - sets up its logging

    for name in ("ray", "ray.data"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    warnings.filterwarnings("ignore", module=r"ray\.|sam3_ros\.label\.cluster")
    # Each worker that dies is told on stdout, whatever log_to_driver says, and programs read that.
    if hasattr(internals, "print_worker_logs"):
        internals.print_worker_logs = lambda *_, **__: None


@contextmanager
def _stderr_hidden() -> Iterator[None]:
    """Send to nowhere what is written to stderr, also past Python; errors come as exceptions."""
    sys.stderr.flush()
    kept = os.dup(2)
    with open(os.devnull, "w") as nowhere:  # noqa: PTH123
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


@contextmanager
def _signal_handlers_kept() -> Iterator[None]:
    """Undo that Ray takes SIGTERM: what it would do is not what exit codes promise."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {each: signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
