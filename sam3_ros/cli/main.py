"""The `sam3-ros` command: finds the sub-command and prints an error in one line."""

from __future__ import annotations

import errno
import os
import sys
import traceback
from collections.abc import Sequence
from importlib import import_module
from io import TextIOWrapper

from sam3_ros import __version__
from sam3_ros.cli.parser import CommandParser
from sam3_ros.cli.progress import first_runs_told
from sam3_ros.core.errors import Sam3RosError
from sam3_ros.core.exit_codes import ExitCode
from sam3_ros.core.visible_text import visible

#: The sub-commands in the order of --help, each with its module in sam3_ros.cli. A module has
#: `register(commands)` and imports what is heavy only inside the function that runs.
COMMANDS = {
    "segment": "segment.command",
    "label": "label.command",
    "bench": "bench.command",
    "tune": "tune",
    "bundle": "bundle.command",
    "models": "models",
    "export": "export",
    "inspect": "inspect",
    "slim": "slim",
    "verify": "verify.command",
    "evaluate": "evaluate",
    "demo": "demo",
    "node": "node",
    "ask": "ask",
    "look": "look",
    "replay": "replay.command",
    "topic": "topic",
    "completion": "completion",
}

_DISK_IS_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a sub-command and return the exit code, an ExitCode; argparse may raise SystemExit.

    Without a sub-command it prints the help, and that too ends with 2: nothing was done.
    """
    for stream in ("stdout", "stderr"):
        if getattr(sys, stream) is None:  # the shell has closed it
            setattr(sys, stream, open(os.devnull, "w"))  # noqa: SIM115, PTH123
    if isinstance(sys.stdout, TextIOWrapper):
        # A file name need not be valid text, and a terminal may lack letters of a label.
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        return _run(arguments)
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED
    except BrokenPipeError:
        # A reader such as `head` has gone; keep Python's own flush at exit from complaining.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.PIPE_CLOSED
    except Exception as error:
        return _failed(error)


def _run(arguments: Sequence[str] | None) -> int:
    try:
        options = _parser().parse_args(arguments)
        with first_runs_told():
            return int(options.run(options))
    finally:
        sys.stdout.flush()  # a closed pipe must fail here, not while Python exits


def _failed(error: Exception) -> ExitCode:
    """Print what went wrong; in one line, unless it is a fault of this package."""
    # What rclpy refuses are names and arguments of the user. Its types cannot be imported here.
    is_of_ros = type(error).__module__.partition(".")[0] == "rclpy"
    if is_of_ros or isinstance(error, (Sam3RosError, OSError)):
        print(f"sam3-ros: error: {visible(' '.join(_message(error).split()))}", file=sys.stderr)
        return ExitCode.REFUSED
    traceback.print_exception(error)
    print(f"sam3-ros: a fault in sam3_ros {__version__}, please report it", file=sys.stderr)
    return ExitCode.INTERNAL


def _message(error: Exception) -> str:
    # Of a file that was opened by its number, that is its name.
    named = isinstance(error, OSError) and isinstance(error.filename, (str, bytes, os.PathLike))
    if isinstance(error, OSError) and named and error.strerror:
        return f"cannot use {os.fsdecode(error.filename)}: {error.strerror}"
    if isinstance(error, OSError) and error.errno in _DISK_IS_FULL:
        return f"cannot write: {error.strerror}"  # most often to stdout
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
