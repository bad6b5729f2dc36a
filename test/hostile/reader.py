"""Reads hostile image files and bundles in a process of its own, one after the other.

    reader.py                a line of JSON each: {"what": "image" or "bundle", "path": ...}

Back comes a line of JSON: outcome, reason, seconds of checking, MB above what was resident before.
"""

from __future__ import annotations

import contextlib
import io
import json
import re
import resource
import sys
import time
import traceback
from pathlib import Path

from sam3_ros.cli.main import main as sam3_ros
from sam3_ros.core.bundle.bundle import Bundle
from sam3_ros.core.errors import Sam3RosError
from sam3_ros.core.image_file import read_picture
from sam3_ros.core.segmenter.segmenter import Segmenter

# More than any of them may take, so that a bomb ends this process and not the machine.
_MOST_MB = 3000
# On a busy machine one waits for the processor; never so long for nothing.
_WAITING_S = 15.0
# What a terminal would obey. A line break and a tabulator are no harm.
_ESCAPES = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def main() -> None:
    """Answer each line until the input ends."""
    mapped = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0]) * 4096
    limit = mapped + _MOST_MB * 10**6
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    answers = sys.stdout
    sys.stdout = sys.stderr  # whatever a library prints is no answer
    for line in sys.stdin:
        question = json.loads(line)
        read = _read_image if question["what"] == "image" else _read_bundle
        before = _forget_peak()
        begin, seconds = (time.monotonic(), time.process_time()), None
        try:
            outcome, reason = read(Path(question["path"]))
            if outcome == "sound":
                seconds = _spent(begin)
                outcome = _load(Path(question["path"]))
        except Sam3RosError as error:
            outcome, reason = "refused", str(error)
        except BaseException:
            outcome, reason = "unclear", traceback.format_exc()[-2000:]
        answer = {
            "outcome": outcome if reason or outcome != "refused" else "unclear",
            "reason": reason[:2000],
            "seconds": _spent(begin) if seconds is None else seconds,
            "mb": _resident("VmHWM") - before,
        }
        print(json.dumps(answer), file=answers, flush=True)


def _read_image(path: Path) -> tuple[str, str]:
    read_picture(path)
    return "answered", ""


def _read_bundle(path: Path) -> tuple[str, str]:
    """Show the bundle as a user would, then open it as the node would."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = sam3_ros(["bundle", "inspect", str(path)])
    said = out.getvalue() + err.getvalue()
    if found := _ESCAPES.search(said):
        return "unclear", f"a terminal gets {found[0]!r}: {said[:500]!r}"
    if code not in (0, 2) or "Traceback" in said:
        return "unclear", f"exit code {code}: {said[-1500:]}"
    if code == 2:
        return "refused", err.getvalue()
    Bundle.open(path)
    return "sound", ""


def _load(path: Path) -> str:
    """Load what looks sound: it runs in a child first, for which its own limits hold."""
    with Segmenter.load(path):
        return "answered"


def _spent(begin: tuple[float, float]) -> float:
    """Return the CPU seconds since then; those of the clock where it waited instead of working."""
    waited, worked = time.monotonic() - begin[0], time.process_time() - begin[1]
    return waited if waited > _WAITING_S else worked


def _forget_peak() -> float:
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    return _resident("VmRSS")


def _resident(field: str) -> float:
    status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
    found = re.search(rf"^{field}:\s*(\d+)", status, re.MULTILINE)
    assert found is not None, "Linux has it"
    return int(found[1]) * 1024 / 1e6


if __name__ == "__main__":
    main()
