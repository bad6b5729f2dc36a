"""What came of holding a replay against its expectation."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree


@dataclass(frozen=True)
class PromptVerdict:
    """A prompt on a camera. frames: those where golden or this replay has it.

    mean_iou, least_iou: of these, None without. worst: the frame of the least. score_difference:
    the largest. failures: in words with figures, empty if all is within the tolerance.
    """

    camera: str
    prompt_id: str
    frames: int
    mean_iou: float | None
    least_iou: float | None
    worst: str
    score_difference: float
    missing_segments: int
    extra_segments: int
    failures: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        return not self.failures


@dataclass(frozen=True)
class CheckVerdict:
    """One of the checks of the whole replay. figures: what was found, in words."""

    name: str
    figures: str
    failures: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        return not self.failures


@dataclass(frozen=True)
class ReplayVerdict:
    """against: what the replay was held against, in words. frames: judged, of all cameras.

    pictures: files of the worst frames.
    """

    bag: str
    against: str
    seconds: float
    frames: int
    prompts: tuple[PromptVerdict, ...]
    checks: tuple[CheckVerdict, ...]
    pictures: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        return all(verdict.passed for verdict in (*self.prompts, *self.checks))

    def with_pictures(self, files: tuple[str, ...]) -> ReplayVerdict:
        return replace(self, pictures=files)

    def document(self) -> dict[str, Any]:
        """For JSON."""
        prompts = [{**asdict(prompt), "passed": prompt.passed} for prompt in self.prompts]
        checks = [{**asdict(check), "passed": check.passed} for check in self.checks]
        return {**asdict(self), "prompts": prompts, "checks": checks, "passed": self.passed}


# All that XML 1.0 cannot hold, not even escaped; a prompt may.
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


_SUITE = "sam3_ros.replay"


def write_junit(judgement: ReplayVerdict, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(junit_text(judgement), encoding="utf-8")


def junit_text(judgement: ReplayVerdict) -> str:
    """testsuites, one testsuite, and a testcase for each prompt of a camera and each check."""
    cases = list(_cases(judgement))
    failed = sum(case.find("failure") is not None for case in cases)
    counts = {
        "tests": str(len(cases)),
        "failures": str(failed),
        "errors": "0",
        "skipped": "0",
        "time": f"{judgement.seconds:.3f}",
    }
    suites = ElementTree.Element("testsuites", counts)
    name = _clean(f"{judgement.bag} against {judgement.against}")
    suite = ElementTree.SubElement(suites, "testsuite", {"name": name, **counts})
    suite.extend(cases)
    if judgement.pictures:
        output = ElementTree.SubElement(suite, "system-out")
        output.text = _clean("\n".join(judgement.pictures))
    ElementTree.indent(suites)
    text = ElementTree.tostring(suites, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n'


def _cases(judgement: ReplayVerdict) -> Iterator[ElementTree.Element]:
    for prompt in judgement.prompts:
        suite = f"{_SUITE}.{prompt.camera}" if prompt.camera else _SUITE
        yield _case(suite, f"prompt {prompt.prompt_id}", prompt, _prompt_figures(prompt))
    for check in judgement.checks:
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
    return (
        f"{prompt.frames} frames, mean IoU {prompt.mean_iou:.4f}, least {prompt.least_iou:.4f} at "
        f"{prompt.worst}, scores differ by {prompt.score_difference:.4f} at most, "
        f"{prompt.missing_segments} segments missing, {prompt.extra_segments} extra"
    )


def _clean(text: str) -> str:
    return _NOT_XML.sub("\ufffd", text)
