"""How to start a module of this package in another Python."""

from __future__ import annotations

import sys

# With -m and -c alike, Python looks for every module in the current folder first, which may be one
# with files of a stranger. Its option against that (-P) is not in Python 3.10, and -I would leave
# out PYTHONPATH, where ROS lies.
_START = (
    "import sys; sys.path[:] = filter(None, sys.path); sys.argv[:] = sys.argv[1:]; "
    "import runpy; runpy.run_module(sys.argv[0], run_name='__main__', alter_sys=True)"
)


def own_command(module: str) -> list[str]:
    """Return a command that runs a module as `python -m` does, but for the current folder."""
    return [sys.executable, "-c", _START, module]
