"""The argument that names a checkpoint: a file, or hf://ORG/REPO/FILE@REVISION of the hub."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from sam3_ros.cli.needs import require
from sam3_ros.cli.progress import ProgressLine, print_step

if TYPE_CHECKING:
    from sam3_ros.hub.address import HubAddress
    from sam3_ros.hub.download import DownloadProgress

CHECKPOINT_HELP = "a .pth, .pt or .safetensors file, or hf://ORG/REPO/FILE[@REVISION]"
#: Between two lines of a log: a download takes long.
_LOG_SECONDS = 15.0
#: Seconds; before, nobody waits, and the rate is a guess.
_WORTH_A_LINE = 1.0


@dataclass(frozen=True)
class LocalCheckpoint:
    """A checkpoint that is here."""

    path: Path
    #: What the manifest of a bundle made of it says beside its name and sum.
    source: Mapping[str, str] = field(default_factory=dict)


def checkpoint_argument(text: str) -> Path | HubAddress:
    """Return what a checkpoint argument means; for argparse, which prints what is wrong with it."""
    from sam3_ros.core.errors import HubError
    from sam3_ros.hub.address import is_address, parsed_address

    if text.lower().startswith(("https://", "http://")):
        raise argparse.ArgumentTypeError(
            f"{text} is a web address: fetch the file, or write hf://ORG/REPO/FILE for one of the "
            f"Hugging Face hub"
        )
    if not is_address(text):
        return Path(text)
    try:
        return parsed_address(text)
    except HubError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def local_checkpoint(given: Path | HubAddress) -> LocalCheckpoint:
    """Return a checkpoint's file; one of the hub is fetched, as far as its cache lacks it.

    Raises HubError, Sam3RosError without the hub's client, OSError where the disk is full.
    """
    if isinstance(given, Path):
        return LocalCheckpoint(given)
    require("huggingface_hub", whose=str(given))
    from sam3_ros.hub.checkpoint import hub_checkpoint

    with downloads_shown() as shown:
        found = hub_checkpoint(given, shown.say, shown.watch)
    return LocalCheckpoint(found.file.path, found.source)


@contextmanager
def downloads_shown() -> Iterator[ShownDownloads]:
    """Show downloads in the block: a line that is overwritten, or in a log now and then a line."""
    with ProgressLine(file_seconds=_LOG_SECONDS) as line:
        yield ShownDownloads(line)


class ShownDownloads:
    """What the hub tells while it works."""

    def __init__(self, line: ProgressLine) -> None:
        self._line = line

    def say(self, text: str) -> None:
        """Print a step in a row of its own."""
        self._line.close()
        print_step(text)

    def watch(self, progress: DownloadProgress) -> None:
        """Show how far a file is."""
        if progress.seconds < _WORTH_A_LINE:
            return
        part = progress.done / progress.total if progress.total else 0.0
        self._line.show(_figures(progress), part)


def _figures(progress: DownloadProgress) -> str:
    done = f"{progress.name}: {progress.done / 1e6:,.1f}"
    if not progress.total:
        return f"{done} MB"
    rate = progress.fetched / max(progress.seconds, 1e-3)
    left = (progress.total - progress.done) / max(rate, 1.0)
    return f"{done} of {progress.total / 1e6:,.1f} MB, {rate / 1e6:.1f} MB/s, {left:.0f} s left"
