"""The options of the commands that start a segmentation node."""

from __future__ import annotations

import argparse


def add_node_model_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("node")
    group.add_argument("--bundle", help="name or folder of a bundle (default: the node's)")
    group.add_argument("--backend", help="cpu, cuda, tensorrt or openvino")
    group.add_argument("--precision", help="which of the bundle's files")
    group.add_argument("--threads", help="threads of the model on the CPU")
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
    """Name and value, those by an option of their own first."""
    own = ((name, getattr(options, name)) for name in ("bundle", "backend", "precision", "threads"))
    return (*((name, value) for name, value in own if value is not None), *options.param)


def _parameter(text: str) -> tuple[str, str]:
    name, separator, value = text.partition(":=")
    if not (separator and name.strip()):
        raise argparse.ArgumentTypeError(f"expected NAME:=VALUE, got {text!r}")
    return name.strip(), value
