"""Verdicts on a replay that was compared with its expectation, also as JSON and JUnit XML."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from sam3_ros.core.whole_file import write_whole

# What XML 1.0 cannot contain, not even escaped; a prompt can.
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_SUITE = "sam3_ros.replay"


@dataclass(frozen=True)
class PromptVerdict:
    """The verdict on one prompt of one camera."""

    camera: str
    prompt_id: str
    #: Frames in which the golden answer or this replay has the prompt.
    frames: int
    #: Over these frames; None without any.
    mean_iou: float | None
    #: Over these frames; None without any.
    least_iou: float | None
    #: The frame with the least IoU.
    worst: str
    #: The largest.
    score_difference: float
    missing_segments: int
    extra_segments: int
    #: In words with figures; empty if all is within the tolerance.
    failures: tuple[str, ...] = ()
    #: The track ids that its objects had in this replay.
    ids: tuple[int, ...] = ()

    @property
    def passed(self) -> bool:
        return not self.failures


@dataclass(frozen=True)
class CheckVerdict:
    """The verdict of one check of the whole replay."""

    name: str
    #: What was found, in words.
    figures: str
    failures: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        return not self.failures


@dataclass(frozen=True)
class ReplayVerdict:
    """The verdict on a replay."""

    bag: str
    #: What the replay was compared with, in words.
    against: str
    seconds: float
    #: Frames of all cameras that were compared.
    frames: int
    prompts: tuple[PromptVerdict, ...]
    checks: tuple[CheckVerdict, ...]
    #: Files that show the worst frames.
    pictures: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        return all(one.passed for one in self.prompts) and all(one.passed for one in self.checks)

    def with_pictures(self, files: tuple[str, ...]) -> ReplayVerdict:
        return replace(self, pictures=files)

    def document(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        prompts = [{**asdict(prompt), "passed": prompt.passed} for prompt in self.prompts]
        checks = [{**asdict(check), "passed": check.passed} for check in self.checks]
        return {**asdict(self), "prompts": prompts, "checks": checks, "passed": self.passed}


def write_junit(verdict: ReplayVerdict, path: Path) -> None:
    """Write JUnit XML for CI servers; the folder is made if need be."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, junit_text(verdict))


#: By it a file is known as ours.
JUNIT_NAME = "sam3-ros replay"


def junit_text(verdict: ReplayVerdict) -> str:
    """Return testsuites with one testsuite: a testcase per prompt of a camera and per check."""
    cases = list(_cases(verdict))
    failed = sum(case.find("failure") is not None for case in cases)
    counts = {
        "tests": str(len(cases)),
        "failures": str(failed),
        "errors": "0",
        "skipped": "0",
        "time": f"{verdict.seconds:.3f}",
    }
    suites = ElementTree.Element("testsuites", {"name": JUNIT_NAME, **counts})
    name = _clean(f"{verdict.bag} against {verdict.against}")
    suite = ElementTree.SubElement(suites, "testsuite", {"name": name, **counts})
    suite.extend(cases)
    if verdict.pictures:
        output = ElementTree.SubElement(suite, "system-out")
        output.text = _clean("\n".join(verdict.pictures))
    ElementTree.indent(suites)
    text = ElementTree.tostring(suites, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n'


def _cases(verdict: ReplayVerdict) -> Iterator[ElementTree.Element]:
    for prompt in verdict.prompts:
        suite = f"{_SUITE}.{prompt.camera}" if prompt.camera else _SUITE
        yield _case(suite, f"prompt {prompt.prompt_id}", prompt, _prompt_figures(prompt))
    for check in verdict.checks:
        yield _case(_SUITE, check.name, check, check.figures)


def _case(
    class_name: str, name: str, verdict: PromptVerdict | CheckVerdict, figures: str
) -> ElementTree.Element:
    attributes = {"classname": _clean(class_name), "name": _clean(name), "time": "0"}
    case = ElementTree.Element("testcase", attributes)
    if verdict.failures:
        message = {"message": _clean("; ".join(verdict.failures)), "type": "failure"}
        failure = ElementTree.SubElement(case, "failure", message)
        failure.text = _clean("\n".join((*verdict.failures, figures)))
    else:
        ElementTree.SubElement(case, "system-out").text = _clean(figures)
    return case


def _prompt_figures(prompt: PromptVerdict) -> str:
    if prompt.mean_iou is None or prompt.least_iou is None:
        return "nothing found, as expected"
    ids = f", ids {', '.join(map(str, prompt.ids))}" if prompt.ids else ""
    return (
        f"{prompt.frames} frames, mean IoU {prompt.mean_iou:.4f}, least {prompt.least_iou:.4f} at "
        f"{prompt.worst}, scores differ by {prompt.score_difference:.4f} at most, "
        f"{prompt.missing_segments} segments missing, {prompt.extra_segments} extra{ids}"
    )


def _clean(text: str) -> str:
    return _NOT_XML.sub("\ufffd", text)
