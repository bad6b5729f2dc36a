"""The node in a process of its own, beside a client of it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from lock_order import VIOLATED
from node_client import PATIENCE, NodeClient
from ros_domains import own_domain

# The generated messages check the types of their fields only if told to; without, an int in a
# float64 field goes out as rubbish.
ENVIRONMENT = {"ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST", "ROS_PYTHON_CHECK_FIELDS": "1"}
THE_NODE = ("-m", "sam3_ros.ros.segmentation_node")
# Runs a program with locks that watch their order.
WATCHING = str(Path(__file__).with_name("lock_order.py"))


class NodeProcess:
    """A Python program with ROS parameters, which logs into a file."""

    def __init__(
        self, domain: int, log: Path, program: Sequence[str], parameters: dict[str, str]
    ) -> None:
        self.log_file = log
        arguments = [
            part for name, value in parameters.items() for part in ("-p", f"{name}:={value}")
        ]
        command = [sys.executable, WATCHING, *program, "--ros-args", *arguments]
        environment = {**os.environ, **ENVIRONMENT, "ROS_DOMAIN_ID": str(domain)}
        with log.open("w") as output:
            self.process = subprocess.Popen(
                command, stdout=output, stderr=subprocess.STDOUT, env=environment
            )

    @property
    def log(self) -> str:
        return self.log_file.read_text()

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal, wait for the process to end and return its exit code."""
        self.process.send_signal(number)
        try:
            return self.process.wait(PATIENCE)
        finally:
            self.process.kill()


@contextmanager
def running_node(
    folder: Path,
    expected_code: int = 0,
    program: Sequence[str] = THE_NODE,
    **parameters: object,
) -> Iterator[tuple[NodeProcess, NodeClient]]:
    """Run a node process and a client on a ROS domain of their own.

    Fails if the exit code is not the expected one or the node broke the lock order.
    """
    words = {name: str(value) for name, value in parameters.items()}
    words["diagnostics_period"] = "0.2"
    with own_domain() as domain:
        process = NodeProcess(domain, folder / "node.log", program, words)
        os.environ.update(ENVIRONMENT)
        client = NodeClient(domain)
        try:
            yield process, client
        except BaseException:
            print(process.log)
            raise
        finally:
            client.close()
            code = process.stop() if process.process.poll() is None else process.process.returncode
        assert code == expected_code, process.log
        assert VIOLATED not in process.log, process.log
