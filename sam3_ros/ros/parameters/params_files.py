"""Parameters that ROS leaves out without a word, because they are for another node.

A file that names `segmenter` where the node is called `segmentation_node` has no effect at all, and
rcl (rcl_yaml_param_parser, arguments.c) says nothing about it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from sam3_ros.core.checked_yaml import ANY_MAPPING, DocumentKind, read_document
from sam3_ros.ros.parameters.values import ParameterError

_FILE, _ASSIGNMENTS = "--params-file", ("-p", "--param")
_PARAMETERS = "ros__parameters"
_KIND = DocumentKind(
    "the parameters",
    ANY_MAPPING,
    ParameterError,
    only_strings=True,  # rcl reads the values; here only names count
)
# What rcl takes for any name, and for any number of names.
_WILDCARDS = {"*": r"/\w+", "**": r"(/\w+)*"}


def left_out(arguments: Sequence[str], node: str) -> list[str]:
    """Return a warning for each file and each -p of which ROS takes nothing for this node.

    arguments: of the process. node: its full name, such as /robot/segmentation_node.
    """
    found = []
    for flag, text in _of_ros(arguments):
        found += _of_file(text, node) if flag == _FILE else _of_assignment(text, node)
    return found


def _of_ros(arguments: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield what follows --params-file and -p, where ROS reads it."""
    is_for_ros = False
    words = iter(arguments)
    for word in words:
        if word in ("--ros-args", "--"):
            is_for_ros = word == "--ros-args"
        elif is_for_ros and word in (_FILE, *_ASSIGNMENTS):
            yield word, next(words, "")


def _of_file(path: str, node: str) -> list[str]:
    try:
        document = read_document(Path(path), _KIND)
    except ParameterError as error:  # rcl has read it; such as a key that is there twice
        return [f"the parameters may be other than they look: {error}"]
    patterns = list(_patterns(document.value))
    if not patterns:
        return [f"{path} has no parameters: expected {_shape(node)}"]
    if any(_names(each, node) for each in patterns):
        return []  # a file may be for several nodes
    named = ", ".join(f"'{each}'" for each in patterns)
    return [
        f"all parameters in {path} are ignored: they are for {named}, and this node is '{node}': "
        f"expected {_shape(node)}"
    ]


def _of_assignment(text: str, node: str) -> list[str]:
    """Return a warning on `other_node:name:=value`."""
    pattern, separator, _ = text.partition(":=")[0].rpartition(":")
    if not separator or _names(pattern, node):
        return []
    return [f"-p {text} is ignored: it is for '{pattern}', and this node is '{node}'"]


def _patterns(value: Any, path: str = "") -> Iterator[str]:
    """Yield the names above each ros__parameters; nested keys form one."""
    if not isinstance(value, dict):
        return
    for key, inner in value.items():
        if key == _PARAMETERS:
            yield path
        else:
            yield from _patterns(inner, f"{path}/{key}" if path else str(key))


def _names(pattern: str, node: str) -> bool:
    """Return whether a pattern of rcl names the node."""
    parts = [part for part in pattern.split("/") if part]
    wanted = "".join(_WILDCARDS.get(part, "/" + re.escape(part)) for part in parts)
    return re.fullmatch(wanted, node) is not None


def _shape(node: str) -> str:
    return f"`{node}: {{{_PARAMETERS}: {{NAME: VALUE}}}}`, or `/**` in place of the name"
