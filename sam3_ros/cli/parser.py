"""argparse as this command line wants it: errors in one row, and a word on what was mistyped."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

from sam3_ros.core.nearest_name import did_you_mean
from sam3_ros.core.visible_text import visible

USAGE_ERROR = 2
#: Such as -5,-5 or -.5,3: argparse alone takes it for an option.
_NEGATIVE = re.compile(r"-(\d|\.\d|inf|nan)[\d.,eE+\-]*", re.IGNORECASE)


class CommandParser(argparse.ArgumentParser):
    """A parser whose sub-parsers are of the same kind."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._has_commands = self._is_intermixed = False

    def add_subparsers(self, **kwargs: Any) -> Any:
        """Declare that this command has sub-commands; without one it prints its help."""
        self._has_commands = True
        return super().add_subparsers(**kwargs)

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse as argparse does, where `--point -5,-5` is a point."""
        arguments = _with_negative_values(sys.argv[1:] if args is None else args)
        if self._has_commands and not arguments:
            self.print_help()
            self.exit(USAGE_ERROR)
        if self._has_commands:
            self._refuse_unknown_options(arguments[:1])  # the others are of the command
        if self._has_commands or self._is_intermixed:
            return super().parse_known_args(arguments, namespace)
        self._refuse_unknown_options(arguments)
        if "--" in arguments:  # intermixed, argparse would forget it, and refuse `-- -a.jpg`
            return super().parse_known_args(arguments, namespace)
        # So that `a.jpg --text ball b.jpg` names two images. It parses by this very method.
        self._is_intermixed = True
        try:
            return self.parse_known_intermixed_args(arguments, namespace)
        finally:
            self._is_intermixed = False

    def error(self, message: str) -> NoReturn:
        """Print one row and end the process."""
        row = visible(" ".join(message.split()))  # a shell's * brings names of files in
        self.exit(USAGE_ERROR, f"{self.prog}: error: {row} (see {self.prog} --help)\n")

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is None or value in action.choices:
            return
        known = [str(choice) for choice in action.choices]
        suggestion = did_you_mean(str(value), known)
        if isinstance(action, argparse._SubParsersAction):
            kind = str(action.metavar or "command").lower()
            text = f"no {kind} {value!r}; there are {', '.join(known)}{suggestion}"
            raise argparse.ArgumentError(None, text)
        text = f"expected {' or '.join(known)}, got {value!r}{suggestion}"
        raise argparse.ArgumentError(action, text)

    def _refuse_unknown_options(self, arguments: Sequence[str]) -> None:
        """Name an unknown option before argparse says what is missing because of it."""
        for argument in arguments:
            if argument == "--":
                return
            name = argument.partition("=")[0]
            known = self._option_string_actions
            if name.startswith("--") and not any(each.startswith(name) for each in known):
                self.error(f"no option {name}{did_you_mean(name, known)}")


def _with_negative_values(arguments: Sequence[str]) -> list[str]:
    """Return the arguments with each value that begins with a minus joined to its option by "="."""
    joined: list[str] = []
    for argument in arguments:
        before = joined[-1] if joined else ""
        is_option = before.startswith("--") and before != "--" and "=" not in before
        if is_option and _NEGATIVE.fullmatch(argument):
            joined[-1] = f"{before}={argument}"
        else:
            joined.append(argument)
    return joined
