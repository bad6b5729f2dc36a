"""`sam3-ros completion`: a script with which bash or zsh completes this command line."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sam3_ros.cli.command import add_command
from sam3_ros.cli.needs import require

if TYPE_CHECKING:
    from sam3_ros.cli.command import Commands

SHELLS = ("bash", "zsh")
_PRECISIONS = ("fp32", "fp16", "int8", "tf32", "bf16")
#: shtab completes as file names, with a slash after a folder, where a function is named like this.
_BUNDLE = {"bash": "_sam3_ros_bundle_dirs", "zsh": "_sam3_ros_bundle_dirs"}
_PREAMBLES = {
    "bash": """
# $1: the word so far
_sam3_ros_bundle_dirs() {{
  compgen -W "{names}" -- "$1"
  compgen -d -- "$1"
}}
""",
    "zsh": """
_sam3_ros_bundle_dirs() {{
  _alternative "names:embedded bundle:({names})" "folders:folder of a bundle:_files -/"
}}
""",
}


def register(commands: Commands) -> None:
    """Declare the command."""
    parser = add_command(
        commands,
        "completion",
        "print a script with which bash or zsh completes commands, options, bundles and files",
        """
        eval "$(sam3-ros completion bash)"    # in this shell; in ~/.bashrc for every new one
        sam3-ros completion bash > ~/.local/share/bash-completion/completions/sam3-ros
        sam3-ros completion zsh > ~/.zfunc/_sam3-ros    # a folder of zsh's fpath
        """,
        _run,
    )
    parser.add_argument("shell", choices=SHELLS, metavar="SHELL", help=" or ".join(SHELLS))


def _run(options: argparse.Namespace) -> int:
    require("shtab")
    import shtab

    from sam3_ros.core.bundle.bundle import embedded_bundles

    for action in _arguments_of(options.whole_parser):
        _say_what_completes(action)
    names = " ".join(embedded_bundles())
    preamble = _PREAMBLES[options.shell].format(names=names)
    print(shtab.complete(options.whole_parser, options.shell, preamble=preamble))
    return 0


def _arguments_of(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    """Yield the arguments of a parser and of its sub-commands."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                yield from _arguments_of(command)
        else:
            yield action


def _say_what_completes(argument: Any) -> None:
    """Set what shtab reads. By name and type, so that a new command need not say it."""
    import shtab

    from sam3_ros.core.backends.factory import BACKENDS
    from sam3_ros.hub.published import PUBLISHED

    if argument.choices is not None or argument.nargs == 0:
        return
    if argument.dest in ("bundle", "bundles") or argument.metavar == "BUNDLE":
        argument.complete = _BUNDLE
    elif argument.dest == "backend":
        argument.choices = BACKENDS
    elif argument.dest == "model":
        argument.choices = [model.name for model in PUBLISHED]
    elif argument.dest.endswith("precision") and argument.type is None:
        argument.choices = _PRECISIONS
    elif argument.metavar == "DIR":
        argument.complete = shtab.DIRECTORY
    elif argument.metavar in ("FILE", "IMAGE", "BAG") or argument.type is Path:
        argument.complete = shtab.FILE
