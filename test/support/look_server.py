"""`sam3-ros look` as a process of its own, as a user starts it."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from running_command import RunningCommand


@dataclass(frozen=True)
class LookServer:
    """A running server."""

    #: That it printed, with its token if it wants one.
    link: str
    command: RunningCommand

    @property
    def origin(self) -> str:
        """Scheme, host and port."""
        return "/".join(self.link.split("/")[:3])

    @property
    def local_origin(self) -> str:
        """The same by an address that this machine always reaches."""
        return f"http://127.0.0.1:{self.origin.rpartition(':')[2]}"


@contextmanager
def running_look(log: Path, *arguments: str) -> Iterator[LookServer]:
    """Start the server on a port that the system chooses; end it as a user does, with the block.

    Fails if it does not end well.
    """
    command = RunningCommand(log, "look", *arguments, "--port", "0")
    try:
        found = re.search(r"http://\S+", command.wait_for("http://"))
        assert found is not None
        yield LookServer(found[0], command)
    except BaseException:
        print(command.text)
        raise
    finally:
        code = command.stop(signal.SIGTERM) if command.process.poll() is None else None
    assert code == os.EX_OK, command.text
    assert "Traceback" not in command.text, command.text
