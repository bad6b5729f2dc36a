"""How a sub-command is declared, and the forms of arguments that several commands share."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]

Run = Callable[[argparse.Namespace], int]


def add_command(
    commands: Commands, name: str, summary: str, examples: str, run: Run
) -> argparse.ArgumentParser:
    """Declare a command and return its parser, for the caller to add arguments to.

    `run` gets the parsed arguments and returns the exit code. It may raise Sam3RosError and
    OSError: the main command prints them in one line.
    """
    parser = add_group(commands, name, summary, examples)
    parser.set_defaults(run=run)
    return parser


def add_group(
    commands: Commands, name: str, summary: str, examples: str
) -> argparse.ArgumentParser:
    """Declare a command that only holds sub-commands, for example `bundle`."""
    lines = "\n".join(f"  {line.strip()}" for line in examples.strip().splitlines())
    return commands.add_parser(
        name,
        help=summary,
        description=summary[0].upper() + summary[1:] + ".",
        epilog=f"examples:\n{lines}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def add_json_option(parser: argparse.ArgumentParser) -> None:
    """Declare --json as a flag."""
    parser.add_argument("--json", action="store_true", help="print JSON, for a program to read")


def whole_number(least: int, most: int | None = None) -> Callable[[str], int]:
    """Return an argument type for whole numbers from `least` to `most`; None for no limit."""

    def parse(text: str) -> int:
        if text.isdecimal() and least <= int(text) and (most is None or int(text) <= most):
            return int(text)
        limits = f"from {least}" if most is None else f"from {least} to {most}"
        raise argparse.ArgumentTypeError(f"expected a whole number {limits}, got {text!r}")

    return parse


def positive_number(what: str, most: float = math.inf) -> Callable[[str], float]:
    """Return an argument type for finite numbers above 0, `most` at most.

    what: was expected, in the words of the error.
    """

    def parse(text: str) -> float:
        try:
            number = float(text)
        except ValueError:
            number = math.nan
        if math.isfinite(number) and 0 < number <= most:
            return number
        raise argparse.ArgumentTypeError(f"expected {what}, got {text!r}")

    return parse


def prepare_output(file: Path | str | None) -> None:
    """Make the folder of a file, and check that the file can be written; None and "-" need none.

    A command calls it first, so as not to fail after minutes of work. A file that exists stays as
    it is. Raises OSError if the file cannot be written.
    """
    if file is None or str(file) == "-":
        return
    Path(file).parent.mkdir(parents=True, exist_ok=True)
    is_new = not Path(file).exists()
    with Path(file).open("a"):
        pass
    if is_new:
        Path(file).unlink()
