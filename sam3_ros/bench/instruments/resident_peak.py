"""The most memory that a process holds which does nothing but load a bundle and answer.

Measured in a process of its own: what this one has measured and compared before would count too.
"""

from __future__ import annotations

import re
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

from sam3_ros.bench.scenarios import Question, scenarios
from sam3_ros.bench.setup import Setup

#: What is asked: words and a click, with all the stages that they need.
ASKED = ("text_new_frame", "second_text_seen_frame", "click_new_frame", "click_seen_frame")


@dataclass(frozen=True)
class ResidentPeak:
    """Bytes. loaded: the peak until all sessions were open; answering: until the last answer."""

    loaded: int
    answering: int


def resident_peak(setup: Setup, question: Question) -> ResidentPeak | None:
    """None where the system does not tell (no /proc). Raises as Segmenter.load does."""
    if _high_water() is None:
        return None
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(_measure, setup, question).result()


def _measure(setup: Setup, question: Question) -> ResidentPeak:
    with setup.load() as segmenter:
        loaded = _high_water() or 0
        for scenario in scenarios(segmenter, question):
            if scenario.key in ASKED:
                scenario.call()
    return ResidentPeak(loaded, _high_water() or 0)


def _high_water() -> int | None:
    """VmHWM of this process (proc_pid_status(5)); the kernel's kB are 1024 bytes."""
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
    except OSError:
        return None
    found = re.search(r"^VmHWM:\s*(\d+) kB", status, re.MULTILINE)
    return int(found[1]) * 1024 if found else None
