"""Writes a bundle whose fusion and decoder are smaller than those of the bundle that taught it."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from tempfile import TemporaryDirectory

from sam3_ros.core.bundle.bundle import MANIFEST_NAME, Bundle
from sam3_ros.core.bundle.writer import BundleDescription, BundleWriter
from sam3_ros.training.tabletop.distil import DistilRecipe, Student
from sam3_ros.training.tabletop.export import (
    CLIP_LICENCE,
    largest_difference,
    stage_exports,
    write_onnx,
)
from sam3_ros.training.tabletop.recording import record_tabletop
from sam3_ros.training.tabletop.report import comparison

log = logging.getLogger(__name__)


def manifest_sum(bundle: Bundle) -> str:
    """Return the sha256 of the bundle's manifest, and so of the sums of all its files."""
    return hashlib.sha256((bundle.path / MANIFEST_NAME).read_bytes()).hexdigest()


def write_small_bundle(
    teacher: Bundle, student: Student, target: Path, source: Mapping[str, str]
) -> Bundle:
    """Write the bundle in fp32 at `target`, replacing one that is there; it answers as a whole.

    Raises RuntimeError where a new file differs from PyTorch (`export_bundle`).
    """
    smaller, examples = dict(student.eval().named_children()), stage_exports()
    differences = _differences(teacher)
    with TemporaryDirectory() as folder, BundleWriter(target, replace_existing=True) as writer:
        for name, entry in teacher.manifest.stages.items():
            path = teacher.stage_file(name, "fp32")
            if name in smaller:
                path = Path(folder) / f"{name}.onnx"
                write_onnx(smaller[name], examples[name], path)
                differences[name] = largest_difference(smaller[name], examples[name], path)
                log.info("%s: %d bytes", name, path.stat().st_size)
            writer.add_stage(name, entry.inputs, entry.outputs, {"fp32": path})
        if teacher.manifest.concept is not None:
            tokenizer = teacher.manifest.concept.tokenizer.file.path
            writer.add_file(teacher.tokenizer_file, tokenizer)
            writer.add_file(CLIP_LICENCE, CLIP_LICENCE.name)
        description = _description(teacher, source, differences)
        return record_tabletop(writer.finish(description))


def _differences(teacher: Bundle) -> dict[str, float]:
    found = teacher.manifest.verification.get("onnx_against_pytorch", {})
    return dict(found.get("largest_absolute_difference", {}))


def _description(
    teacher: Bundle, source: Mapping[str, str], differences: Mapping[str, float]
) -> BundleDescription:
    same = {each.name: getattr(teacher.manifest, each.name) for each in fields(BundleDescription)}
    largest = {name: float(f"{value:.2e}") for name, value in differences.items()}
    changed = {
        "name": f"{teacher.manifest.name}_small",
        "description": f"{teacher.manifest.description}; smaller fusion and decoder",
        "source": source,
        "verification": {"onnx_against_pytorch": {"largest_absolute_difference": largest}},
        "recorded_answers": None,
    }
    return BundleDescription(**{**same, **changed})


def origin(teacher: Bundle, recipe: DistilRecipe, scenes: str) -> dict[str, str]:
    """Return what the manifest says of where the weights are from."""
    return {
        "origin": "distilled by sam3_ros.training.tabletop from another bundle",
        "command": 'make tabletop ARGS="--steps distil"',
        "teacher": teacher.manifest.name,
        "teacher_sha256": recipe.teacher,
        "recipe": f"{scenes}, {recipe}",
    }


def write_page(
    page: Path, teacher: Bundle, small: Bundle, figures: Mapping[str, Mapping[str, object]]
) -> None:
    """Write the figures of both, and the sizes of the stages that differ."""
    sizes = [
        f"| `{name}`, bytes | {_bytes(teacher, name):,} | {_bytes(small, name):,} |"
        for name in teacher.manifest.stages
        if _bytes(teacher, name) != _bytes(small, name)
    ]
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text("\n".join([comparison(figures), *sizes]) + "\n", encoding="utf-8")


def _bytes(bundle: Bundle, stage: str) -> int:
    return bundle.manifest.stages[stage].files["fp32"].bytes
