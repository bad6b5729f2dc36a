"""The names that users import are a contract: these, and nothing else below sam3_ros."""

from __future__ import annotations

import ast
import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

import sam3_ros

ROOT = Path(__file__).parents[1]
#: A new name is an addition to the changelog; to remove or rename one breaks users.
NAMES = [
    "Box",
    "Bundle",
    "ConceptPrompt",
    "DepthImage",
    "InteractivePrompt",
    "MaskPrompt",
    "PinholeCamera",
    "Sam3RosError",
    "Segment",
    "Segmenter",
    "SpatialObject",
    "TrackEvent",
    "TrackState",
    "TrackStatus",
    "TrackedFrame",
    "TrackingSession",
    "TrackingSettings",
    "lift",
]
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))


def test_the_public_names_are_these() -> None:
    assert sam3_ros.__all__ == NAMES
    assert set(NAMES) <= set(dir(sam3_ros))
    assert re.fullmatch(r"\d+\.\d+\.\d+", sam3_ros.__version__)


@pytest.mark.parametrize("name", NAMES)
def test_a_public_name_is_resolved_when_it_is_first_used(name: str) -> None:
    code = (
        "import sys, sam3_ros\n"
        f"assert {name!r} not in vars(sam3_ros)\n"
        "assert 'sam3_ros.core' not in sys.modules\n"
        f"assert sam3_ros.{name}.__name__ == {name!r}\n"
        f"assert {name!r} in vars(sam3_ros)\n"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'Segmentor'"):
        _ = sam3_ros.Segmentor


def imports_of(page: Path) -> list[tuple[str, str]]:
    """Return (module, name) of every `from sam3_ros... import name` in the page's Python."""
    blocks = re.findall(r"^```python\n(.*?)^```", page.read_text(encoding="utf-8"), re.M | re.S)
    found = []
    for node in ast.walk(ast.parse("\n".join(blocks))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("sam3_ros"):
            found += [(str(node.module), alias.name) for alias in node.names]
    return found


def test_the_readme_imports_public_names_alone() -> None:
    imported = imports_of(ROOT / "README.md")
    assert imported
    assert [each for each in imported if each[0] != "sam3_ros" or each[1] not in NAMES] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_what_the_docs_import_is_there(page: Path) -> None:
    for module, name in imports_of(page):
        if not module.startswith(("sam3_ros.training", "sam3_ros.export")):  # needs PyTorch
            assert hasattr(importlib.import_module(module), name), f"{module} has no {name}"
