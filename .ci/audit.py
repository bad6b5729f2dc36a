"""Ask PyPI which of the installed packages have known faults; `make check` runs it.

Ends with 1 for a known fault that IGNORED does not excuse, and where pip-audit itself breaks. Where
nobody can be asked, as without a network, it says "not audited" and why, and ends with 0. pip-audit
alone would not do: from an index without advisories it reports no fault in anything.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

_SECONDS = 300
_NAMES = 12
# What pip-audit's traceback ends with where the service gave no answer, or none that can be read.
_NO_ANSWER = (
    "pip_audit._service.interface.ConnectionError",
    "requests.exceptions.",
    "urllib3.exceptions.",
)
# And what its cause is where the service answers with an error of its own.
_REFUSED = "requests.exceptions.HTTPError: "


@dataclass(frozen=True)
class Excuse:
    """Why a known fault is lived with, and until when."""

    why: str
    #: The first day on which it is a failure again.
    until: date


#: By the fault's id, such as "PYSEC-2030-1". docs/security.md tells of each.
IGNORED: Mapping[str, Excuse] = {}


def main() -> int:
    """Return the exit code."""
    command = [sys.executable, "-m", "pip_audit", "--format", "json", "--progress-spinner", "off"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS)
    except subprocess.TimeoutExpired:
        print(f"not audited: no answer within {_SECONDS} s")
        return 0
    code, told = verdict(done.returncode, done.stdout, done.stderr, date.today())
    print(told)
    return code


def verdict(
    code: int,
    output: str,
    errors: str,
    today: date,
    ignored: Mapping[str, Excuse] = IGNORED,
) -> tuple[int, str]:
    """Return the exit code and what to print, for what pip-audit ended with."""
    try:
        dependencies = json.loads(output)["dependencies"]
    except (ValueError, KeyError, TypeError):
        lines = errors.strip().splitlines() or ["it printed nothing"]
        refused = [line for line in lines if line.startswith(_REFUSED)]
        if code and (lines[-1].startswith(_NO_ANSWER) or refused):
            reason = (refused or lines)[-1]
            return 0, f"not audited: the advisories cannot be reached: {reason}"
        return 1, f"the audit failed: pip-audit ended with {code}: {errors.strip() or lines[0]}"
    return _judged(code, dependencies, today, ignored)


def _judged(
    code: int, dependencies: list[Any], today: date, ignored: Mapping[str, Excuse]
) -> tuple[int, str]:
    audited = [each for each in dependencies if "skip_reason" not in each]
    unknown = sorted(each["name"] for each in dependencies if "skip_reason" in each)
    faults = {
        fault["id"]: f"{each['name']} {each['version']}: {fault['id']} {_remedy(fault)}"
        for each in audited
        for fault in each["vulns"]
    }
    open_faults = [
        line + _excuse_that_ended(ignored.get(name))
        for name, line in faults.items()
        if name not in ignored or ignored[name].until <= today
    ]
    if open_faults:
        return 1, "\n".join(["installed packages have known faults:", *open_faults])
    if code and not faults:
        return 1, f"the audit failed: pip-audit ended with {code} and named no fault"
    if not audited:
        return 0, f"not audited: the index has no advisories on any of {len(unknown)} packages"
    told = [f"{len(audited)} packages audited, no known fault"]
    told += [f"ignored: {faults[name]}: {ignored[name].why}" for name in faults]
    if unknown:
        more = ", ..." if len(unknown) > _NAMES else ""
        names = ", ".join(unknown[:_NAMES])
        told.append(f"not audited, for PyPI does not know them: {len(unknown)}: {names}{more}")
    return 0, "\n".join(told)


def _remedy(fault: Mapping[str, Any]) -> str:
    fixed = ", ".join(fault.get("fix_versions") or [])
    return f"(fixed in {fixed})" if fixed else "(not fixed yet)"


def _excuse_that_ended(excuse: Excuse | None) -> str:
    return "" if excuse is None else f"; it was ignored until {excuse.until}: {excuse.why}"


if __name__ == "__main__":
    sys.exit(main())
