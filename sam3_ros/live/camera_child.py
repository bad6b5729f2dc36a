"""The camera's process, as the command that starts it sees it."""

from __future__ import annotations

import queue
import signal
import subprocess
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from sam3_ros.core.own_program import own_command
from sam3_ros.live.sources import SourceError

# A webcam takes seconds to wake up.
_READY_SECONDS = 20.0
_END_SECONDS = 2.0


@dataclass(frozen=True)
class CameraSettings:
    """What is to be published, and where; one of camera and video is given."""

    #: Number or device of a webcam.
    camera: str | None = None
    #: A video file, or a folder of images.
    video: Path | None = None
    #: Topic of the raw images.
    topic: str = "/camera/image_raw"
    compressed: bool = False
    #: Pictures per second; None for the source's own.
    rate: float | None = None
    loop: bool = False
    #: Of a picture of the video; None for the default.
    max_megapixels: float | None = None

    @property
    def name(self) -> str:
        """For people."""
        return f"the video {self.video}" if self.video is not None else f"the camera {self.camera}"

    def arguments(self) -> list[str]:
        source = ["--video", str(self.video)] if self.video else ["--camera", str(self.camera)]
        return [
            *source,
            *("--topic", self.topic),
            *(["--compressed"] if self.compressed else []),
            *(["--rate", str(self.rate)] if self.rate else []),
            *(["--loop"] if self.loop else []),
            *(["--max-megapixels", str(self.max_megapixels)] if self.max_megapixels else []),
        ]


@dataclass(frozen=True)
class Pictures:
    """What a camera that is ready will publish."""

    width: int
    height: int
    #: Per second; 0 for a camera that does not say.
    rate: float

    def __str__(self) -> str:
        rate = f", {self.rate:g} a second" if self.rate else ""
        return f"{self.width}x{self.height}{rate}"


class CameraChild:
    """A camera's process: `with CameraChild(settings, environment) as camera:`"""

    def __init__(self, settings: CameraSettings, environment: Mapping[str, str]) -> None:
        """Start it. It opens the source, and publishes nothing before go()."""
        self._settings = settings
        command = [*own_command("sam3_ros.live.camera"), *settings.arguments()]
        # In a session of its own, so that Ctrl-C is for the parent alone.
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=dict(environment),
            start_new_session=True,
            text=True,
        )
        self._lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        threading.Thread(target=self._read, daemon=True).start()
        #: The number of pictures it has published, once it has come to the end.
        self.published: int | None = None

    def __enter__(self) -> CameraChild:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):
            self._process.stdin.close()
        try:
            self._process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()

    def wait_until_ready(self) -> Pictures:
        """Wait for its first picture. Raises SourceError."""
        try:
            kind, words = self._next(_READY_SECONDS)
        except queue.Empty:
            raise SourceError(
                f"{self._settings.name} has given no picture for {_READY_SECONDS:g} s"
            ) from None
        if kind != "ready":
            raise SourceError(words or f"the process of {self._settings.name} has ended")
        width, height, rate = words.split()
        return Pictures(int(width), int(height), float(rate))

    def go(self) -> None:
        """Let it publish."""
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):  # check() says why
            self._process.stdin.write("go\n")
            self._process.stdin.flush()

    def check(self) -> None:
        """Note what it has said. Raises SourceError if it cannot go on."""
        with suppress(queue.Empty):
            kind, words = self._next(0.0)
            if kind != "end":
                raise SourceError(words or f"the process of {self._settings.name} has ended")
            self.published = int(words)

    def _next(self, timeout: float) -> tuple[str, str]:
        line = self._lines.get(timeout=timeout) if timeout else self._lines.get_nowait()
        kind, _, words = line.strip().partition(" ")
        return kind, words

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(line)
        if self.published is None:
            self._lines.put("")  # it has ended; what it said last is before
