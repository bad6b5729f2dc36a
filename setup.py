"""The metadata is in pyproject.toml; this file serves tools that still ask for a setup.py."""

from setuptools import setup

# Saying where the packages lie lets an editable install be one plain path entry, beside which
# the generated messages merge (see sam3_ros/__init__.py).
setup(package_dir={"": "."})
