"""config/presets against the node's own declarations."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from sam3_ros.ros.launching.arguments import PRESETS
from sam3_ros.ros.parameters.configuration import configuration
from sam3_ros.ros.parameters.specs import DEFAULTS

FOLDER = Path(__file__).parents[1] / "config" / "presets"


def text_of(preset: str) -> str:
    return (FOLDER / f"{preset}.yaml").read_text(encoding="utf-8")


def parameters_of(preset: str) -> dict[str, Any]:
    rules = yaml.safe_load(text_of(preset))
    assert list(rules) == ["/**"], "for any name and namespace of the node"
    return rules["/**"]["ros__parameters"]


@pytest.mark.parametrize("preset", PRESETS)
def test_the_node_takes_the_preset(preset: str) -> None:
    assert configuration(parameters_of(preset))


@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_differs_from_the_defaults_in_every_line(preset: str) -> None:
    same = {name for name, value in parameters_of(preset).items() if value == DEFAULTS[name]}

    assert same == set()


@pytest.mark.parametrize("preset", PRESETS)
def test_every_line_has_its_reason(preset: str) -> None:
    # A comment above a line, or above a group of lines.
    group = re.compile(r"^    # .*\n(?:    #.*\n)*((?:    \w+: .*\n)+)", re.MULTILINE)
    explained = {
        line.split(":")[0].strip()
        for lines in group.findall(text_of(preset) + "\n")
        for line in lines.splitlines()
    }

    assert explained == set(parameters_of(preset))


def test_the_presets_are_four_kinds_of_machine() -> None:
    backends = [parameters_of(preset).get("backend", "cpu") for preset in PRESETS]

    assert backends == ["cpu", "cuda", "tensorrt", "tensorrt_rtx"]


@pytest.mark.parametrize("preset", PRESETS)
def test_the_docs_say_what_differs(preset: str) -> None:
    page = (FOLDER.parents[1] / "docs" / "launch.md").read_text(encoding="utf-8")
    (row,) = re.findall(rf"^\| `{preset}` \| ([^|]*) \|", page, re.MULTILINE)

    assert set(re.findall(r"`(\w+)`", row)) == set(parameters_of(preset))
