"""The `sam3-ros` command: finds the sub-command and prints an error in one line."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib import import_module
from io import TextIOWrapper

from sam3_ros import __version__
from sam3_ros.cli.parser import CommandParser
from sam3_ros.core.errors import Sam3RosError

#: The sub-commands in the order of --help, each with its module in sam3_ros.cli. A module has
#: `register(commands)` and imports what is heavy only inside the function that runs.
COMMANDS = {
    "segment": "segment.command",
    "bench": "bench.command",
    "tune": "tune",
    "bundle": "bundle.command",
    "export": "export",
    "inspect": "inspect",
    "slim": "slim",
    "verify": "verify",
    "demo": "demo",
    "node": "node",
    "ask": "ask",
    "replay": "replay.command",
    "topic": "topic",
    "completion": "completion",
}

FAILED = 2
INTERRUPTED = 130
PIPE_CLOSED = 141


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a sub-command and return the exit code: 0, 2 for an error, or the command's own.

    Without a sub-command it prints the help, and that too ends with 2: nothing was done.
    """
    if isinstance(sys.stdout, TextIOWrapper):
        # A file name need not be valid text, and a terminal may lack letters of a label.
        sys.stdout.reconfigure(errors="backslashreplace")
    options = _parser().parse_args(arguments)
    try:
        status = int(options.run(options))
        if sys.stdout is not None:  # None where the shell has closed it
            sys.stdout.flush()  # a closed pipe must fail here, not while Python exits
        return status
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # A reader such as `head` has gone; keep Python's own flush at exit from complaining.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return PIPE_CLOSED
    except (Sam3RosError, OSError) as error:
        print(f"sam3-ros: error: {' '.join(_message(error).split())}", file=sys.stderr)
        return FAILED


def _message(error: Exception) -> str:
    if isinstance(error, OSError) and error.filename is not None and error.strerror:
        return f"cannot use {os.fsdecode(error.filename)}: {error.strerror}"
    return str(error)


def _parser() -> CommandParser:
    parser = CommandParser(
        prog="sam3-ros",
        description="Promptable segmentation for ROS 2: words, clicks and boxes to masks.",
        epilog="`sam3-ros COMMAND --help` has examples.",
    )
    parser.add_argument("--version", action="version", version=f"sam3-ros {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    parser.set_defaults(whole_parser=parser)  # for `completion`
    for module in COMMANDS.values():
        import_module(f"sam3_ros.cli.{module}").register(commands)
    return parser


if __name__ == "__main__":
    sys.exit(main())
