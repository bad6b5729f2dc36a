"""Photos: each is a camera whose picture never changes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sam3_ros.core.image_file import read_picture
from sam3_ros.label.read_settings import ReadSettings
from sam3_ros.live.sources import SourceError
from sam3_ros.look.drawing.answered_picture import Pixels
from sam3_ros.look.library.shots import Shot
from sam3_ros.look.viewing import ViewedCamera

#: Each is in the list that people choose from.
MOST_PHOTOS = 2000


class Photos:
    """Photos in their order; read when they are looked at."""

    def __init__(self, files: Sequence[Path], settings: ReadSettings) -> None:
        """Read an only one. Raises ImageError, and SourceError for too many."""
        if len(files) > MOST_PHOTOS:
            raise SourceError(
                f"expected at most {MOST_PHOTOS} photos, got {len(files)}: name a part of them"
            )
        self._settings = settings
        titles = _titles(files)
        names = titles if len(files) > 1 else [""]
        self._files = dict(zip(names, files, strict=True))
        self.cameras = tuple(map(ViewedCamera, names, titles))
        self.name = f"photo {titles[0]}" if len(files) == 1 else f"{len(files)} photos"
        if len(files) == 1:  # of several, one that is damaged costs that one alone
            self._pixels(files[0])

    def shot(self, camera: str) -> Shot:
        """Return a photo; its stamp is when its file was changed last. Raises SourceError."""
        file = self._files[camera]
        try:
            stamp_ns = max(1, file.stat().st_mtime_ns)
        except OSError as error:
            raise SourceError(f"cannot read {file}: {error.strerror or error}") from error
        return Shot(camera, stamp_ns, 0.0, lambda: self._pixels(file))

    def _pixels(self, file: Path) -> Pixels:
        settings = self._settings
        return read_picture(file, settings.bit_depth, settings.max_megapixels).rgb


def _titles(files: Sequence[Path]) -> list[str]:
    """Return the files' names, or their paths where two have the same name."""
    names = [file.name for file in files]
    return names if len(set(names)) == len(names) else [str(file) for file in files]
