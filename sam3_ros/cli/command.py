"""How a sub-command is declared: name, one-line summary, examples, and the function that runs."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]

Run = Callable[[argparse.Namespace], int]


def add_command(
    commands: Commands, name: str, summary: str, examples: str, run: Run
) -> argparse.ArgumentParser:
    """Declare a command; add its arguments to the parser that comes back.

    `run` gets the parsed arguments and returns the exit code. Errors of sam3_ros's tree may leave
    it: the main command prints them in one line.
    """
    parser = add_group(commands, name, summary, examples)
    parser.set_defaults(run=run)
    return parser


def add_group(
    commands: Commands, name: str, summary: str, examples: str
) -> argparse.ArgumentParser:
    """Declare a command that only holds sub-commands, for example `bundle`."""
    return commands.add_parser(
        name,
        help=summary,
        description=summary[0].upper() + summary[1:] + ".",
        epilog=f"examples:\n{_indented(examples)}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def _indented(examples: str) -> str:
    return "\n".join(f"  {line.strip()}" for line in examples.strip().splitlines())
