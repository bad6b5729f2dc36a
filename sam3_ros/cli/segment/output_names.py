"""The names of what `sam3-ros segment` writes, and which of them may be written."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Iterable, Sequence
from itertools import chain
from pathlib import Path

from sam3_ros.core.out_folder import OutFolder, OutputExistsError

RESULTS_NAME = "segments.json"
#: File systems take 255 bytes a name; the rest is for number, label and suffix.
_MOST_STEM_BYTES, _MOST_LABEL_BYTES = 150, 60
_OVERLAY, _LABELS = "overlay", "labels"
# A label in a name holds no "_", so this is never another file of an image named table_3.
_MASK = re.compile(rf"(.*)_\d+_(?!{_OVERLAY}\.|{_LABELS}\.)[^_]+\.png", re.DOTALL)


class OutputFiles:
    """The files of one image: its name, and in front of it the folder."""

    def __init__(self, folder: OutFolder, stem: str, old_masks: Sequence[str] = ()) -> None:
        self._folder = folder
        #: Names of files that are like those of its masks, and were there before.
        self.old_masks = old_masks
        self._stem = stem
        #: Of overlay and label image.
        self.names = (f"{stem}_{_OVERLAY}.png", f"{stem}_{_LABELS}.png")
        self.overlay, self.labels = (folder.path / name for name in self.names)

    def claim_masks(self, labels: Iterable[str]) -> tuple[Path, ...]:
        """Return the files of the image's masks, which have these labels."""
        numbered = enumerate(labels, start=1)
        return self._folder.claim(*(f"{self._stem}_{n}_{_safe(each)}.png" for n, each in numbered))

    def remove_old_masks(self) -> None:
        """Delete the masks that an earlier run found in the image."""
        self._folder.remove(self.old_masks)


def claim_outputs(
    folder: OutFolder, images: Sequence[Path], *, with_masks: bool, force: bool
) -> list[OutputFiles]:
    """Return the outputs of each image, when all of them may be written.

    Raises OutputExistsError that names the files in the way: those that sam3-ros did not write,
    unless they may be overwritten by force, and the images themselves always.
    """
    old_masks = _masks_in(folder.path)
    outputs = [OutputFiles(folder, stem, old_masks.get(stem, ())) for stem in unique_stems(images)]
    names = [RESULTS_NAME, *chain.from_iterable(each.names for each in outputs)]
    masks = list(chain.from_iterable(each.old_masks for each in outputs)) if with_masks else []
    overwritten = {*names, *masks}
    for image in images:
        if image.name in overwritten and _same_file(folder.path, image.parent):
            raise OutputExistsError(
                f"{image} is to be segmented, and its answer or another's would overwrite it: name "
                "another folder"
            )
    folder.claim(*names, *(() if force else masks))
    return outputs


def unique_stems(images: Iterable[Path]) -> list[str]:
    """Return a name for each image's files: its own, with a number where several share one."""
    stems: list[str] = []
    taken: set[str] = set()
    for image in images:
        short = _cut(image.stem, _MOST_STEM_BYTES)
        stem, number = short, 2
        # Some file systems, as of USB sticks, do not tell capitals from small letters.
        while stem.casefold() in taken:
            stem, number = f"{short}-{number}", number + 1
        taken.add(stem.casefold())
        stems.append(stem)
    return stems


def _masks_in(folder: Path) -> dict[str, list[str]]:
    """Return the names of files that are like those of masks, by the image's."""
    found: dict[str, list[str]] = {}
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        if match := _MASK.fullmatch(path.name):
            found.setdefault(match[1], []).append(path.name)
    return found


def _safe(label: str) -> str:
    """Return the label as a part of a file's name: letters and digits of any script, and "-"."""
    kept = (letter if unicodedata.category(letter)[0] in "LMN" else " " for letter in label)
    safe = _cut("-".join("".join(kept).split()), _MOST_LABEL_BYTES) or "mask"
    return f"{safe}-" if safe in (_OVERLAY, _LABELS) else safe


def _cut(text: str, most_bytes: int) -> str:
    while len(os.fsencode(text)) > most_bytes:
        text = text[:-1]
    return text


def _same_file(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except (OSError, ValueError):
        return False
