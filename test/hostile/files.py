"""Image files and bundles from strangers, read in a child process."""

from __future__ import annotations

import json
import os
import random
import selectors
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hostile_bundles import hostile_bundles, mutated_bundles, with_escapes
from hostile_graphs import hostile_graphs, mutated_graphs

from hostile.inputs import Channel, Input
from hostile.odd_images import odd_file
from hostile.rig import HANG_S
from sam3_ros.core.bundle.bundle import Bundle

_READER = Path(__file__).with_name("reader.py")
#: How long to wait for what hangs, s: a model that looks sound has a minute for its first run.
_GIVE_UP_S = 75.0
_START_S = 60.0


@dataclass(frozen=True)
class Reading:
    """What became of a file or bundle."""

    what: str
    #: answered or refused; crash, hang or unclear if it failed.
    outcome: str
    reason: str
    seconds: float
    #: Above what was resident before, MB.
    mb: float


class FileReader:
    """Reads one file or bundle after another, each made in a folder that is emptied again."""

    def __init__(self, folder: Path, hang_s: float = HANG_S) -> None:
        """hang_s: what takes more seconds is a hang."""
        self._folder, self._hang_s = folder, hang_s
        self._process: subprocess.Popen[str] | None = None

    def read(self, each: Input) -> Reading:
        """Make the input and let it be read; the folder holds it until the next."""
        what, path = self.make(each)
        kind = "image" if each.channel is Channel.FILE else "bundle"
        process = self._running()
        assert process.stdin is not None and process.stdout is not None
        begin = time.monotonic()
        answer = None
        try:
            process.stdin.write(json.dumps({"what": kind, "path": str(path)}) + "\n")
            process.stdin.flush()
            answer = self._answer(_GIVE_UP_S)
        except BrokenPipeError:
            pass
        seconds = time.monotonic() - begin
        if answer is None:
            code = process.poll()
            outcome, reason = "hang", f"no answer within {_GIVE_UP_S:g} s"
            if code is not None or seconds < _GIVE_UP_S:
                outcome, reason = "crash", f"the reader ended with {process.wait()}"
            self.close()
            return Reading(what, outcome, reason, seconds, 0.0)
        outcome = "hang" if answer["seconds"] > self._hang_s else answer["outcome"]
        return Reading(what, outcome, answer["reason"], answer["seconds"], answer["mb"])

    def make(self, each: Input) -> tuple[str, Path]:
        """Make the input; return its description and where it is."""
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder.mkdir(parents=True)
        chance = each.chance()
        if each.channel is Channel.FILE:
            what, data = odd_file(chance)
            path = self._folder / f"picture.{chance.choice(('jpg', 'png', 'tif', 'webp', 'x'))}"
            path.write_bytes(data)
            return what, path
        name, make = _bundle_of(chance)
        return name, make(Bundle.open("tabletop").path, self._folder / "bundle")

    def close(self) -> None:
        """End the child."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            for stream in (self._process.stdin, self._process.stdout):
                if stream is not None:
                    stream.close()
            self._process = None

    def _running(self) -> subprocess.Popen[str]:
        if self._process is None or self._process.poll() is not None:
            self.close()
            self._process = subprocess.Popen(
                [sys.executable, str(_READER)],
                env={**os.environ, "XDG_CACHE_HOME": str(self._folder.with_name("cache"))},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            )
            self._warm_up()
        return self._process

    def _warm_up(self) -> None:
        """Read the sound bundle, so that imports are no part of the first figures."""
        process = self._process
        assert process is not None and process.stdin is not None
        path = str(Bundle.open("tabletop").path)
        process.stdin.write(json.dumps({"what": "bundle", "path": path}) + "\n")
        process.stdin.flush()
        answer = self._answer(_START_S)
        assert answer is not None and answer["outcome"] == "answered", answer

    def _answer(self, seconds: float) -> dict[str, Any] | None:
        process = self._process
        assert process is not None and process.stdout is not None
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            if not selector.select(seconds):
                return None
        line = process.stdout.readline()
        return dict(json.loads(line)) if line else None


def _bundle_of(chance: random.Random) -> tuple[str, Any]:
    kind = chance.randrange(20)
    if kind == 0:
        return "texts with escapes", with_escapes
    if kind < 12:
        mutate = mutated_bundles if kind < 8 else mutated_graphs
        ((name, make),) = mutate(chance.randrange(2**32), 1)
        return name, make
    chosen = chance.choice(tuple(hostile_bundles() if kind < 16 else hostile_graphs()))
    return chosen.name, chosen.make
