"""Who may import whom: the table of rooms in rooms.yaml, held against every import of the package.

A room is a folder of modules, or one module that has a row of its own. docs/architecture.md shows
the same table and its picture; both are compared with rooms.yaml here.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest
import yaml

PACKAGE = Path(__file__).parents[1] / "sam3_ros"
TABLE = Path(__file__).with_name("rooms.yaml")
# Rooms without a file in the source tree.
GENERATED = {"msg", "srv"}
PAGE = PACKAGE.parent / "docs" / "architecture.md"

ROS = ("rclpy", "launch", "launch_ros", "cv_bridge", "ament_index_python", "builtin_interfaces")
LEARNING = ("torch", "torchvision", "timm", "transformers", "mujoco", "onnxscript")


@dataclass(frozen=True)
class Room:
    """One row of the table."""

    #: What is in it, in a few words.
    what: str
    #: Rooms that its modules may import.
    imports: frozenset[str]
    #: Rooms that they may import inside a function or for a type only.
    lazily: frozenset[str]


@dataclass(frozen=True)
class Import:
    """One import statement of a module."""

    #: Dotted and absolute; with the imported name at its end.
    module: str
    line: int
    #: Inside a function, or below `if TYPE_CHECKING:`.
    lazy: bool


def read_table(path: Path) -> dict[str, Room]:
    """Return the rooms by their path below the package, such as "core/bundle"."""
    rows = yaml.safe_load(path.read_text(encoding="utf-8"))
    return {
        name: Room(row["what"], frozenset(row.get("imports", ())), frozenset(row.get("lazily", ())))
        for name, row in rows.items()
    }


ROOMS = read_table(TABLE)


class ImportFinder(ast.NodeVisitor):
    """Collect every import of a module, relative and literal dynamic ones as absolute names."""

    def __init__(self, package: str) -> None:
        self.package = package
        self.found: list[Import] = []
        self._depth = 0

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        self._depth += 1
        self.generic_visit(node)
        self._depth -= 1

    def visit_If(self, node: ast.If) -> None:
        # Only a type checker reads the body of `if TYPE_CHECKING:`.
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
        for alias in node.names:  # `from sam3_ros import ros` names a room only with its alias
            self._add(f"{module}.{alias.name}", node)

    def visit_Call(self, node: ast.Call) -> None:
        called = ast.unparse(node.func).split(".")[-1]
        names = [arg.value for arg in node.args[:1] if isinstance(arg, ast.Constant)]
        if called in ("import_module", "__import__") and names:
            self._add(str(names[0]), node)
        self.generic_visit(node)

    def _add(self, module: str, node: ast.stmt | ast.expr) -> None:
        self.found.append(Import(module, node.lineno, self._depth > 0))


def imports_of(package: Path) -> Iterator[tuple[str, Import]]:
    """Yield each module, as a path below the package without suffix, with each of its imports."""
    for path in sorted(package.rglob("*.py")):
        inside = path.relative_to(package)
        finder = ImportFinder(".".join(["sam3_ros", *inside.parts[:-1]]))
        finder.visit(ast.parse(path.read_text(encoding="utf-8"), str(path)))
        for imported in finder.found:
            yield inside.with_suffix("").as_posix(), imported


def room_of(place: str, rooms: Iterable[str] = ROOMS) -> str | None:
    """Return the row of a module or folder, given as a path below the package.

    A module is in its own row where it has one, else in that of its folder; a folder's row does
    not cover the folders below it. The package root and the messages are rooms too.
    """
    folder = place.rpartition("/")[0] or "."
    return place if place in rooms else folder if folder in rooms else None


def place_of(module: str, package: Path) -> str:
    """Return the path of the module or folder of a dotted name; a function's name is dropped."""
    parts = module.split(".")[1:]
    while parts:
        path = package.joinpath(*parts)
        if path.is_dir():
            return "/".join([*parts, "__init__"])
        if path.with_suffix(".py").is_file() or parts[0] in GENERATED or len(parts) == 1:
            return "/".join(parts)
        parts.pop()
    return "__init__"


def is_ros(module: str) -> bool:
    top = module.split(".")[0]
    return top in ROS or top.startswith("rosidl_") or top.endswith(("_msgs", "_srvs"))


#: The foreign packages that a tier, or a room of it, must not import, not even inside a function.
BANNED = dict.fromkeys(("ros", "replay", "topics", "asking", "live"), "learning")
BANNED |= {"export": "ros", "training": "ros", "look/node": "learning"}


def foreign_complaint(module: str, imported: str) -> str | None:
    """Return what is wrong with an import of another package, or None."""
    tier, room = module.split("/")[0], module.rpartition("/")[0]
    banned = BANNED.get(room, BANNED.get(tier, "ros and learning"))
    top = imported.split(".")[0]
    is_wrong = ("ros" in banned.split() and is_ros(imported)) or (
        "learning" in banned.split() and top in LEARNING
    )
    return f"must not import {top}" if is_wrong else None


def complaint(module: str, imported: Import, package: Path) -> str | None:
    """Return what is wrong with one import, or None."""
    if imported.module.split(".")[0] != "sam3_ros":
        return foreign_complaint(module, imported.module)
    room = room_of(module)
    if room is None:
        return "is in no room: add a row to test/rooms.yaml"
    place = place_of(imported.module, package)
    target = room_of(place)
    if target is None:
        return f"imports {place}, which is in no room of test/rooms.yaml"
    allowed = ROOMS[room].imports | (ROOMS[room].lazily if imported.lazy else frozenset())
    if target == room or target in allowed:
        return None
    return f"{room} must not import {target}"


def wrong_arrows(package: Path) -> Iterator[str]:
    for module, imported in imports_of(package):
        if reason := complaint(module, imported, package):
            yield f"{module}.py:{imported.line}: {reason} ({imported.module})"


def test_every_module_is_in_a_room_and_every_room_has_modules() -> None:
    modules = [path.relative_to(PACKAGE).with_suffix("") for path in PACKAGE.rglob("*.py")]
    rooms = {str(module): room_of(module.as_posix()) for module in modules}

    assert [module for module, room in rooms.items() if room is None] == []
    assert set(ROOMS) - set(rooms.values()) - GENERATED == set()


def test_no_import_is_missing_in_the_table() -> None:
    assert list(wrong_arrows(PACKAGE)) == []


def test_no_arrow_of_the_table_is_unused() -> None:
    used: dict[str, set[str | None]] = {room: set() for room in ROOMS}
    for module, imported in imports_of(PACKAGE):
        if imported.module.split(".")[0] == "sam3_ros":
            used[room_of(module) or ""].add(room_of(place_of(imported.module, PACKAGE)))

    unused = {
        name: sorted((room.imports | room.lazily) - used[name]) for name, room in ROOMS.items()
    }
    assert {name: arrows for name, arrows in unused.items() if arrows} == {}


def test_rooms_form_no_circle() -> None:
    arrows = {name: room.imports | room.lazily for name, room in ROOMS.items()}

    assert circle(arrows) == []


def test_modules_form_no_circle() -> None:
    arrows: dict[str, set[str]] = {}
    for module, imported in imports_of(PACKAGE):
        if imported.module.split(".")[0] == "sam3_ros":
            arrows.setdefault(module, set()).add(place_of(imported.module, PACKAGE))
    # The root names its public classes by strings; whoever imports a public name passes it by.
    arrows.pop("__init__", None)

    assert circle({module: found - {module} for module, found in arrows.items()}) == []


def circle(arrows: Mapping[str, Iterable[str]]) -> list[str]:
    """Return one cycle of a graph, or an empty list."""
    try:
        TopologicalSorter(arrows).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def table_rows(rooms: Mapping[str, Room]) -> list[str]:
    """Return the rows of the table in docs/architecture.md."""
    return [
        f"| `{name}` | {room.what} | {_words(room.imports)} | {_words(room.lazily)} |"
        for name, room in rooms.items()
    ]


def _words(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in sorted(names))


def picture(rooms: Mapping[str, Room]) -> str:
    """Return the mermaid graph; an arrow is left out if a longer path replaces it."""
    arrows = {name: room.imports | room.lazily for name, room in rooms.items()}
    lines = ["flowchart TD"]
    for tier in dict.fromkeys(name.split("/")[0] for name in rooms):
        inside = [name for name in rooms if name.split("/")[0] == tier]
        boxes = [f'{node(name)}["{"sam3_ros" if name == "." else name}"]' for name in inside]
        if len(inside) > 1:
            boxes = [f"subgraph {tier}_tier [{tier}]", *(f"  {box}" for box in boxes), "end"]
        lines += [f"  {line}" for line in boxes]
    for name, targets in arrows.items():
        shown = {
            target
            for target in targets
            if not any(leads_to(other, target, arrows) for other in targets - {target})
        }
        lines += [f"  {node(name)} --> {node(target)}" for target in sorted(shown)]
    return "\n".join(lines)


def node(name: str) -> str:
    return "root" if name == "." else f"room_{name.replace('/', '_')}"


def leads_to(start: str, end: str, arrows: Mapping[str, Iterable[str]]) -> bool:
    ahead, seen = [start], {start}
    while ahead:
        new = set(arrows[ahead.pop()]) - seen
        seen |= new
        ahead += new
    return end in seen


def test_the_page_has_the_table_and_its_picture() -> None:
    page = PAGE.read_text(encoding="utf-8")
    rows = table_rows(ROOMS)

    assert [row for row in rows if row not in page] == [], "expected\n" + "\n".join(rows)
    assert picture(ROOMS) in page, "expected\n" + picture(ROOMS)


def test_a_planted_circle_is_found() -> None:
    assert circle({"a": ["b"], "b": ["c"], "c": []}) == []
    assert set(circle({"a": ["b"], "b": ["c"], "c": ["a"]})) == {"a", "b", "c"}


@pytest.mark.parametrize(
    ("where", "statement"),
    [
        ("core", "import rclpy"),
        ("core/segmenter", "import torch.nn as nn"),
        ("core", "from sensor_msgs.msg import Image"),
        ("core", "from sam3_ros.ros import segmentation_node"),
        ("core", "from sam3_ros import cli"),
        ("core/precision", "from ...training import tabletop"),
        ("core/bundle", "def late():\n    import torch"),
        ("core", "import importlib\nimportlib.import_module('sam3_ros.ros.cameras')"),
        ("core", "from sam3_ros.msg import Box"),
        ("core/bundle", "from sam3_ros.core.backends import factory"),
        ("core/stages", "from ..segmenter import prompts"),
        ("core/backends", "from ...ros import cameras"),
        ("core", "if TYPE_CHECKING:\n    from sam3_ros.ros import cameras"),
        ("core/segmenter", "from sam3_ros.bench import scenarios"),
        ("ros/frames", "import torch"),
        ("ros/node", "from sam3_ros.training.tabletop import world"),
        ("ros", "from sam3_ros.cli import main"),
        ("ros/prompts", "from sam3_ros.replay import replay"),
        ("ros/answers", "from sam3_ros.ros.node import pipeline"),
        ("export", "import rclpy"),
        ("look/library", "def late():\n    import rclpy"),
        ("look/node", "import torch"),
        ("export/weights", "from sam3_ros.training.tabletop import world"),
        ("training/tabletop", "import rclpy"),
        ("training/tabletop", "from sam3_ros.msg import Box"),
        ("training/tabletop", "import sam3_ros.ros.cameras"),
        ("cli", "from sam3_ros.ros.parameters import specs"),
        ("cli", "def run():\n    import rclpy"),
        ("cli", "if TYPE_CHECKING:\n    pass\nelse:\n    from sam3_ros.ros import cameras"),
        (".", "from sam3_ros.ros import cameras"),
        ("attic", "from sam3_ros.core import errors"),
    ],
)
def test_a_planted_wrong_import_is_caught(where: str, statement: str, tmp_path: Path) -> None:
    (caught,) = wrong_arrows(planted(statement, tmp_path / "sam3_ros" / where))

    assert "planted.py" in caught


@pytest.mark.parametrize(
    ("where", "statement"),
    [
        ("cli", "def run():\n    from sam3_ros.ros.parameters import specs"),
        ("cli", "if TYPE_CHECKING:\n    from sam3_ros.ros.parameters import specs"),
        (
            "ros/answers",
            "import rclpy\nfrom sam3_ros.msg import Box\nfrom sam3_ros.core import errors",
        ),
        ("training/tabletop", "import torch\nfrom sam3_ros.core.bundle import bundle"),
        ("look/node", "import rclpy\nfrom sam3_ros.msg import Box"),
        ("core", "from .errors import BundleError\nimport onnxruntime"),
        ("core/segmenter", "from sam3_ros.core.bundle import manifest"),
    ],
)
def test_an_import_along_the_arrows_is_left_alone(
    where: str, statement: str, tmp_path: Path
) -> None:
    assert list(wrong_arrows(planted(statement, tmp_path / "sam3_ros" / where))) == []


def planted(statement: str, folder: Path) -> Path:
    """Write a package with one statement, in the folder of its room; other rooms are empty."""
    package = next(parent for parent in (folder, *folder.parents) if parent.name == "sam3_ros")
    for room in ROOMS:
        if (PACKAGE / room).is_dir():
            (package / room).mkdir(parents=True, exist_ok=True)
        elif room not in GENERATED:
            (package / room).with_suffix(".py").parent.mkdir(parents=True, exist_ok=True)
            (package / room).with_suffix(".py").touch()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "planted.py").write_text(statement, encoding="utf-8")
    return package


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
    ours = {name.split(".")[1] for name in loaded if name.startswith("sam3_ros.")}
    assert ours == {"core"}


def test_importing_the_package_is_light() -> None:
    loaded = modules_loaded_by("import sam3_ros")

    assert loaded & {"rclpy", "torch", "numpy", "cv2", "onnxruntime"} == set()
