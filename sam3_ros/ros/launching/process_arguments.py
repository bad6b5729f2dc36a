"""The arguments beside the parameters: topics, files, names; and the node's command line of all.

launch/segmentation.launch.py declares them for `ros2 launch`, `sam3-ros node` takes the same.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from sam3_ros.core.nearest_name import did_you_mean
from sam3_ros.ros.launching.arguments import (
    ARGUMENTS,
    BOOLEANS,
    IMAGE,
    PRESETS,
    LaunchArgumentError,
    camera_topics,
    depth_remappings,
    given_parameters,
    params_file,
)
from sam3_ros.ros.launching.dds import fastdds_profile, profile_in_use
from sam3_ros.ros.launching.shared_files import shared_file
from sam3_ros.ros.parameters.configuration import require_not_gone

LOG_LEVELS = ("debug", "info", "warn", "error", "fatal")
_NAME = re.compile(r"[A-Za-z_]\w*")
_NAMESPACE = re.compile(r"/?|/?[A-Za-z_]\w*(/[A-Za-z_]\w*)*/?")


@dataclass(frozen=True)
class ProcessArgument:
    """An argument that is no parameter of the node."""

    name: str
    default: str
    description: str
    #: All that it may be; empty for any text.
    choices: tuple[str, ...] = ()
    #: Whether only launch can do it.
    of_launch: bool = False


def process_arguments(environment: Mapping[str, str]) -> tuple[ProcessArgument, ...]:
    """Return them in the order of the help.

    environment: its Fast DDS profile is the default. Raises Sam3RosError if ours is missing.
    """
    profile = profile_in_use(environment) or str(fastdds_profile(environment))
    return (
        ProcessArgument(
            "image",
            IMAGE,
            "Topic of the raw images of a camera without a name; compressed ones are read from "
            "<image>/compressed.",
        ),
        ProcessArgument(
            "cameras",
            "",
            "Names of several cameras and the topics of their raw images, as in "
            '"front=/front/image_raw left=/left/image_raw"; a name alone listens to <name>/image.',
        ),
        ProcessArgument(
            "depth_image",
            "",
            "Topic of the raw depth images that are registered to the camera; sets depth. Of "
            'cameras with names "front=/front/depth/image_raw left=/left/depth/image_raw".',
        ),
        ProcessArgument(
            "camera_info",
            "",
            "Topic of the camera_info of the depth, in the same form; without it the one beside "
            "depth_image.",
        ),
        ProcessArgument(
            "preset",
            "",
            "Parameters for a kind of machine, config/presets/<preset>.yaml.",
            ("", *PRESETS),
        ),
        ProcessArgument(
            "params_file",
            "",
            "Your parameters; they win over the preset, and the arguments over them.",
        ),
        ProcessArgument("namespace", "", "Namespace of the node and its topics."),
        ProcessArgument("name", "segmentation_node", "Name of the node, the ~ of its topics."),
        ProcessArgument(
            "use_sim_time",
            "",
            "Take the time from /clock, as in simulation.",
            ("", *BOOLEANS),
        ),
        ProcessArgument(
            "log_level",
            "info",
            "The node logs messages of this severity and above.",
            LOG_LEVELS,
        ),
        ProcessArgument(
            "respawn",
            "false",
            "Start the node again if its process ends.",
            tuple(BOOLEANS),
            of_launch=True,
        ),
        ProcessArgument(
            "respawn_delay",
            "2.0",
            "Seconds before the node is started again.",
            of_launch=True,
        ),
        ProcessArgument(
            "look",
            "false",
            "Serve the live picture beside the node, for browsers: `sam3-ros look`.",
            tuple(BOOLEANS),
            of_launch=True,
        ),
        ProcessArgument(
            "look_host",
            "127.0.0.1",
            "Address on which the page listens; 0.0.0.0 for all of the machine, with a token.",
            of_launch=True,
        ),
        ProcessArgument(
            "look_port", "8383", "Port of the page; 0 takes a free one.", of_launch=True
        ),
        ProcessArgument(
            "fastdds_profile",
            profile,
            "Fast DDS profile for large images, from the environment or config/; empty for none. "
            "The camera driver needs it too.",
        ),
    )


def parameter_files(texts: Mapping[str, str]) -> list[str]:
    """Return the files of parameters; a later one wins. Raises LaunchArgumentError."""
    preset = texts["preset"]
    shipped = str(shared_file(f"config/presets/{preset}.yaml")) if preset else ""
    return [path for path in (shipped, params_file(texts)) if path]


def remappings(texts: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return the node's name of each topic, and the drivers'. Raises LaunchArgumentError."""
    topics = camera_topics(texts["image"], texts["cameras"])
    depth = depth_remappings(topics.cameras, texts["depth_image"], texts["camera_info"])
    return [*topics.remappings, *depth]


def other_parameters(texts: Mapping[str, str]) -> dict[str, Any]:
    """Return the parameters that are set by arguments of other kinds. Raises ParameterError."""
    names = camera_topics(texts["image"], texts["cameras"]).names
    other: dict[str, Any] = {"cameras": names} if names else {}
    if texts["depth_image"].strip():
        other["depth"] = True  # nobody names it to have it left out; the argument depth wins
    if texts["use_sim_time"]:
        other["use_sim_time"] = BOOLEANS[texts["use_sim_time"]]
    return other


@dataclass(frozen=True)
class NodeCommand:
    """A node to be started by ourselves, without launch."""

    #: With namespace, such as /segmentation_node.
    full_name: str
    #: The node's name of each topic, and the camera driver's.
    remappings: tuple[tuple[str, str], ...]
    #: Of parameters; a later one wins.
    files: tuple[str, ...]
    #: They win over the files.
    parameters: Mapping[str, Any]
    log_level: str
    #: Empty for none; None where nothing was said, so that the environment decides.
    fastdds_profile: str | None

    def arguments(self, folder: Path) -> list[str]:
        """Return what follows `ros2 run sam3_ros segmentation_node`.

        The parameters are written into a file in the folder, under the node's full name: those of
        -p would give way to a file's that names the node.
        """
        namespace, _, name = self.full_name.rpartition("/")
        arguments = ["--ros-args", "-r", f"__node:={name}", "-r", f"__ns:={namespace or '/'}"]
        for ours, theirs in self.remappings:
            arguments += ["-r", f"{ours}:={theirs}"]
        own = folder / "arguments.yaml"
        document = {self.full_name: {"ros__parameters": dict(self.parameters)}}
        own.write_text(yaml.safe_dump(document, allow_unicode=True), encoding="utf-8")
        for file in (*self.files, *([str(own)] if self.parameters else [])):
            arguments += ["--params-file", file]
        return [*arguments, "--log-level", self.log_level]


def node_command(given: Mapping[str, str]) -> NodeCommand:
    """Return the command of a node that is started as launch would start it.

    given: arguments, by name; the others have their defaults. Raises ParameterError.
    """
    texts = _with_defaults(given)
    name, namespace = node_name(texts)
    return NodeCommand(
        full_name=f"{namespace.rstrip('/')}/{name}",
        remappings=tuple(remappings(texts)),
        files=tuple(parameter_files(texts)),
        parameters={**other_parameters(texts), **given_parameters(texts)},
        log_level=texts["log_level"],
        fastdds_profile=_profile(given.get("fastdds_profile")),
    )


def _profile(given: str | None) -> str | None:
    if given and not Path(given).is_file():
        raise LaunchArgumentError(f"argument 'fastdds_profile': there is no file {given}")
    return given


def _with_defaults(given: Mapping[str, str]) -> dict[str, str]:
    """Return every argument's text. Raises LaunchArgumentError for one that is not allowed."""
    others = [each for each in process_arguments(os.environ) if not each.of_launch]
    choices = {each.name: each.choices for each in ARGUMENTS}
    choices |= {each.name: each.choices for each in others}
    for name, text in given.items():
        if name not in choices:
            require_not_gone(name)
            raise LaunchArgumentError(
                f"there is no argument {name!r}; `sam3-ros node --show-args` lists them"
                f"{did_you_mean(name, choices)}"
            )
        if choices[name] and text not in choices[name]:
            allowed = ", ".join(filter(None, choices[name]))
            raise LaunchArgumentError(
                f"argument '{name}' is one of {allowed}; got {text!r}"
                f"{did_you_mean(text, filter(None, choices[name]))}"
            )
    defaults = {each.name: "" for each in ARGUMENTS} | {each.name: each.default for each in others}
    return {**defaults, **given}


def node_name(texts: Mapping[str, str]) -> tuple[str, str]:
    """Return the node's name and its namespace, which begins with a slash.

    Raises LaunchArgumentError.
    """
    name, namespace = texts["name"], texts["namespace"]
    if not _NAME.fullmatch(name):
        raise LaunchArgumentError(
            f"argument 'name' is letters, digits and underscores, such as segmentation_node; "
            f"got {name!r}"
        )
    if not _NAMESPACE.fullmatch(namespace):
        raise LaunchArgumentError(
            f"argument 'namespace' expects one such as /robot; got {namespace!r}"
        )
    return name, "/" + namespace.strip("/")
