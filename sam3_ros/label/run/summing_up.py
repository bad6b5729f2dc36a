"""What is said of a source at the end: how much of it is labelled, and why the rest is not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sam3_ros.label.chunk_file import chunk_path, read_chunk_file
from sam3_ros.label.inputs.planning import SourcePlan
from sam3_ros.label.run.report import SourceOutcome
from sam3_ros.label.run.run_folder import ChunkState, RunFolder

_REASONS_TOLD = 3


def summary_of(
    folder: RunFolder, plan: SourcePlan, failures: Mapping[tuple[str, int], str]
) -> SourceOutcome:
    """Sum up a source. failures: why chunks were set aside, by the source's key and number.

    Raises ChunkFileError, OSError.
    """
    states = list(folder.states(plan))
    heads = [state.head for state in states if state.head is not None]
    missing = [state for state in states if state.head is None]
    left_out = [(_named(plan, each), _why(plan, each, failures)) for each in missing]
    return SourceOutcome(
        plan.source.name,
        plan.source.path,
        frames=sum(head.frames for head in heads),
        failed_frames=sum(head.failed_frames for head in heads),
        objects=sum(head.objects for head in heads),
        failures=tuple(_reasons(folder, plan, states)),
        left_out=(*plan.left_out, *left_out),
        remarks=plan.remarks,
    )


def _named(plan: SourcePlan, state: ChunkState) -> str:
    frames = plan.chunks[state.number].frames
    return f"{state.topic}, images {frames[0].index} to {frames[-1].index}"


def _why(plan: SourcePlan, state: ChunkState, failures: Mapping[tuple[str, int], str]) -> str:
    return failures.get((plan.source.key, state.number), "not labelled")


def _reasons(folder: RunFolder, plan: SourcePlan, states: Sequence[ChunkState]) -> list[str]:
    """Return why frames could not be answered: the first of the reasons."""
    reasons: dict[str, None] = {}
    for state in states:
        if state.head is None or not state.head.failed_frames or len(reasons) >= _REASONS_TOLD:
            continue
        answer = read_chunk_file(chunk_path(folder.folder_of(plan.source.key), state.number))
        reasons |= dict.fromkeys(frame.failure for frame in answer.frames if frame.failure)
    return list(reasons)[:_REASONS_TOLD]
