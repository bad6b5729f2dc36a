"""How a process of this package ends; docs/exit_codes.md has the table for people."""

from __future__ import annotations

import signal
from enum import IntEnum


class ExitCode(IntEnum):
    """The exit code of every command and of the node."""

    #: It did what was asked, and the result is as it should be.
    OK = 0
    #: It did what was asked, and the result is not as it should be: a check failed, a frame is
    #: unaccounted for, nothing was answered.
    UNSATISFIED = 1
    #: It could not do what was asked: an argument, a file, the machine or the environment is to
    #: blame, and the last line on stderr says which. argparse ends so too.
    REFUSED = 2
    #: A fault in this package: EX_SOFTWARE of <sysexits.h>.
    INTERNAL = 70
    #: As shells report a process that a signal has ended.
    INTERRUPTED = 128 + signal.SIGINT
    PIPE_CLOSED = 128 + signal.SIGPIPE
    TERMINATED = 128 + signal.SIGTERM
