"""The manifest as YAML: text to Manifest and back.

Nothing in the text is executed or trusted: the safe loader knows plain data only, and the JSON
schema is checked before a value is used.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft7Validator
from jsonschema.exceptions import best_match

from sam3_ros.core.errors import BundleError
from sam3_ros.core.manifest import (
    FORMAT,
    ConceptSettings,
    FileRef,
    InteractiveSettings,
    Manifest,
    Preprocessing,
    SingleMask,
    Size,
    StageEntry,
    StageFile,
    TokenizerSettings,
)

MAX_CHARACTERS = 1_000_000


def parse_manifest(text: str) -> Manifest:
    """Read bundle.yaml's text. Raises BundleError for anything that is not a sound manifest."""
    document = _load(text)
    _require_known_format(document)
    error = best_match(_validator().iter_errors(document))
    if error is not None:
        where = "/".join(str(step) for step in error.absolute_path) or "top level"
        raise BundleError(f"the manifest has a wrong form at {where}: {_shortened(error.message)}")
    manifest = _build(document)
    if set(document["capabilities"]) != set(manifest.capabilities):
        raise BundleError(
            f"the manifest claims capabilities {document['capabilities']}, but its sections are "
            f"{list(manifest.capabilities)}"
        )
    return manifest


def dump_manifest(manifest: Manifest) -> str:
    """The YAML that parse_manifest reads back as an equal Manifest."""
    return yaml.dump(_document(manifest), Dumper=_PlainDumper, sort_keys=False, allow_unicode=True)


class _PlainDumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002
        return True


class _StrictLoader(yaml.SafeLoader):
    """Plain data only, and no key twice: the safe loader would take the last one in silence."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        pairs = node.value if isinstance(node, yaml.MappingNode) else []
        names = Counter(key.value for key, _ in pairs if isinstance(key, yaml.ScalarNode))
        doubled = [name for name, count in names.items() if count > 1]
        if doubled:
            raise BundleError(f"the manifest has a key twice: {_shortened(', '.join(doubled))}")
        return super().construct_mapping(node, deep)


def _load(text: str) -> dict[str, Any]:
    if len(text) > MAX_CHARACTERS:
        raise BundleError(f"the manifest is longer than {MAX_CHARACTERS} characters")
    try:
        # A few nested aliases can stand for gigabytes, and no manifest needs any.
        if any(isinstance(token, yaml.AliasToken) for token in yaml.scan(text)):
            raise BundleError("the manifest uses YAML aliases (*name); write the values out")
        document = yaml.load(text, Loader=_StrictLoader)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise BundleError(f"the manifest is not plain YAML: {_shortened(str(error))}") from error
    if not isinstance(document, dict):
        raise BundleError(f"the manifest must be a mapping, not {type(document).__name__}")
    return document


def _require_known_format(document: Mapping[str, Any]) -> None:
    version = document.get("format")
    if version == FORMAT and isinstance(version, int) and not isinstance(version, bool):
        return
    if version is None:
        raise BundleError(f"the manifest has no `format`; expected `format: {FORMAT}`")
    raise BundleError(
        f"the manifest has format {version!r}, and this sam3_ros reads format {FORMAT}: update "
        f"sam3_ros, or export the bundle again"
    )


@cache
def _validator() -> Draft7Validator:  # draft 7: the last that Ubuntu 22.04's jsonschema knows
    schema = json.loads(Path(__file__).with_name("manifest_schema.json").read_text("utf-8"))
    return Draft7Validator(schema)


def _shortened(message: str, limit: int = 300) -> str:
    line = " ".join(message.split())
    return line if len(line) <= limit else line[: limit - 3] + "..."


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
        verification=document.get("verification", {}),
        recorded_answers=FileRef(**answers) if answers else None,
    )


def _preprocessing(entry: Mapping[str, Any]) -> Preprocessing:
    mean, std = (tuple(float(value) for value in entry[key]) for key in ("mean", "std"))
    return Preprocessing(**{**entry, "mean": mean, "std": std})


def _stage(name: str, entry: Mapping[str, Any]) -> StageEntry:
    files = {precision: _stage_file(file) for precision, file in entry["files"].items()}
    return StageEntry(name, entry["inputs"], entry["outputs"], files)


def _stage_file(entry: Mapping[str, Any]) -> StageFile:
    data = tuple(FileRef(**file) for file in entry.get("data", ()))
    return StageFile(**{**entry, "data": data})


def _concept(entry: Mapping[str, Any]) -> ConceptSettings:
    tokenizer = dict(entry["tokenizer"])
    file = FileRef(*(tokenizer.pop(key) for key in ("path", "sha256", "bytes")))
    return ConceptSettings(**{**entry, "tokenizer": TokenizerSettings(file, **tokenizer)})


def _interactive(entry: Mapping[str, Any]) -> InteractiveSettings:
    mask_input = entry.get("mask_input")
    parts = {
        "prompt_space": Size(**entry["prompt_space"]),
        "single_mask": SingleMask(**entry["single_mask"]),
        "mask_input": Size(**mask_input) if mask_input else None,
    }
    return InteractiveSettings(**{**entry, **parts})


def _document(manifest: Manifest) -> dict[str, Any]:
    document: dict[str, Any] = {
        "format": FORMAT,
        "name": manifest.name,
        "description": manifest.description,
        "licence": manifest.licence,
        "source": dict(manifest.source),
        "capabilities": list(manifest.capabilities),
        "preprocessing": {
            **asdict(manifest.preprocessing),
            "mean": list(manifest.preprocessing.mean),
            "std": list(manifest.preprocessing.std),
        },
        "stages": {name: _stage_document(stage) for name, stage in manifest.stages.items()},
    }
    if manifest.concept is not None:
        concept = asdict(manifest.concept)
        tokenizer = concept.pop("tokenizer")
        document["concept"] = {**concept, "tokenizer": {**tokenizer.pop("file"), **tokenizer}}
    if manifest.interactive is not None:
        document["interactive"] = asdict(manifest.interactive)
    document["verification"] = _plain(manifest.verification)
    if manifest.recorded_answers is not None:
        document["recorded_answers"] = asdict(manifest.recorded_answers)
    return document


def _stage_document(stage: StageEntry) -> dict[str, Any]:
    return {
        "inputs": dict(stage.inputs),
        "outputs": dict(stage.outputs),
        "files": {precision: _file_document(file) for precision, file in stage.files.items()},
    }


def _file_document(file: StageFile) -> dict[str, Any]:
    document = asdict(file)
    data = document.pop("data")
    return {**document, "data": list(data)} if data else document


def _plain(value: Any) -> Any:
    """Nested mappings and sequences as dicts and lists, which is all the safe dumper writes."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value
