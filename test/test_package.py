"""The build files, which no compiler compares, say the same as each other and as the tree."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

import sam3_ros

ROOT = Path(__file__).parents[1]
PROJECT = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
MANIFEST = ET.parse(ROOT / "package.xml").getroot()
CMAKE = (ROOT / "CMakeLists.txt").read_text(encoding="utf-8")


def declared(*tags: str) -> set[str]:
    return {str(element.text) for tag in tags for element in MANIFEST.iter(tag)}


def message_dependencies() -> set[str]:
    """Return the packages whose types our messages use."""
    text = "\n".join(path.read_text(encoding="utf-8") for path in interface_files())
    return set(re.findall(r"^(\w+)/\w+", text, re.MULTILINE))


def interface_files() -> list[Path]:
    """Return the messages and services."""
    return sorted([*(ROOT / "msg").glob("*.msg"), *(ROOT / "srv").glob("*.srv")])


@pytest.mark.parametrize("kind", ["msg", "srv"])
def test_every_message_and_service_is_generated(kind: str) -> None:
    in_cmake = re.findall(rf'"({kind}/\w+\.{kind})"', CMAKE)

    assert in_cmake
    assert in_cmake == sorted(f"{kind}/{path.name}" for path in (ROOT / kind).glob(f"*.{kind}"))


def test_every_message_and_service_has_a_comment_on_its_purpose() -> None:
    for path in interface_files():
        assert path.read_text(encoding="utf-8").startswith("# "), path.name


def test_message_dependencies_agree_with_package_xml_and_cmake() -> None:
    listed = re.search(r"DEPENDENCIES ([\w ]+)", CMAKE)

    assert listed is not None
    assert set(listed[1].split()) == message_dependencies()
    assert message_dependencies() <= declared("depend")


def test_every_package_that_cmake_finds_is_declared() -> None:
    found = set(re.findall(r"find_package\((\w+) REQUIRED\)", CMAKE))

    assert found - {"ament_cmake_python"} <= declared("depend", "buildtool_depend")


def test_every_ros_package_that_is_imported_is_declared() -> None:
    source = "\n".join(
        path.read_text(encoding="utf-8")
        for folder in ("sam3_ros", "launch")
        for path in (ROOT / folder).rglob("*.py")
    )
    packages = r"rclpy|launch_ros|launch|ament_index_python|cv_bridge|\w+_(?:msgs|srvs|interfaces)"
    pattern = rf"^\s*(?:from|import) ({packages})\b"
    imported = set(re.findall(pattern, source, re.MULTILINE))

    assert imported <= declared("depend", "exec_depend")


def test_the_version_is_the_same_everywhere() -> None:
    changelog = (ROOT / "CHANGELOG.rst").read_text(encoding="utf-8")
    newest = re.search(r"^(\d+\.\d+\.\d+)", changelog, re.MULTILINE)

    assert newest is not None
    assert MANIFEST.findtext("version") == sam3_ros.__version__ == newest[1]
    assert 'version = { attr = "sam3_ros.__version__" }' in PROJECT


def test_the_licence_is_the_same_everywhere() -> None:
    assert MANIFEST.findtext("license") == "Apache-2.0"
    assert "Apache License" in (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert 'license = { text = "Apache-2.0" }' in PROJECT


@pytest.mark.parametrize("module", re.findall(r"install_entry_point\(\S+ (\S+)\)", CMAKE))
def test_installed_entry_points_have_a_main(module: str) -> None:
    # In a child: importing the node loads rclpy, which the tests of the core go without.
    script = f"from {module} import main; assert callable(main)"

    subprocess.run([sys.executable, "-c", script], check=True, cwd=ROOT)


def test_the_console_script_shows_its_help() -> None:
    found = re.search(r'sam3-ros = "(\S+):main"', PROJECT)
    assert found is not None

    script = f"from {found[1]} import main; main(['--help'])"
    command = [sys.executable, "-c", script]
    shown = subprocess.run(command, check=True, cwd=ROOT, capture_output=True, text=True)
    assert "usage: sam3-ros" in shown.stdout


def test_messages_and_services_import_beside_the_source_tree() -> None:
    script = (
        "import sam3_ros.core, sam3_ros.msg, sam3_ros.srv\n"
        "print(*dir(sam3_ros.msg), *dir(sam3_ros.srv))"
    )
    environment = {k: v for k, v in os.environ.items() if k != "AMENT_PREFIX_PATH"}
    shown = subprocess.run(
        [sys.executable, "-c", script],
        check=True,
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
    )

    for path in interface_files():
        assert path.stem in shown.stdout.split()


def test_what_comes_with_the_package_is_found_from_any_folder(tmp_path: Path) -> None:
    # The console script starts outside of the source tree, where the messages come first.
    script = """
from sam3_ros.core.bundle.bundle import embedded_bundles
from sam3_ros.ros.launching.dds import fastdds_profile
from sam3_ros.ros.launching.shared_files import demo_bag

for path in (*embedded_bundles().values(), demo_bag(), fastdds_profile()):
    assert path.exists(), path
"""
    environment = {k: v for k, v in os.environ.items() if k != "AMENT_PREFIX_PATH"}

    subprocess.run([sys.executable, "-c", script], check=True, cwd=tmp_path, env=environment)


def test_wheel_and_cmake_install_config_and_launch() -> None:
    script = """
from distutils.core import run_setup
for folder, files in run_setup("setup.py", stop_after="init").data_files:
    print(folder, *files)
"""
    listed = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", f"import setuptools{script}"],
        check=True,
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    files = {
        str(path.relative_to(ROOT))
        for folder in ("config", "launch")
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }

    folder_of = {name: folder for folder, name in map(str.split, listed.stdout.splitlines())}
    assert folder_of == {name: f"share/sam3_ros/{Path(name).parent}" for name in files}
    assert re.search(r"install\(DIRECTORY config launch DESTINATION share/\$", CMAKE)
