"""The launch arguments: what they may be, and the values and topics that they give the node.

The launch packages are not imported: texts come in, values go out, so that a wrong argument is
refused before anything starts.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sam3_ros.core.checked_yaml import ANY_MAPPING, DocumentKind, read_document
from sam3_ros.core.segmenter.phrases import split_phrases
from sam3_ros.ros.cameras import Camera, CameraNameError, Cameras
from sam3_ros.ros.parameters.configuration import configuration, require_not_gone
from sam3_ros.ros.parameters.specs import SPECS, ParameterSpec
from sam3_ros.ros.parameters.values import ParameterError
from sam3_ros.ros.prompts.entries import is_yaml

# Files of config/presets.
PRESETS = ("desktop_cpu", "desktop_gpu", "jetson_orin", "rtx_desktop")
BOOLEANS = {"true": True, "false": False, "True": True, "False": False}
IMAGE = "/camera/image_raw"
_SHORTER = {"image_transport": "transport", "image_reliability": "reliability"}
_COMPRESSED = "/compressed"
_DEPTH_ENDS = ("", "/compressedDepth")
_TOPIC = re.compile(r"(~?/)?[A-Za-z_]\w*(/[A-Za-z_]\w*)*")
_CAMERAS_FORM = 'cameras:="front=/front/image_raw left=/left/image_raw"'


class LaunchArgumentError(ParameterError):
    """Launch arguments that are not allowed, alone or together."""


_PARAMETERS = DocumentKind("argument 'params_file':", ANY_MAPPING, LaunchArgumentError)


@dataclass(frozen=True)
class LaunchArgument:
    """An argument that sets a parameter; left empty, it leaves that to preset and params file."""

    spec: ParameterSpec

    @property
    def name(self) -> str:
        return _SHORTER.get(self.spec.name, self.spec.name)

    @property
    def choices(self) -> tuple[str, ...]:
        """All that it may be, "" among them; empty for one that may be any text."""
        if isinstance(self.spec.default, bool):
            return ("", *BOOLEANS)
        if isinstance(self.spec.default, str) and self.spec.choices:
            return ("", *self.spec.choices)
        return ()

    @property
    def description(self) -> str:
        """The parameter's description, and how a value is written unless the choices show it."""
        form = ""
        if self.spec.limits is not None:
            form = "From {:,.15g} to {:,.15g}.".format(*self.spec.limits)
        elif self.spec.name == "prompts":
            form = 'Here texts only, separated by ";", as in "red cube; ball".'
        elif isinstance(self.spec.default, tuple):
            form = f"Some of {' '.join(self.spec.choices)}."
        return " ".join(filter(None, (self.spec.description, form)))

    def value(self, text: str) -> Any:
        """Return the value, of the parameter's type. Raises LaunchArgumentError."""
        default = self.spec.default
        if isinstance(default, bool):
            return self._boolean(text)
        if isinstance(default, (int, float)):
            return self._number(text, type(default))
        if not isinstance(default, tuple):
            return text
        return _prompts(text) if self.spec.name == "prompts" else text.replace(",", " ").split()

    def _boolean(self, text: str) -> bool:
        if text not in BOOLEANS:
            raise LaunchArgumentError(f"argument '{self.name}' is true or false; got {text!r}")
        return BOOLEANS[text]

    def _number(self, text: str, kind: type[int] | type[float]) -> int | float:
        try:
            return kind(text)
        except ValueError:
            expected = "a whole number" if kind is int else "a number"
            raise LaunchArgumentError(
                f"argument '{self.name}' expects {expected}; got {text!r}"
            ) from None


def _prompts(text: str) -> list[str]:
    phrases = split_phrases(text)
    # launch reads each string of a list as YAML, and fails at one that is not a plain value.
    if any(map(is_yaml, phrases)):
        raise LaunchArgumentError(
            f"argument 'prompts' expects texts, such as \"red cube; ball\"; got {text!r}: a prompt "
            "in YAML goes into the file that params_file names"
        )
    return list(phrases)


# Without cameras, which sets topics too: see camera_topics.
ARGUMENTS = tuple(LaunchArgument(spec) for spec in SPECS if spec.name != "cameras")


def given_parameters(texts: Mapping[str, str]) -> dict[str, Any]:
    """Return the parameters, by name, of the arguments that are not empty.

    texts: of all arguments, by name. Raises ParameterError, also for the name of a parameter of an
    earlier version: launch itself takes any name.
    """
    for name in texts:
        require_not_gone(name)
    given = {
        argument.spec.name: argument.value(texts[argument.name])
        for argument in ARGUMENTS
        if texts[argument.name].strip()
    }
    configuration(given)
    return given


def seconds(texts: Mapping[str, str], name: str) -> float:
    """Return the value of an argument that is a duration. Raises LaunchArgumentError."""
    try:
        value = float(texts[name])
    except ValueError:
        value = -1.0
    if not 0.0 <= value < float("inf"):
        raise LaunchArgumentError(f"argument '{name}' expects seconds; got {texts[name]!r}")
    return value


def params_file(texts: Mapping[str, str]) -> str:
    """Return the path, empty if none was given. Raises LaunchArgumentError if there is no file."""
    path = texts["params_file"]
    if path and not Path(path).is_file():
        raise LaunchArgumentError(f"argument 'params_file': there is no file {path}")
    return path


def starts_again(texts: Mapping[str, str], given: Mapping[str, Any]) -> bool:
    """Return whether a node that ended is started again. Raises LaunchArgumentError."""
    respawn = BOOLEANS[texts["respawn"]]
    if respawn and given.get("build_only", _sets_build_only(params_file(texts))):
        raise LaunchArgumentError(
            "build_only ends when all is built, and respawn would build again and again: give "
            "one of them"
        )
    return respawn


def _sets_build_only(path: str) -> bool:
    if not path:
        return False
    return _holds_build_only(read_document(Path(path), _PARAMETERS).value)


def _holds_build_only(rules: object) -> bool:
    # Nodes may be listed under namespaces, so the depth varies.
    if not isinstance(rules, dict):
        return False
    return rules.get("build_only") is True or any(map(_holds_build_only, rules.values()))


@dataclass(frozen=True)
class CameraTopics:
    """The cameras of the node, and the topics of their images."""

    cameras: Cameras
    #: Camera and topic of its raw images, where the topic was given.
    topic_of: tuple[tuple[Camera, str], ...]

    @property
    def names(self) -> list[str]:
        """For the parameter cameras; empty where it is left to preset and params file."""
        return [name for name in self.cameras.names if name]

    @property
    def remappings(self) -> list[tuple[str, str]]:
        """The node's name of each topic, and the camera driver's."""
        return [
            (camera.image_topic + suffix, topic + suffix)
            for camera, topic in self.topic_of
            for suffix in ("", _COMPRESSED)
        ]


def camera_topics(image: str, cameras: str) -> CameraTopics:
    """Read the arguments `image` and `cameras`. Raises LaunchArgumentError."""
    entries = [entry.partition("=") for entry in cameras.replace(",", " ").split()]
    if not entries:
        return CameraTopics(Cameras.named(()), ((Camera(), _raw_topic("image", image)),))
    if image != IMAGE:
        raise LaunchArgumentError(
            f"image is the topic of a camera without a name; with cameras, write {_CAMERAS_FORM}"
        )
    try:
        named = Cameras.named(name for name, _, _ in entries)
        if not all(named.names) or len(named) < len(entries):
            raise CameraNameError("a name is missing")
    except CameraNameError as error:
        raise LaunchArgumentError(f"argument 'cameras': {error}; write {_CAMERAS_FORM}") from error
    topics = tuple(
        (named.find(name), _raw_topic("cameras", topic))
        for name, equals, topic in entries
        if equals
    )
    return CameraTopics(named, topics)


def depth_remappings(cameras: Cameras, depth: str, info: str) -> list[tuple[str, str]]:
    """Read the arguments `depth_image` and `camera_info`.

    Return the node's name of each topic, and the driver's. Raises LaunchArgumentError.
    """
    of_depth = _topics_of("depth_image", depth, cameras)
    of_info = _topics_of("camera_info", info, cameras)
    return [
        *((each.depth_topic + end, topic + end) for each, topic in of_depth for end in _DEPTH_ENDS),
        *((each.info_topic, topic) for each, topic in of_info),
    ]


def _topics_of(argument: str, text: str, cameras: Cameras) -> list[tuple[Camera, str]]:
    """Return the cameras, each with its topic; none of an empty argument."""
    found = []
    for entry in text.replace(",", " ").split():
        name, equals, topic = entry.rpartition("=")
        try:
            camera = cameras.find(name)
        except CameraNameError as error:
            form = "a topic alone is for a camera without a name" if not equals else str(error)
            raise LaunchArgumentError(
                f"argument '{argument}': {form}; with cameras, write "
                f'{argument}:="front=/front/{argument} left=/left/{argument}"'
            ) from error
        found.append((camera, _raw_topic(argument, topic)))
    if len({camera for camera, _ in found}) < len(found):
        raise LaunchArgumentError(
            f"argument '{argument}': expected one topic a camera; got {text!r}"
        )
    return found


def _raw_topic(argument: str, topic: str) -> str:
    if not _TOPIC.fullmatch(topic):
        raise LaunchArgumentError(
            f"argument '{argument}' expects a topic such as {IMAGE}; got {topic!r}"
        )
    if topic.endswith(_DEPTH_ENDS[1]):
        raise LaunchArgumentError(
            f"argument '{argument}': give the raw topic, {topic.removesuffix(_DEPTH_ENDS[1])}, "
            "with depth_transport:=compressedDepth"
        )
    if topic.endswith(_COMPRESSED):
        raise LaunchArgumentError(
            f"argument '{argument}': give the raw topic, {topic.removesuffix(_COMPRESSED)}, with "
            "transport:=compressed"
        )
    return topic
