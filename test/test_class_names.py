"""A class name has one meaning in the whole package."""

from __future__ import annotations

import ast
from collections import defaultdict
from pathlib import Path

PACKAGE = Path(__file__).parents[1] / "sam3_ros"


def test_no_two_modules_have_a_class_of_the_same_name() -> None:
    where: dict[str, list[str]] = defaultdict(list)
    for module in sorted(PACKAGE.rglob("*.py")):
        if module.parent.name in ("msg", "srv"):  # generated
            continue
        for node in ast.parse(module.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                where[node.name].append(str(module.relative_to(PACKAGE)))

    assert {name: modules for name, modules in where.items() if len(modules) > 1} == {}
