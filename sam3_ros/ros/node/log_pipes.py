"""A reader of the log that has stopped reading must not stop the node."""

from __future__ import annotations

import os
import stat
from contextlib import suppress

_STDOUT, _STDERR = 1, 2


def never_wait_for_readers() -> None:
    """Let lines be lost where a pipe behind stdout or stderr is full, as of a pager that waits.

    Each is opened anew, because the mode is that of all processes that share the old one.
    """
    for number in (_STDOUT, _STDERR):
        with suppress(OSError):  # it is closed, or there is no /proc
            if stat.S_ISFIFO(os.fstat(number).st_mode):
                own = os.open(f"/proc/self/fd/{number}", os.O_WRONLY | os.O_NONBLOCK)
                os.dup2(own, number)
                os.close(own)
