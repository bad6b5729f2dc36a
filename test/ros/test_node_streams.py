"""Readers of the node's log that stop, or that go."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys

import pytest
from node_client import PATIENCE, NodeClient
from node_under_test import ENVIRONMENT, THE_NODE
from ros_domains import own_domain

_SMALLEST_PIPE = 4096


@pytest.mark.parametrize("reader", ["stops", "goes"])
def test_a_log_that_nobody_reads_stops_nothing(reader):
    with own_domain() as domain:
        out, into = os.pipe()
        fcntl.fcntl(into, fcntl.F_SETPIPE_SZ, _SMALLEST_PIPE)
        arguments = ("--ros-args", "--log-level", "debug", "-p", "diagnostics_period:=0.2")
        process = subprocess.Popen(
            [sys.executable, *THE_NODE, *arguments, "-p", "autostart:=false"],
            stdout=into,
            stderr=into,
            env={**os.environ, **ENVIRONMENT, "ROS_DOMAIN_ID": str(domain)},
        )
        os.close(into)
        if reader == "goes":
            os.close(out)
        client = NodeClient(domain)
        try:
            for _ in range(2):
                client.diagnosed(lambda values, _: values["state"] == "unconfigured")
            process.send_signal(signal.SIGTERM)
            assert process.wait(PATIENCE) == 0
        finally:
            process.kill()
            process.wait()
            client.close()
            if reader == "stops":
                os.close(out)
