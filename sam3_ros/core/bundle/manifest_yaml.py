"""The manifest as YAML: text to Manifest and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from math import isfinite
from pathlib import Path
from typing import Any

from sam3_ros.core.bundle.manifest import (
    FORMAT,
    ConceptSettings,
    FileRef,
    InteractiveSettings,
    Manifest,
    Preprocessing,
    SingleMask,
    StageEntry,
    StageFile,
    TokenizerSettings,
    VideoSettings,
)
from sam3_ros.core.checked_yaml import DocumentKind, dump_document, parse_document
from sam3_ros.core.errors import BundleError
from sam3_ros.core.geometry import ImageSize

_MANIFEST = DocumentKind(
    "the manifest",
    Path(__file__).with_name("manifest_schema.json"),
    BundleError,
    format=FORMAT,
    outdated="export the bundle again",
)


def parse_manifest(text: str) -> Manifest:
    """Read the text of bundle.yaml. Raises BundleError for anything but a sound manifest."""
    document = parse_document(text, _MANIFEST).value
    manifest = _build(document)
    if set(document["capabilities"]) != set(manifest.capabilities):
        raise BundleError(
            f"the manifest claims capabilities {document['capabilities']}, but its sections are "
            f"{list(manifest.capabilities)}"
        )
    return manifest


def dump_manifest(manifest: Manifest) -> str:
    """Return the YAML that parse_manifest reads back as an equal Manifest."""
    return dump_document(_document(manifest))


def _build(document: Mapping[str, Any]) -> Manifest:
    answers = document.get("recorded_answers")
    return Manifest(
        name=document["name"],
        description=document.get("description", ""),
        licence=document["licence"],
        source=document.get("source", {}),
        preprocessing=_preprocessing(document["preprocessing"]),
        stages={name: _stage(name, entry) for name, entry in document["stages"].items()},
        concept=_concept(document["concept"]) if "concept" in document else None,
        interactive=_interactive(document["interactive"]) if "interactive" in document else None,
        video=_video(document),
        verification=document.get("verification", {}),
        recorded_answers=FileRef(**answers) if answers else None,
    )


def _preprocessing(entry: Mapping[str, Any]) -> Preprocessing:
    mean, std = (tuple(float(value) for value in entry[key]) for key in ("mean", "std"))
    return Preprocessing(**{**entry, "mean": mean, "std": std})


def _stage(name: str, entry: Mapping[str, Any]) -> StageEntry:
    renditions = {
        rendition: _stage_files(files) for rendition, files in entry.get("renditions", {}).items()
    }
    files = _stage_files(entry.get("files", {}))
    control_flow = entry.get("control_flow", False)
    return StageEntry(name, entry["inputs"], entry["outputs"], files, renditions, control_flow)


def _stage_files(entry: Mapping[str, Any]) -> dict[str, StageFile]:
    return {precision: _stage_file(file) for precision, file in entry.items()}


def _stage_file(entry: Mapping[str, Any]) -> StageFile:
    data = tuple(FileRef(**file) for file in entry.get("data", ()))
    return StageFile(**{**entry, "data": data})


def _concept(entry: Mapping[str, Any]) -> ConceptSettings:
    tokenizer = dict(entry["tokenizer"])
    file = FileRef(*(tokenizer.pop(key) for key in ("path", "sha256", "bytes")))
    words = entry.get("vocabulary")
    parts = {
        "tokenizer": TokenizerSettings(file, **tokenizer),
        "vocabulary": tuple(words) if words is not None else None,
    }
    return ConceptSettings(**{**entry, **parts})


def _interactive(entry: Mapping[str, Any]) -> InteractiveSettings:
    mask_input = entry.get("mask_input")
    parts = {
        "prompt_space": ImageSize(**entry["prompt_space"]),
        "single_mask": SingleMask(**entry["single_mask"]),
        "mask_input": ImageSize(**mask_input) if mask_input else None,
    }
    return InteractiveSettings(**{**entry, **parts})


_VIDEO_SIZES = ("memory_mask", "object_mask", "cut_at")
#: Of SAM 3.
_MEMORY_PX_PER_MASK_PX = 4


def _video(document: Mapping[str, Any]) -> VideoSettings | None:
    if "video" not in document:
        claimed = "video" in document["capabilities"]
        return _video_before_its_section(document) if claimed else None
    entry = document["video"]
    return VideoSettings(**{**entry, **{name: ImageSize(**entry[name]) for name in _VIDEO_SIZES}})


def _video_before_its_section(document: Mapping[str, Any]) -> VideoSettings:
    """Return the settings of a bundle of SAM 3 that was exported before the section was written.

    No other model had video stages then. Raises BundleError where its sizes are not known.
    """
    mask = document.get("interactive", {}).get("mask_input")
    if not mask:
        raise BundleError(
            "the manifest claims the capability video without a `video` section, which says how "
            "its stages are used: export the bundle again"
        )
    scale = _MEMORY_PX_PER_MASK_PX
    given = ImageSize(scale * mask["height"], scale * mask["width"])
    frame = document["preprocessing"]
    return VideoSettings(given, given, ImageSize(frame["height"], frame["width"]))


def _document(manifest: Manifest) -> dict[str, Any]:
    document: dict[str, Any] = {
        "format": FORMAT,
        "name": manifest.name,
        "description": manifest.description,
        "licence": manifest.licence,
        "source": manifest.source,
        "capabilities": list(manifest.capabilities),
        "preprocessing": {
            **asdict(manifest.preprocessing),
            "mean": list(manifest.preprocessing.mean),
            "std": list(manifest.preprocessing.std),
        },
        "stages": {name: _stage_document(stage) for name, stage in manifest.stages.items()},
    }
    if manifest.concept is not None:
        document["concept"] = _concept_document(manifest.concept)
    if manifest.interactive is not None:
        document["interactive"] = _interactive_document(manifest.interactive)
    if manifest.video is not None:
        document["video"] = _video_document(manifest.video)
    document["verification"] = _with_finite_numbers(manifest.verification)
    if manifest.recorded_answers is not None:
        document["recorded_answers"] = asdict(manifest.recorded_answers)
    return document


def _with_finite_numbers(figures: Any) -> Any:
    """Return figures with nan and inf as texts: a manifest has finite numbers only."""
    if isinstance(figures, Mapping):
        return {name: _with_finite_numbers(each) for name, each in figures.items()}
    if isinstance(figures, (list, tuple)):
        return [_with_finite_numbers(each) for each in figures]
    return str(figures) if isinstance(figures, float) and not isfinite(figures) else figures


def _concept_document(settings: ConceptSettings) -> dict[str, Any]:
    document = asdict(settings)
    words, tokenizer = document.pop("vocabulary"), document.pop("tokenizer")
    document["tokenizer"] = {**tokenizer.pop("file"), **tokenizer}
    return {**document, "vocabulary": list(words)} if words is not None else document


def _interactive_document(settings: InteractiveSettings) -> dict[str, Any]:
    mask_input = settings.mask_input
    return {
        **asdict(settings),
        "prompt_space": settings.prompt_space._asdict(),
        "mask_input": None if mask_input is None else mask_input._asdict(),
    }


def _video_document(settings: VideoSettings) -> dict[str, Any]:
    sizes = {name: getattr(settings, name)._asdict() for name in _VIDEO_SIZES}
    document = {**asdict(settings), **sizes}
    return {name: value for name, value in document.items() if value is not None}


def _stage_document(stage: StageEntry) -> dict[str, Any]:
    document: dict[str, Any] = {
        "inputs": dict(stage.inputs),
        "outputs": dict(stage.outputs),
    }
    if stage.files:
        document["files"] = _files_document(stage.files)
    if stage.renditions:
        document["renditions"] = {
            rendition: _files_document(files) for rendition, files in stage.renditions.items()
        }
    if stage.control_flow:
        document["control_flow"] = True
    return document


def _files_document(files: Mapping[str, StageFile]) -> dict[str, Any]:
    return {precision: _file_document(file) for precision, file in files.items()}


def _file_document(file: StageFile) -> dict[str, Any]:
    document = asdict(file)
    data = document.pop("data")
    return {**document, "data": list(data)} if data else document
