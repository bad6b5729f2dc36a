"""The metadata is in pyproject.toml; this file serves tools that still ask for a setup.py."""

from pathlib import Path

from setuptools import setup


def shared(*folders: str) -> list[tuple[str, list[str]]]:
    """Each folder, and those in it, to where colcon installs them too."""
    found = (path for folder in folders for path in sorted(Path(folder).rglob("*.*")))
    files = [path for path in found if path.is_file() and path.suffix != ".pyc"]
    return [(f"share/sam3_ros/{path.parent}", [str(path)]) for path in files]


# Saying where the packages lie lets an editable install be one plain path entry, beside which
# the generated messages merge (see sam3_ros/__init__.py).
setup(package_dir={"": "."}, data_files=shared("config", "launch"))
