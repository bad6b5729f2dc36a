"""Runs the inputs in batches: after each the account must be right, and good frames answered so."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from functools import cache
from pathlib import Path

import numpy as np
from lock_order import VIOLATED
from process_samples import process_sample

from hostile.files import FileReader, Reading
from hostile.inputs import Channel, Input, batches
from hostile.odd_images import good_message, good_picture
from hostile.rig import CAMERAS, HANG_S, HangError, NodeEndedError, Rig
from hostile.tries import FailedError, Tries
from hostile.verdict import MOST_MB, Verdict
from sam3_ros.core.bundle.bundle import Bundle
from sam3_ros.core.segmenter.segmenter import Segmenter

_IMAGES = (Channel.RAW, Channel.COMPRESSED)
_FILES = (Channel.FILE, Channel.BUNDLE)
#: MB that reading a file or bundle may take. A picture of 50 megapixels, the most by default, takes
#: seven bytes a pixel where Pillow reads it.
_MOST_READING_MB = {Channel.FILE: 400.0, Channel.BUNDLE: 200.0}
_WARM_UP = 5
# Of the good mask, the share that may differ.
_LEAST_OVERLAP = 0.98
_ESCAPES = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


class Fuzz:
    """One run: `verdict = Fuzz(seed, folder, domain).run(range(1, 10_001))`."""

    def __init__(
        self,
        seed: int,
        folder: Path,
        domain: int,
        say: Callable[[str], None] = lambda _: None,
        hang_s: float = HANG_S,
    ) -> None:
        """folder: gets the node's log, and what failed. hang_s: what is longer is a hang."""
        self._hang_s = hang_s
        self._seed, self._folder, self._domain, self._say = seed, folder, domain, say
        self.verdict = Verdict()
        self._starts = 0
        self._log_read = 0

    def run(self, numbers: Sequence[int]) -> Verdict:
        """Try the inputs of these numbers, in this order; return what became of them."""
        shutil.rmtree(self._folder / "failures", ignore_errors=True)
        self._folder.mkdir(parents=True, exist_ok=True)
        reader = FileReader(self._folder / "read", self._hang_s)
        self._start()
        try:
            with ThreadPoolExecutor(1) as pool, suppress(KeyboardInterrupt):
                for batch in batches(self._seed, list(numbers)):
                    self._batch(batch, pool, reader)
        finally:
            reader.close()
            self._close()
        return self.verdict

    def _start(self) -> None:
        self._starts += 1
        self._log_read = 0
        self._rig = Rig(self._domain, self._folder / f"node_{self._starts}.log", self._hang_s)
        self._tries = Tries(self._rig)
        self._rig.ask_good()
        for camera in CAMERAS * _WARM_UP:
            self._rig.mask_of(camera, good_message(self._rig.transport))
        self.verdict.idle_mb = process_sample(self._rig.pid).rss
        self._rig.peak_mb()
        self._rig.silence = 0.0

    def _close(self) -> None:
        rig = self._rig
        if not rig.is_alive:
            rig.close()
            return
        code = rig.close()
        if code != 0:
            self.verdict.fail(None, 0, 0, "crash", f"the node ended with {code} after SIGTERM")
        if VIOLATED in rig.process.log:
            self.verdict.fail(None, 0, 0, "wrong", "the node broke the order of its locks")

    def _batch(self, batch: list[Input], pool: ThreadPoolExecutor, reader: FileReader) -> None:
        first, last = batch[0].number, batch[-1].number
        readings = [
            (each, pool.submit(_read, reader, each, self._folder))
            for each in batch
            if each.channel in _FILES
        ]
        try:
            self._rig.change_transport(batch[0].transport)
            self._tries.restore()
            self._try_all(batch)
            self._check_account(first, last)
            self._check_good(first, last)
            self._check_silence(batch)
        except NodeEndedError as error:
            self._ended(first, last, str(error))
        except (FailedError, HangError) as error:
            self.verdict.fail(None, first, last, "hang", f"between inputs: {error}")
            self._restart()
        for each, reading in readings:
            self._note_reading(each, reading)
        self._check_log(first, last)
        self._say(f"{last}: {len(self.verdict.failures)} failures")

    def _try_all(self, batch: list[Input]) -> None:
        waiting: list[Input] = []
        for each in batch:
            if each.channel in _IMAGES:
                waiting.append(each)
                if len(waiting) == len(CAMERAS):
                    self._images(waiting)
                    waiting = []
            elif each.channel not in _FILES:
                self._one(each)
        if waiting:
            self._images(waiting)

    def _one(self, each: Input) -> None:
        try:
            tried = self._tries.one(each)
        except FailedError as error:
            self._fail(each, *error.args)
            self._recover()
            return
        except NodeEndedError as error:
            self._fail(each, "crash", str(error))
            self._restart()
            return
        self.verdict.note(each.channel, tried.outcome, tried.seconds)
        self._check_memory([each])

    def _images(self, each: list[Input]) -> None:
        try:
            tried = self._tries.images(each)
        except HangError as error:
            if len(each) == 1:
                self._fail(each[0], "hang", str(error))
                return
            for one in each:  # each alone: which of them, and not because the machine was busy
                self.verdict.slow_once += 1
                self._images([one])
            return
        except FailedError as error:
            self._fail(each[0], *error.args)
            self._recover()
            return
        except NodeEndedError as error:
            if len(each) == 1:
                self._fail(each[0], "crash", str(error))
                self._restart()
                return
            self._restart()
            for one in each:
                self._images([one])
            return
        for one, end in zip(each, tried, strict=True):
            self.verdict.note(one.channel, end.outcome, end.seconds)
        self._check_memory(each)

    def _check_memory(self, each: list[Input]) -> None:
        peak = self._rig.peak_mb()
        self.verdict.peak_mb = max(self.verdict.peak_mb, peak)
        above = peak - self.verdict.idle_mb
        if above > MOST_MB:
            numbers = [one.number for one in each]
            what = f"{above:.0f} MB above idle after {[one.channel.value for one in each]}"
            self.verdict.fail(None, min(numbers), max(numbers), "memory", what)

    def _check_account(self, first: int, last: int) -> None:
        """Let one more image of each camera tell what is lost, then compare with what was sent."""
        rig = self._rig
        self._tries.restore()
        for camera in CAMERAS:
            rig.send(camera, good_message(rig.transport))
        try:
            rig.settle(CAMERAS)
        except HangError as error:
            self.verdict.fail(None, first, last, "silent", str(error))
            self._restart()
            return
        for camera in CAMERAS:
            # What was written off as lost may only have been late.
            if rig.counts[camera].received > rig.sent[camera] + rig.written_off[camera]:
                what = f"more images of {camera} were received than sent"
                self.verdict.fail(None, first, last, "wrong", what)

    def _check_silence(self, batch: list[Input]) -> None:
        """Try a batch again during which /diagnostics was silent: perhaps the machine was busy."""
        silence, self._rig.silence = self._rig.silence, 0.0
        if silence > self._hang_s:
            self.verdict.slow_once += 1
            counted, self.verdict = self.verdict, Verdict(idle_mb=self.verdict.idle_mb)
            try:
                self._try_all(batch)
            finally:
                self.verdict = counted
            silence, self._rig.silence = self._rig.silence, 0.0
        if silence > self._hang_s:
            what = f"no report on /diagnostics for {silence:.1f} s, twice"
            self.verdict.fail(None, batch[0].number, batch[-1].number, "hang", what)
        self.verdict.longest_silence = max(self.verdict.longest_silence, silence)

    def _check_good(self, first: int, last: int) -> None:
        for camera in CAMERAS[:2]:
            mask = self._rig.mask_of(camera, good_message(self._rig.transport)) != 0
            union = np.count_nonzero(mask | good_mask()) or 1
            overlap = np.count_nonzero(mask & good_mask()) / union
            if overlap < _LEAST_OVERLAP:
                what = f"the mask of the good frame overlaps by {overlap:.3f}"
                self.verdict.fail(None, first, last, "wrong", what)
            else:
                self.verdict.good_answers += 1

    def _check_log(self, first: int, last: int) -> None:
        text = self._rig.process.log_file.read_text(encoding="utf-8", errors="replace")
        new, self._log_read = text[self._log_read :], len(text)
        if "Traceback (most recent call last)" in new:
            at = new.index("Traceback (most recent call last)")
            self.verdict.fail(None, first, last, "unclear", f"in the log: {new[at:][-1500:]}")
        if found := _ESCAPES.search(new):
            near = new[max(0, found.start() - 100) : found.end() + 100]
            self.verdict.fail(None, first, last, "unclear", f"the log obeys: {near!r}")

    def _note_reading(self, each: Input, future: Future[Reading]) -> None:
        reading = future.result()
        self.verdict.reader_mb = max(self.verdict.reader_mb, reading.mb)
        what = f"{reading.what}: {reading.reason}"
        if reading.outcome not in ("answered", "refused"):
            self._fail(each, reading.outcome, f"{what} ({reading.seconds:.1f} s)")
        elif reading.mb > _MOST_READING_MB[each.channel]:
            self._fail(each, "memory", f"{what}: {reading.mb:.0f} MB")
        else:
            self.verdict.note(each.channel, reading.outcome, reading.seconds)

    def _fail(self, each: Input, kind: str, what: str) -> None:
        self.verdict.fail(each.channel, each.number, each.number, kind, what)
        self._say(f"FAILED {each.number}, {each.channel.value}, {kind}: {' '.join(what.split())}")
        if each.channel not in _FILES:
            self._failure_of(each.number).write_bytes(self._tries.last)

    def _failure_of(self, number: int) -> Path:
        target = self._folder / "failures" / f"{number}.cdr"
        target.parent.mkdir(parents=True, exist_ok=True)
        return target

    def _ended(self, first: int, last: int, what: str) -> None:
        self.verdict.fail(None, first, last, "crash", what)
        self._restart()

    def _recover(self) -> None:
        """Go on with the node as it is, or with another if it does not answer any more."""
        try:
            self._tries.restore()
        except (FailedError, HangError, NodeEndedError):
            self._restart()

    def _restart(self) -> None:
        self.verdict.restarts += 1
        transport = self._rig.transport
        self._rig.close()
        self._start()
        self._rig.change_transport(transport)
        self._tries.restore()


@cache
def good_mask() -> np.ndarray:
    """Return what the library finds for the good prompt in the good picture, bool [H, W]."""
    with Segmenter.load(Bundle.open("tabletop")) as segmenter:
        found = segmenter.segment(good_picture(), ["red cube"])
    return np.any([segment.mask for segment in found], axis=0)


def _read(reader: FileReader, each: Input, folder: Path) -> Reading:
    """Read it, and once more if it took too long: this machine may have been busy."""
    reading = reader.read(each)
    if reading.outcome == "hang":
        time.sleep(0.1)
        reading = reader.read(each)
    if reading.outcome not in ("answered", "refused"):
        _, path = reader.make(each)
        target = folder / "failures" / str(each.number)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(target, ignore_errors=True)
        path.rename(target)
    return reading
