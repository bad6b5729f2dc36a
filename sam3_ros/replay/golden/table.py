"""A judgement as a table for the terminal."""

from __future__ import annotations

from collections.abc import Iterator

from sam3_ros.replay.golden.judgement import CheckVerdict, Judgement, PromptVerdict

_LEAST_WIDTH, _MOST_WIDTH = 12, 36
PASSED, FAILED = "pass", "FAIL"


def judgement_table(judgement: Judgement) -> str:
    lines = [f"{judgement.bag} against {judgement.against}", ""]
    lines += [*_prompt_lines(judgement.prompts), "", *_check_lines(judgement.checks)]
    if judgement.pictures:
        lines += ["", *judgement.pictures]
    failed = sum(not v.passed for v in (*judgement.prompts, *judgement.checks))
    total = len(judgement.prompts) + len(judgement.checks)
    verdict = f"{FAILED}, {failed} of {total} checks" if failed else f"{PASSED}, {total} checks"
    return "\n".join([*lines, "", f"{verdict}, {judgement.frames} frames"])


def _prompt_lines(prompts: tuple[PromptVerdict, ...]) -> Iterator[str]:
    names = [_shortened(prompt.prompt_id) for prompt in prompts]
    width = max([_LEAST_WIDTH, *(len(name) for name in names)]) + 2
    cameras = max((len(prompt.camera) for prompt in prompts), default=0)
    cameras = max(cameras, len("camera")) + 2 if cameras else 0
    head = f"{'camera':<{cameras}}" if cameras else ""
    yield (
        f"{head}{'prompt':<{width}}{'frames':>7}{'mean IoU':>10}{'least':>8}{'score +-':>10}"
        f"{'missing':>9}{'extra':>7}  {'':4}  worst frame"
    )
    for name, prompt in zip(names, prompts, strict=True):
        camera = f"{prompt.camera:<{cameras}}" if cameras else ""
        yield (
            f"{camera}{name:<{width}}{prompt.frames:>7}{_iou(prompt.mean_iou):>10}"
            f"{_iou(prompt.least_iou):>8}{prompt.score_difference:>10.3f}"
            f"{prompt.missing_segments:>9}{prompt.extra_segments:>7}  {_word(prompt)}  "
            f"{prompt.worst}".rstrip()
        )
        yield from (f"    {failure}" for failure in prompt.failures)


def _check_lines(checks: tuple[CheckVerdict, ...]) -> Iterator[str]:
    width = max(len(check.name) for check in checks) + 2
    for check in checks:
        yield f"{check.name:<{width}}{_word(check)}  {check.figures}"
        yield from (f"    {failure}" for failure in check.failures)


def _word(verdict: PromptVerdict | CheckVerdict) -> str:
    return PASSED if verdict.passed else FAILED


def _iou(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _shortened(name: str) -> str:
    return name if len(name) <= _MOST_WIDTH else f"{name[: _MOST_WIDTH - 3]}..."
