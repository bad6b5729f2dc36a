"""Writes a bundle atomically: a reader sees the old one or the new one, never half of either."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Any

from sam3_ros.core.bundle.bundle import MANIFEST_NAME, Bundle
from sam3_ros.core.bundle.files import ModelFile, describe_file
from sam3_ros.core.bundle.manifest import (
    ConceptSettings,
    FileRef,
    InteractiveSettings,
    Manifest,
    Preprocessing,
    StageEntry,
    StageFile,
    VideoSettings,
)
from sam3_ros.core.bundle.manifest_yaml import dump_manifest, parse_manifest
from sam3_ros.core.errors import BundleError
from sam3_ros.core.stages.plan import PORTABLE
from sam3_ros.core.whole_file import write_whole


@dataclass(frozen=True)
class BundleDescription:
    """A manifest without its stages; Manifest describes the fields."""

    name: str
    description: str
    licence: str
    source: Mapping[str, str]
    preprocessing: Preprocessing
    concept: ConceptSettings | None = None
    interactive: InteractiveSettings | None = None
    video: VideoSettings | None = None
    verification: Mapping[str, Any] = field(default_factory=dict)
    recorded_answers: FileRef | None = None


class BundleWriter:
    """Collects files in a hidden folder beside `target` and moves it into place when all is sound.

        with BundleWriter(target) as writer:
            writer.add_stage("image", inputs, outputs, {"fp32": onnx_file})
            tokenizer = writer.add_file(tokenizer_json, "tokenizer.json")
            bundle = writer.finish(description)

    Files in `workspace` are moved, so that files made for the bundle need no room twice; all others
    are copied. Leaving the block without `finish` leaves nothing behind. Raises BundleError if the
    target exists and replace_existing is not set.
    """

    def __init__(self, target: Path, replace_existing: bool = False) -> None:
        require_free(target, replace_existing)
        self._target = target
        target.parent.mkdir(parents=True, exist_ok=True)
        prefix = f".{target.name}-"
        self._staging = Path(tempfile.mkdtemp(prefix=prefix, dir=target.parent))
        self.workspace = self._staging / ".workspace"
        self.workspace.mkdir()
        self._stages: dict[str, StageEntry] = {}
        self._retired: Path | None = None

    def __enter__(self) -> BundleWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.discard()

    def discard(self) -> None:
        """Remove what was collected; does nothing after `finish` or a second time.

        Restores an older bundle if its replacement was under way.
        """
        shutil.rmtree(self._staging, ignore_errors=True)
        if self._retired is not None and self._retired.exists():
            if self._target.exists():
                shutil.rmtree(self._retired, ignore_errors=True)
            else:
                self._retired.rename(self._target)

    def add_file(self, source: Path, relative: str) -> FileRef:
        """Put a file into the bundle at `relative` and describe it."""
        place = self._staging / relative
        if place.exists():
            raise BundleError(f"{relative!r} is already in the bundle")
        place.parent.mkdir(parents=True, exist_ok=True)
        if source.is_relative_to(self.workspace):
            source.rename(place)
        else:
            shutil.copyfile(source, place)
        return describe_file(place, relative)

    def add_stage(
        self,
        name: str,
        inputs: Mapping[str, str],
        outputs: Mapping[str, str],
        files: Mapping[str, Path | ModelFile],
        rendition: str = PORTABLE,
    ) -> None:
        """Add a stage: canonical name to name in the file, and precision to ONNX file.

        A file goes to <precision>/<name>.onnx, of another rendition than the portable one to
        <rendition>/<precision>/, and its data files beside it, under the names by which it refers
        to them. A file that serves several precisions is stored once.
        """
        if name in self._stages:
            raise BundleError(f"stage {name!r} is already in the bundle")
        added: dict[Path, StageFile] = {}
        entries = {}
        for precision, source in files.items():
            file = source if isinstance(source, ModelFile) else ModelFile(source)
            if file.path not in added:
                added[file.path] = self._add_model(file, _folder(rendition, precision), name)
            entries[precision] = added[file.path]
        portable = entries if rendition == PORTABLE else {}
        others = {} if rendition == PORTABLE else {rendition: entries}
        self._stages[name] = StageEntry(name, inputs, outputs, portable, others)

    def has_stage(self, name: str) -> bool:
        """Return whether the stage was added."""
        return name in self._stages

    def add_precision(
        self, name: str, precision: str, file: Path | ModelFile, rendition: str = PORTABLE
    ) -> None:
        """Add a precision to an added stage; its files go where add_stage puts them."""
        model = file if isinstance(file, ModelFile) else ModelFile(file)
        added = self._add_model(model, _folder(rendition, precision), name)
        self._set_file(name, rendition, precision, added)

    def share_precision(
        self, name: str, precision: str, of: str, rendition: str = PORTABLE
    ) -> None:
        """Use a stage's file of the precision `of` for another precision as well."""
        file = self._stages[name].files_by_rendition[rendition][of]
        self._set_file(name, rendition, precision, file)

    def drop_precision(self, precision: str, rendition: str = PORTABLE) -> None:
        """Remove a precision of a rendition, with the files that serve no other.

        A stage that has no file left goes too.
        """
        for name, stage in list(self._stages.items()):
            files = stage.files_by_rendition.get(rendition, {})
            if precision not in files:
                continue
            kept = {p: file for p, file in files.items() if p != precision}
            if kept or len(stage.files_by_rendition) > 1:
                self._stages[name] = _with_files(stage, rendition, kept)
            else:
                del self._stages[name]
            if files[precision] not in kept.values():
                for file in (files[precision], *files[precision].data):
                    path = self._staging / file.path
                    path.unlink()
                    _remove_empty(path.parent, self._staging)

    def draft(self, description: BundleDescription) -> Bundle:
        """Return the unfinished bundle, to be tried. `finish` moves its files."""
        return Bundle(self._staging, self._manifest(description))

    def finish(self, description: BundleDescription) -> Bundle:
        """Write the manifest, check the whole as a reader would, and move it to the target."""
        shutil.rmtree(self.workspace)
        _write_manifest(self._staging, self._manifest(description))
        written = Bundle.open(self._staging)
        self._staging.chmod(0o755)  # mkdtemp's folder is for its owner alone
        if self._target.exists():
            self._swap()
        else:
            self._staging.rename(self._target)
        return Bundle(self._target.resolve(), written.manifest)

    def _set_file(self, name: str, rendition: str, precision: str, file: StageFile) -> None:
        stage = self._stages[name]
        files = stage.files_by_rendition.get(rendition, {})
        if precision in files:
            raise BundleError(f"stage {name!r} has {precision!r} already")
        self._stages[name] = _with_files(stage, rendition, {**files, precision: file})

    def _add_model(self, file: ModelFile, folder: str, name: str) -> StageFile:
        model = self.add_file(file.path, f"{folder}/{name}.onnx")
        data = tuple(self.add_file(path, f"{folder}/{path.name}") for path in file.data)
        return StageFile(model.path, model.sha256, model.bytes, data)

    def _manifest(self, description: BundleDescription) -> Manifest:
        fields = {name: getattr(description, name) for name in description.__dataclass_fields__}
        return Manifest(stages=self._stages, **fields)

    def _swap(self) -> None:
        prefix = f".{self._target.name}-old-"
        self._retired = Path(tempfile.mkdtemp(prefix=prefix, dir=self._target.parent))
        self._target.rename(self._retired)
        self._staging.rename(self._target)
        shutil.rmtree(self._retired)


def _folder(rendition: str, precision: str) -> str:
    return precision if rendition == PORTABLE else f"{rendition}/{precision}"


def _with_files(stage: StageEntry, rendition: str, files: Mapping[str, StageFile]) -> StageEntry:
    """Return the stage with other files of a rendition; the rendition goes with its last file."""
    if rendition == PORTABLE:
        return replace(stage, files=files)
    others = {name: each for name, each in stage.renditions.items() if name != rendition}
    return replace(stage, renditions={**others, rendition: files} if files else others)


def _remove_empty(folder: Path, top: Path) -> None:
    """Remove a folder below `top` and those above it, as far as they are empty."""
    while folder != top and not any(folder.iterdir()):
        folder.rmdir()
        folder = folder.parent


def require_free(target: Path, replace_existing: bool = False) -> None:
    """Raise BundleError if the target is a bundle that is not to be replaced, or no bundle."""
    if target.exists() and not replace_existing:
        raise BundleError(f"{target} exists; remove it, or ask to replace it (--force)")
    if target.exists() and not (target / MANIFEST_NAME).is_file() and _has_entries(target):
        raise BundleError(f"{target} is no bundle, so it is not replaced; remove it yourself")


def record_verification(folder: Path, verification: Mapping[str, Any]) -> Bundle:
    """Put the figures of an evaluation into the manifest of an existing bundle."""
    bundle = Bundle.open(folder)
    _write_manifest(bundle.path, replace(bundle.manifest, verification=verification))
    return Bundle.open(folder)


def record_concept(folder: Path, concept: ConceptSettings) -> Bundle:
    """Put other settings of texts into the manifest of an existing bundle; its files stay."""
    bundle = Bundle.open(folder)
    _write_manifest(bundle.path, replace(bundle.manifest, concept=concept))
    return Bundle.open(folder)


def record_answers(folder: Path, name: str, write: Callable[[Path], None]) -> Bundle:
    """Put a file of recorded answers into an existing bundle, in place of an older one.

    write: makes the file. The file's name is `name` with the beginning of its sha256, so that a
    reader sees the old file or the new one, never half of either. Raises BundleError where it
    cannot be written.
    """
    bundle = Bundle.open(folder)
    before = bundle.manifest.recorded_answers
    unfinished = bundle.path / f".{name}.new"
    try:
        write(unfinished)
        found = describe_file(unfinished, name)
        stem, _, suffix = name.rpartition(".")
        reference = replace(found, path=f"{stem}-{found.sha256[:8]}.{suffix}")
        unfinished.replace(bundle.path / reference.path)
        _write_manifest(bundle.path, replace(bundle.manifest, recorded_answers=reference))
    except OSError as error:
        raise BundleError(f"bundle {bundle.path} cannot be written to: {error}") from error
    finally:
        unfinished.unlink(missing_ok=True)
    if before is not None and before.path != reference.path:
        (bundle.path / before.path).unlink()
    return Bundle.open(folder)


def _write_manifest(folder: Path, manifest: Manifest) -> None:
    text = dump_manifest(manifest)
    parse_manifest(text)  # what cannot be read back is better not written
    write_whole(folder / MANIFEST_NAME, text)


def _has_entries(folder: Path) -> bool:
    return not folder.is_dir() or any(folder.iterdir())
