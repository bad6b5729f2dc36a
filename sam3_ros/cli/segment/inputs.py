"""Which images are meant: files, folders, and patterns that no shell has resolved."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from sam3_ros.core.named_files import PICTURE_SUFFIXES, files_named
from sam3_ros.core.out_folder import OutFolder

_NAMES_TOLD = 3


@dataclass(frozen=True)
class Inputs:
    """The images to segment, in order, each once."""

    images: tuple[Path, ...]
    #: What was asked for and cannot be segmented, with the reason.
    refused: tuple[tuple[str, str], ...] = ()
    #: What was left out of a folder, a sentence each.
    remarks: tuple[str, ...] = ()


def find_inputs(names: Iterable[str]) -> Inputs:
    """Return what the names mean.

    Of a folder the images by their suffix (PICTURE_SUFFIXES), in the order of their names, not
    those below it, and not what sam3-ros wrote there. A name with *, ? or [ is a pattern where
    there is no such file.
    """
    images: list[Path] = []
    refused: list[tuple[str, str]] = []
    remarks: list[str] = []
    for name in names:
        found = list(files_named(name))
        if not found:
            refused.append((name, f"no file matches {name}"))
        for path in found:
            if not path.is_dir():
                images.append(path)
                continue
            inside, remark = _images_in(path)
            images += inside
            if not inside:
                refused.append((str(path), f"the folder {path} holds no image to segment{remark}"))
            elif remark:
                remarks.append(f"of the folder {path}{remark}")
    once = {path.absolute(): path for path in reversed(images)}
    unique = tuple(path for path in images if once.get(path.absolute()) is path)
    return Inputs(unique, tuple(refused), tuple(remarks))


def _images_in(folder: Path) -> tuple[list[Path], str]:
    """Return the images in a folder, and what else is in it."""
    ours = OutFolder(folder).written()
    inside = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    folders = [path.name for path in inside if path.is_dir()]
    written = [path.name for path in inside if path.name in ours]
    rest = [path for path in inside if path.name not in {*folders, *written}]
    others = [path.name for path in rest if path.suffix.lower() not in PICTURE_SUFFIXES]
    parts = (
        _told(others, "no image by its name", "no images by their names"),
        _told(written, "written by sam3-ros", "written by sam3-ros"),
        _told(folders, "a folder of its own", "folders of their own"),
    )
    remark = "; ".join(filter(None, parts))
    images = [path for path in rest if path.name not in others]
    return images, f", left out: {remark}" if remark else ""


def _told(names: list[str], one: str, several: str) -> str:
    if not names:
        return ""
    more = f" and {len(names) - _NAMES_TOLD} more" if len(names) > _NAMES_TOLD else ""
    return f"{', '.join(names[:_NAMES_TOLD])}{more} ({one if len(names) == 1 else several})"
