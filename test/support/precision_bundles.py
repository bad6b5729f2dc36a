"""A bundle with one more precision, made of its fp32 files and a few others."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from sam3_ros.core.bundle.bundle import Bundle
from sam3_ros.core.bundle.writer import BundleDescription, BundleWriter


def with_precision(
    bundle: Bundle, target: Path, precision: str, files: Mapping[str, Path]
) -> Bundle:
    """Write the bundle with one more precision.

    Stages that are not in `files` use their fp32 file in it.
    """
    manifest = bundle.manifest
    fields = {name: getattr(manifest, name) for name in BundleDescription.__dataclass_fields__}
    with BundleWriter(target) as writer:
        for name, stage in manifest.stages.items():
            fp32 = bundle.stage_file(name, "fp32")
            both = {"fp32": fp32, precision: files.get(name, fp32)}
            writer.add_stage(name, stage.inputs, stage.outputs, both)
        assert manifest.concept is not None
        writer.add_file(bundle.tokenizer_file, manifest.concept.tokenizer.file.path)
        if manifest.recorded_answers is not None:
            path = manifest.recorded_answers.path
            writer.add_file(bundle.path / path, path)
        return writer.finish(BundleDescription(**fields))
