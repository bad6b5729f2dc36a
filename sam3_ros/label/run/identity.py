"""What the labels of a folder depend on; a folder takes labels of one identity alone."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from sam3_ros import __version__
from sam3_ros.core.backends.machine import engine_versions
from sam3_ros.core.bundle.bundle import MANIFEST_NAME, Bundle
from sam3_ros.core.errors import Sam3RosError
from sam3_ros.core.whole_file import write_whole
from sam3_ros.label.inputs.selection import Selection
from sam3_ros.label.job import LabelJob, LabelPrompt

Identity = dict[str, Any]
_SHOWN = 60


class OtherRunError(Sam3RosError):
    """A folder that was begun with another identity."""


def identity_of(bundle: Bundle, job: LabelJob, selection: Selection) -> Identity:
    """Return the identity of a run, as JSON holds it: by area, then by what it is about."""
    stages = {stage: str(job.plan.of(stage)) for stage in bundle.manifest.stages_in_use}
    backends = sorted({job.plan.of(stage).backend for stage in bundle.manifest.stages_in_use})
    engines = {name: v for each in backends for name, v in engine_versions(each).items()}
    made = {
        "sam3_ros": {"version": __version__},
        "engine": engines,
        "bundle": {"name": bundle.manifest.name, "sha256": bundle_sha256(bundle)},
        "plan": {**stages, "threads": job.threads},
        "prompts": {each.id: _meaning(each) for each in job.prompts},
        "images": {"bit depth": job.bit_depth, "max. megapixels": job.max_megapixels},
        "selection": selection.document(),
    }
    return dict(json.loads(json.dumps(made)))


def _meaning(prompt: LabelPrompt) -> Any:
    """Return a prompt in the shortest form, in which a difference shows: mostly its text."""
    plain = asdict(LabelPrompt(prompt.text))
    own = {name: value for name, value in asdict(prompt).items() if value != plain[name]}
    return {"text": prompt.text, **own} if own else prompt.text


def bundle_sha256(bundle: Bundle) -> str:
    """Return the checksum of a bundle's manifest, which has those of all its files."""
    return hashlib.sha256((bundle.path / MANIFEST_NAME).read_bytes()).hexdigest()


def require_same(file: Path, identity: Identity, folder: Path) -> None:
    """Hold an identity against the one in a file, or write it there if there is none.

    Raises OtherRunError with what differs; OSError.
    """
    try:
        kept = json.loads(file.read_bytes())
        if not isinstance(kept, dict) or not all(isinstance(each, dict) for each in kept.values()):
            raise ValueError("it is of another form")
    except FileNotFoundError:
        write_whole(file, json.dumps(identity, indent=2) + "\n")
        return
    except ValueError as error:
        raise OtherRunError(f"{file} is damaged: delete {folder}, and label anew") from error
    differing = list(_differences(kept, identity))
    if differing:
        raise OtherRunError(
            f"{folder} holds labels that were made otherwise: {'; '.join(differing)}. Name another "
            "folder, or give what it was begun with"
        )


def _differences(kept: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    for area in dict.fromkeys([*kept, *now]):
        before, after = kept.get(area, {}), now.get(area, {})
        for name in dict.fromkeys([*before, *after]):
            one, other = before.get(name), after.get(name)
            if one != other:
                yield f"{area} {name}: {_shown(one)} there, {_shown(other)} now"
        if area == "prompts" and before == after and list(before) != list(after):
            yield f"prompts: {_shown(list(before))} there, {_shown(list(after))} now"


def _shown(value: Any) -> str:
    text = "none" if value is None else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
