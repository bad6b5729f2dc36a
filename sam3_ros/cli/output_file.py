"""A file that a command writes in the end: it must not fail after minutes of work."""

from __future__ import annotations

from pathlib import Path


def make_way_for(file: Path | str | None) -> None:
    """Make its folder, and see that the file can be written. None and "-" need none.

    What is there stays as it is. Raises OSError where there can be no such file.
    """
    if file is None or str(file) == "-":
        return
    Path(file).parent.mkdir(parents=True, exist_ok=True)
    is_new = not Path(file).exists()
    with Path(file).open("a"):
        pass
    if is_new:
        Path(file).unlink()
