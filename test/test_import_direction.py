"""Arrows between the tiers point one way (docs/architecture.md):
cli -> ros -> core <- export <- training.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "sam3_ros"
TIERS = ("core", "ros", "cli", "export", "training")

# What a tier may import of this package, and what only inside a function or for a type.
# The package root is "", the generated messages are "msg".
ALLOWED = {
    "": {"core"},
    "core": {"", "core"},
    "ros": {"", "core", "ros", "msg"},
    "cli": {"", "core", "cli"},
    "export": {"", "core", "export"},
    "training": {"", "core", "export", "training"},
}
ALLOWED_LAZILY = {"cli": {"ros", "export", "training"}}

ROS = ("rclpy", "launch", "launch_ros", "cv_bridge", "ament_index_python", "builtin_interfaces")
LEARNING = ("torch", "torchvision", "timm", "transformers", "mujoco", "onnxscript")
FOREIGN = {"": (ROS, LEARNING), "core": (ROS, LEARNING), "cli": (ROS, LEARNING)}
FOREIGN |= {"ros": (LEARNING,), "export": (ROS,), "training": (ROS,)}


@dataclass(frozen=True)
class Import:
    module: str
    line: int
    lazy: bool


class ImportFinder(ast.NodeVisitor):
    """Collects every import of a module, relative and literal dynamic ones as absolute names."""

    def __init__(self, package: str) -> None:
        self.package = package
        self.found: list[Import] = []
        self._depth = 0

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        self._depth += 1
        self.generic_visit(node)
        self._depth -= 1

    def visit_If(self, node: ast.If) -> None:
        # A type checker alone reads what stands below `if TYPE_CHECKING:`, so it never runs.
        for_types = ast.unparse(node.test) == "TYPE_CHECKING"
        self.visit(node.test)
        self._depth += for_types
        for statement in node.body:
            self.visit(statement)
        self._depth -= for_types
        for statement in node.orelse:
            self.visit(statement)

    visit_AsyncFunctionDef = visit_FunctionDef  # noqa: N815 - the names that ast asks for

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            self._add(alias.name, node)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        module = node.module or ""
        if node.level:
            parents = self.package.split(".")
            module = ".".join([*parents[: len(parents) - node.level + 1], *filter(None, [module])])
        for alias in node.names:  # `from sam3_ros import ros` names a tier only with its alias
            self._add(f"{module}.{alias.name}", node)

    def visit_Call(self, node: ast.Call) -> None:
        called = ast.unparse(node.func).split(".")[-1]
        names = [arg.value for arg in node.args[:1] if isinstance(arg, ast.Constant)]
        if called in ("import_module", "__import__") and names:
            self._add(str(names[0]), node)
        self.generic_visit(node)

    def _add(self, module: str, node: ast.stmt | ast.expr) -> None:
        self.found.append(Import(module, node.lineno, self._depth > 0))


def tier_of(module: str) -> str:
    """The tier of a dotted name in this package; names of the root itself give ""."""
    second = module.split(".")[1:2]
    return second[0] if second and second[0] in (*TIERS, "msg") else ""


def is_ros(module: str) -> bool:
    top = module.split(".")[0]
    return top in ROS or top.startswith("rosidl_") or top.endswith(("_msgs", "_srvs"))


def complaint(tier: str, imported: Import) -> str | None:
    top = imported.module.split(".")[0]
    if top == "sam3_ros":
        target = tier_of(imported.module)
        lazily = ALLOWED_LAZILY.get(tier, set()) if imported.lazy else set()
        if target in ALLOWED[tier] | lazily:
            return None
        return f"{tier or 'the root'} must not import the {target} tier"
    banned = (ROS in FOREIGN[tier] and is_ros(imported.module)) or (
        LEARNING in FOREIGN[tier] and top in LEARNING
    )
    return f"{tier or 'the root'} must not import {top}" if banned else None


def wrong_arrows(package: Path) -> Iterator[str]:
    for path in sorted(package.rglob("*.py")):
        inside = path.relative_to(package)
        tier = inside.parts[0] if inside.parts[0] in TIERS else ""
        finder = ImportFinder(".".join(["sam3_ros", *inside.parts[:-1]]))
        finder.visit(ast.parse(path.read_text(encoding="utf-8"), str(path)))
        for imported in finder.found:
            if reason := complaint(tier, imported):
                yield f"{inside}:{imported.line}: {reason} ({imported.module})"


def test_no_arrow_points_the_wrong_way() -> None:
    assert list(PACKAGE.rglob("*.py")), f"no module below {PACKAGE}"
    assert list(wrong_arrows(PACKAGE)) == []


@pytest.mark.parametrize(
    ("where", "statement"),
    [
        ("core", "import rclpy"),
        ("core", "import torch.nn as nn"),
        ("core", "from sensor_msgs.msg import Image"),
        ("core", "from sam3_ros.ros import node"),
        ("core", "from sam3_ros import cli"),
        ("core", "from ..training import tabletop"),
        ("core", "def late():\n    import torch"),
        ("core", "import importlib\nimportlib.import_module('sam3_ros.ros.node')"),
        ("core", "from sam3_ros.msg import Box"),
        ("core/backends", "from ...ros import node"),
        ("ros", "import torch"),
        ("ros", "from sam3_ros.training.tabletop import world"),
        ("ros", "from sam3_ros.cli import main"),
        ("export", "import rclpy"),
        ("export", "from sam3_ros.training.tabletop import world"),
        ("training", "import rclpy"),
        ("training", "from sam3_ros.msg import Box"),
        ("training", "import sam3_ros.ros.node"),
        ("cli", "from sam3_ros.ros import node"),
        ("cli", "def run():\n    import rclpy"),
        ("cli", "if TYPE_CHECKING:\n    pass\nelse:\n    from sam3_ros.ros import node"),
        ("core", "if TYPE_CHECKING:\n    from sam3_ros.ros import node"),
        (".", "from sam3_ros.ros import node"),
    ],
)
def test_a_planted_wrong_import_is_caught(where: str, statement: str, tmp_path: Path) -> None:
    (caught,) = wrong_arrows(planted(statement, tmp_path / "sam3_ros" / where))

    assert "planted.py" in caught


@pytest.mark.parametrize(
    ("where", "statement"),
    [
        ("cli", "def run():\n    from sam3_ros.ros import node"),
        ("cli", "if TYPE_CHECKING:\n    from sam3_ros.ros import node"),
        ("ros", "import rclpy\nfrom sam3_ros.msg import Box\nfrom sam3_ros.core import errors"),
        ("training", "import torch\nfrom sam3_ros import Bundle"),
        ("core", "from .errors import BundleError\nimport onnxruntime"),
    ],
)
def test_an_import_along_the_arrows_is_left_alone(
    where: str, statement: str, tmp_path: Path
) -> None:
    assert list(wrong_arrows(planted(statement, tmp_path / "sam3_ros" / where))) == []


def planted(statement: str, folder: Path) -> Path:
    """A package of that one statement, in the folder of its tier."""
    folder.mkdir(parents=True)
    (folder / "planted.py").write_text(statement, encoding="utf-8")
    return next(parent for parent in (folder, *folder.parents) if parent.name == "sam3_ros")


def modules_loaded_by(statement: str) -> set[str]:
    script = f"import sys\n{statement}\nprint('\\n'.join(sys.modules))"
    # -c puts the working directory first on the path, so this is the tree under test.
    output = subprocess.run(
        [sys.executable, "-c", script],
        cwd=PACKAGE.parent,
        capture_output=True,
        text=True,
        check=True,
    )
    return set(output.stdout.split())


def core_modules() -> list[str]:
    files = (path.relative_to(PACKAGE.parent) for path in (PACKAGE / "core").rglob("*.py"))
    return sorted(".".join(path.with_suffix("").parts) for path in files)


def test_loading_the_whole_core_loads_no_ros_no_torch_and_no_other_tier() -> None:
    loaded = modules_loaded_by(f"import {', '.join(core_modules())}")

    assert "sam3_ros.core.segmenter.segmenter" in loaded
    assert [name for name in loaded if is_ros(name) or name.split(".")[0] in LEARNING] == []
    others = ("sam3_ros.ros", "sam3_ros.cli", "sam3_ros.training", "sam3_ros.msg")
    assert [name for name in loaded if name.startswith(others)] == []


def test_importing_the_package_is_light() -> None:
    loaded = modules_loaded_by("import sam3_ros")

    assert loaded & {"rclpy", "torch", "numpy", "cv2", "onnxruntime"} == set()
