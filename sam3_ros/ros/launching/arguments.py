"""The launch arguments that set the node's parameters: what they may be, and the values they give.

The launch packages are not imported: texts come in, values go out, so that a wrong one is refused
before anything starts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from sam3_ros.ros.parameters.configuration import configuration
from sam3_ros.ros.parameters.specs import SPECS, ParameterError, ParameterSpec
from sam3_ros.ros.prompts.entries import is_yaml

# Files of config/presets.
PRESETS = ("desktop_cpu", "desktop_gpu", "jetson_orin")
BOOLEANS = {"true": True, "false": False, "True": True, "False": False}
_SHORTER = {"image_transport": "transport", "image_reliability": "reliability"}
# Texts have spaces and commas of their own.
_PROMPT_SEPARATOR = ";"


class LaunchArgumentError(ParameterError):
    """Launch arguments that cannot be, alone or together."""


@dataclass(frozen=True)
class LaunchArgument:
    """One that sets a parameter; left empty, it leaves that to preset and params file."""

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
        return " ".join(part for part in (self.spec.description, self._form()) if part)

    def value(self, text: str) -> Any:
        """The parameter's value, of the type that the parameter has. Raises LaunchArgumentError."""
        default = self.spec.default
        if isinstance(default, bool):
            return self._boolean(text)
        if isinstance(default, (int, float)):
            return self._number(text, type(default))
        return self._texts(text) if isinstance(default, tuple) else text

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

    def _texts(self, text: str) -> list[str]:
        if self.spec.name == "prompts":
            return _prompts(text)
        return text.replace(",", " ").split()

    def _form(self) -> str:
        """How a value is written, where that is not plain from the choices."""
        if self.spec.limits is not None:
            return "From {:,.15g} to {:,.15g}.".format(*self.spec.limits)
        if self.spec.name == "prompts":
            return 'Here texts only, separated by ";", as in "red cube; ball".'
        if isinstance(self.spec.default, tuple):
            return f"Some of {' '.join(self.spec.choices)}."
        return ""


def _prompts(text: str) -> list[str]:
    # launch reads each string of a list as YAML, and ends at one that is not a plain value.
    if any(map(is_yaml, text.split(_PROMPT_SEPARATOR))):
        raise LaunchArgumentError(
            f"argument 'prompts' expects texts, such as \"red cube; ball\"; got {text!r}: a prompt "
            "in YAML goes into the file that params_file names"
        )
    return [part.strip() for part in text.split(_PROMPT_SEPARATOR) if part.strip()]


# The cameras bring topics along: launch_cameras.py.
ARGUMENTS = tuple(LaunchArgument(spec) for spec in SPECS if spec.name != "cameras")


def given_parameters(texts: Mapping[str, str]) -> dict[str, Any]:
    """Parameter name -> value, of the arguments that are not empty.

    texts: of all arguments, by name. Raises ParameterError.
    """
    given = {
        argument.spec.name: argument.value(texts[argument.name])
        for argument in ARGUMENTS
        if texts[argument.name].strip()
    }
    configuration(given)
    return given


def seconds(texts: Mapping[str, str], name: str) -> float:
    """Of an argument that is a duration. Raises LaunchArgumentError."""
    try:
        value = float(texts[name])
    except ValueError:
        value = -1.0
    if not 0.0 <= value < float("inf"):
        raise LaunchArgumentError(f"argument '{name}' expects seconds; got {texts[name]!r}")
    return value


def params_file(texts: Mapping[str, str]) -> str:
    """Empty if none was given. Raises LaunchArgumentError for one that is not there."""
    path = texts["params_file"]
    if path and not Path(path).is_file():
        raise LaunchArgumentError(f"argument 'params_file': there is no file {path}")
    return path


def starts_again(texts: Mapping[str, str], given: Mapping[str, Any]) -> bool:
    """Whether a node that ended is started again. Raises LaunchArgumentError."""
    respawn = BOOLEANS[texts["respawn"]]
    if respawn and given.get("build_only", _says_build_only(params_file(texts))):
        raise LaunchArgumentError(
            "build_only ends when all is built, and respawn would build again and again: give "
            "one of them"
        )
    return respawn


def _says_build_only(path: str) -> bool:
    if not path:
        return False
    try:
        rules = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise LaunchArgumentError(f"argument 'params_file': cannot read {path}: {error}") from error
    return _holds_build_only(rules)


def _holds_build_only(rules: object) -> bool:
    # Nodes may stand under namespaces, so the depth varies.
    if not isinstance(rules, dict):
        return False
    return rules.get("build_only") is True or any(map(_holds_build_only, rules.values()))
