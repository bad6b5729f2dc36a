"""Makes the outputs that were not made of the same labels already."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from sam3_ros import __version__
from sam3_ros.core.bundle.bundle import Bundle
from sam3_ros.core.whole_file import write_whole
from sam3_ros.label.inputs.planning import SourcePlan
from sam3_ros.label.job import LabelJob
from sam3_ros.label.outputs.formats import FORMATS
from sam3_ros.label.results import Category, LabelledSource, LabelledTopic, RunResults
from sam3_ros.label.run.identity import bundle_sha256
from sam3_ros.label.run.run_folder import RunFolder
from sam3_ros.label.work_names import OUTPUTS


def write_outputs(
    folder: RunFolder,
    bundle: Bundle,
    job: LabelJob,
    formats: Sequence[str],
    tell: Callable[[str], None],
) -> tuple[str, ...]:
    """Write the outputs that lack or are of other labels; return their files, relative to out.

    tell: is called with the name of each format that is written. Raises ChunkFileError for a chunk
    that is damaged; OSError.
    """
    results = results_of(folder, bundle, job)
    made = _read(folder.work / OUTPUTS)
    written: list[str] = []
    for name in formats:
        before = made.get(name, {})
        files = [folder.out / each for each in before.get("files", ())]
        if before.get("digest") == results.digest and all(file.exists() for file in files):
            continue
        tell(name)
        paths = [str(path.relative_to(folder.out)) for path in _written(name, results, folder.out)]
        made[name] = {"digest": results.digest, "files": paths}
        write_whole(folder.work / OUTPUTS, json.dumps(made, indent=1) + "\n")
        written += paths
    return tuple(written)


def results_of(folder: RunFolder, bundle: Bundle, job: LabelJob) -> RunResults:
    """Return what is labelled in a folder, by whatever command. Raises OSError."""
    digest = hashlib.sha256()
    sources: list[LabelledSource] = []
    for plan in sorted(folder.plans(), key=lambda plan: plan.source.name):
        labelled = _labelled(folder, plan, digest)
        if labelled.topics:
            sources.append(labelled)
    prompts = enumerate(job.prompts, start=1)
    return RunResults(
        sources=tuple(sources),
        categories=tuple(Category(number, each.id, each.label) for number, each in prompts),
        bundle_sha256=bundle_sha256(bundle),
        bundle_name=bundle.manifest.name,
        version=__version__,
        is_tracked=job.track,
        digest=digest.hexdigest(),
        reading=job.reading,
    )


def _labelled(folder: RunFolder, plan: SourcePlan, digest: Any) -> LabelledSource:
    digest.update(json.dumps(plan.source.document(), sort_keys=True).encode())
    topics: list[LabelledTopic] = []
    for topic, states in groupby(folder.states(plan), key=lambda state: state.topic):
        done = [state for state in states if state.head is not None]
        for state in done:
            assert state.head is not None
            digest.update(f"{topic} {state.number} {state.head.sha256}\n".encode())
        if done:
            topics.append(LabelledTopic(topic, tuple(state.number for state in done)))
    return LabelledSource(plan.source, folder.folder_of(plan.source.key), tuple(topics))


def _written(name: str, results: RunResults, out: Path) -> tuple[Path, ...]:
    try:
        return FORMATS[name].write(results, out)
    except OSError as error:
        if error.errno is None or error.filename is not None:
            raise
        raise OSError(error.errno, os.strerror(error.errno), str(out)) from error


def _read(file: Path) -> dict[str, Any]:
    try:
        made = json.loads(file.read_bytes())
    except (FileNotFoundError, ValueError):
        return {}
    return made if isinstance(made, dict) and all(map(_is_record, made.values())) else {}


def _is_record(made: Any) -> bool:
    files = made.get("files") if isinstance(made, dict) else None
    return isinstance(files, list) and all(isinstance(each, str) for each in files)
