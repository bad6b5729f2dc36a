"""The options of the commands that start a segmentation node."""

from __future__ import annotations

import argparse
from collections.abc import Iterable

from sam3_ros.core.errors import Sam3RosError
from sam3_ros.core.nearest_name import did_you_mean

_OF_EVERY_NODE = "use_sim_time"
#: The node's parameter of each option that sets one.
_PARAMETERS = {
    "bundle": "bundle",
    "backend": "backend",
    "precision": "precision",
    "profile": "machine_profile",
    "threads": "threads",
}


def add_node_model_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options that choose the node's model, and -p."""
    group = parser.add_argument_group("node")
    group.add_argument("--bundle", help="name or folder of a bundle (default: the node's)")
    group.add_argument("--backend", help="cpu, cuda, tensorrt, tensorrt_rtx or openvino")
    group.add_argument("--precision", help="which of the bundle's files; or tf32, bf16")
    group.add_argument(
        "--profile",
        help="a machine profile by sam3-ros tune, in place of --backend and --precision",
    )
    group.add_argument("--threads", help="threads of the model on the CPU")
    add_parameter_option(group)


def add_parameter_option(group: argparse._ArgumentGroup) -> None:
    """Declare -p, for any parameter of the node."""
    group.add_argument(
        "-p",
        "--param",
        action="append",
        default=[],
        type=_parameter,
        metavar="NAME:=VALUE",
        help="any other parameter of the node; may be repeated",
    )


def node_parameters(options: argparse.Namespace) -> tuple[tuple[str, str], ...]:
    """Return names and values: those with an option of their own, then those of -p.

    Raises Sam3RosError for a name that the node does not have.
    """
    require_parameters("-p", (name for name, _ in options.param))
    own = ((name, getattr(options, option)) for option, name in _PARAMETERS.items())
    return (*((name, value) for name, value in own if value is not None), *options.param)


def require_parameters(option: str, names: Iterable[str], others: tuple[str, ...] = ()) -> None:
    """Raise Sam3RosError for a name that is neither a parameter of the node nor one of `others`.

    The node itself accepts any name, and mentions an unknown one only in its log.
    """
    from sam3_ros.ros.parameters.specs import SPECS

    known = (*others, *sorted(spec.name for spec in SPECS))
    for name in set(names) - {*known, _OF_EVERY_NODE}:
        raise Sam3RosError(
            f"{option} {name}: the node has no such parameter; it has {', '.join(known)}"
            f"{did_you_mean(name, known)}"
        )


def _parameter(text: str) -> tuple[str, str]:
    name, separator, value = text.partition(":=")
    if not (separator and name.strip()):
        raise argparse.ArgumentTypeError(f"expected NAME:=VALUE, got {text!r}")
    return name.strip(), value
