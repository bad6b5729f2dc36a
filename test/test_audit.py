"""The audit of the dependencies hides no fault, and says where it could not ask."""

from __future__ import annotations

import importlib.util
import json
import sys
from datetime import date
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
TODAY = date(2030, 5, 1)
UNREACHABLE = (
    "Traceback (most recent call last):\n  ...\n"
    "requests.exceptions.ConnectionError: HTTPSConnectionPool(host='index.example', port=443): ..."
)


def loaded() -> ModuleType:
    path = ROOT / ".ci" / "audit.py"
    spec = importlib.util.spec_from_file_location("sam3_ros_audit", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


audit = loaded()


def sound(name: str) -> dict[str, Any]:
    return {"name": name, "version": "1.0", "vulns": []}


def faulty(name: str, fault: str = "PYSEC-2030-7") -> dict[str, Any]:
    found = {"id": fault, "fix_versions": ["1.1"], "aliases": [], "description": "a long text"}
    return {"name": name, "version": "1.0", "vulns": [found]}


def unknown(name: str) -> dict[str, Any]:
    return {"name": name, "skip_reason": "Dependency not found on PyPI"}


def judged(code: int, *dependencies: dict[str, Any], **given: Any) -> tuple[int, str]:
    report = json.dumps({"dependencies": dependencies, "fixes": []})
    return audit.verdict(code, report, "", TODAY, **given)


def test_no_fault_in_what_was_audited() -> None:
    code, told = judged(0, sound("pillow"), sound("numpy"), unknown("ros-rclpy"))
    assert code == 0
    assert "2 packages audited" in told
    assert "ros-rclpy" in told and "not audited" in told


@pytest.mark.parametrize("beside", [[], [sound("numpy")], [unknown("ros-rclpy")] * 200])
def test_a_known_fault_fails_and_names_the_remedy(beside: list[dict[str, Any]]) -> None:
    code, told = judged(1, *beside, faulty("pillow"))
    assert code == 1
    assert "pillow 1.0: PYSEC-2030-7 (fixed in 1.1)" in told


@pytest.mark.parametrize("until, code", [(date(2030, 5, 2), 0), (date(2030, 5, 1), 1)])
def test_a_fault_is_ignored_with_a_reason_and_until_a_day(until: date, code: int) -> None:
    excuse = audit.Excuse("the function is not called here", until)
    found, told = judged(1, faulty("pillow"), ignored={"PYSEC-2030-7": excuse})
    assert found == code
    assert "the function is not called here" in told
    found, told = judged(
        1, faulty("pillow"), faulty("numpy", "PYSEC-2030-8"), ignored={"PYSEC-2030-7": excuse}
    )
    assert found == 1
    assert "PYSEC-2030-8" in told


def test_an_index_without_advisories_is_no_clean_bill() -> None:
    code, told = judged(0, unknown("pillow"), unknown("numpy"))
    assert code == 0
    assert told.startswith("not audited: ")
    assert "no known fault" not in told


@pytest.mark.parametrize(
    "errors",
    [
        UNREACHABLE,
        "requests.exceptions.HTTPError: 503 Server Error for url: https://index.example/pypi/x\n"
        "The above exception was the direct cause of the following exception:\n"
        "pip_audit._service.interface.ServiceError",
    ],
)
def test_without_an_answer_it_says_so_and_goes_on(errors: str) -> None:
    code, told = audit.verdict(1, "", errors, TODAY)
    assert code == 0
    assert told.startswith("not audited: the advisories cannot be reached")
    assert "index.example" in told


@pytest.mark.parametrize(
    "code, output, errors",
    [
        (1, "", "ValueError: something else broke"),
        (1, "", "pip_audit._service.interface.ServiceError: malformed version"),
        (1, "", "No module named pip_audit"),
        (2, "", ""),
        (0, "", ""),
        (1, "{}", ""),
        (1, "[]", UNREACHABLE.replace("requests.exceptions.Connection", "Unknown")),
        (1, json.dumps({"dependencies": [sound("pillow")]}), ""),
        (1, json.dumps({"dependencies": [unknown("pillow")]}), "killed"),
    ],
)
def test_an_audit_that_breaks_fails(code: int, output: str, errors: str) -> None:
    found, told = audit.verdict(code, output, errors, TODAY)
    assert found == 1
    assert told.startswith("the audit failed")


def test_what_is_ignored_has_a_reason_and_is_in_the_docs() -> None:
    page = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
    for name, excuse in audit.IGNORED.items():
        assert excuse.why
        assert name in page


def test_make_check_runs_it() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    check = makefile.partition("\ncheck:")[2].partition("\n\n")[0]
    assert "$(BIN)/python .ci/audit.py" in check
