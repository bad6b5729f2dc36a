"""What the model files of a bundle ask of an engine, checked before an engine reads them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from sam3_ros.core.bundle.files import resolve_inside
from sam3_ros.core.bundle.manifest import FileRef, StageEntry, StageFile
from sam3_ros.core.errors import BundleError
from sam3_ros.core.stages.survey import Survey, survey

# External data of a file: two tensors may share their numbers, but not any number of them.
_MOST_SHARED = 2
#: Of all model files together; EfficientSAM3 in four precisions, for CPU and GPU, has 150,000.
MOST_FIELDS_OF_ALL = 500_000


def require_plain_models(folder: Path, stages: Iterable[StageEntry]) -> None:
    """Survey every model file of every stage.

    Raises BundleError for operators that a model may not have, graphs within graphs where the
    manifest does not allow them, external data that it does not list, tensors that do not fit their
    shapes, and all that parsers of ONNX files might read differently.
    """
    surveyed: dict[tuple[str, bool], Survey] = {}  # by content: one file may have many names
    for stage in stages:
        for files in stage.files_by_rendition.values():
            for file in files.values():
                path = resolve_inside(folder, file.path)
                content = file.sha256, stage.control_flow
                try:
                    if content not in surveyed:
                        surveyed[content] = survey(path, stage.control_flow)
                        _require_few_fields(surveyed.values())
                    _require_listed(folder, path, file, surveyed[content])
                except (OSError, ValueError) as error:
                    raise BundleError(
                        f"{file.path!r}, of stage {stage.name!r}, is no model to load: {error}"
                    ) from error


def _require_few_fields(surveys: Iterable[Survey]) -> None:
    if sum(each.fields for each in surveys) > MOST_FIELDS_OF_ALL:
        raise ValueError(
            f"with the files before it, it has more than {MOST_FIELDS_OF_ALL} parts, weights not "
            f"counted"
        )


def _require_listed(folder: Path, path: Path, file: StageFile, found: Survey) -> None:
    """Raise ValueError unless all external data lies in files that the manifest lists."""
    # The engine looks beside the file itself, which may lie elsewhere than a link to it.
    listed = {resolve_inside(folder, each.path): each for each in file.data}
    for each in found.external:
        name = each.location
        if name != PurePosixPath(name).name or name in ("", ".", "..") or set(name) & set("\\\0"):
            raise ValueError(
                f"it reads {name!r}, which is no file beside it: external data must lie in its "
                f"folder"
            )
        beside = path.parent / name
        data = listed.get(beside)
        if data is None:
            known = ", ".join(each.path for each in file.data) or "none"
            raise ValueError(
                f"it reads {name!r}, which the manifest does not list as its data ({known})"
            )
        if each.offset + each.length > data.bytes:
            raise ValueError(
                f"it reads bytes {each.offset} to {each.offset + each.length} of {name!r}, which "
                f"has {data.bytes}"
            )
    _require_few(file.data, sum(each.length for each in found.external))


def _require_few(data: Iterable[FileRef], wanted: int) -> None:
    held = sum(each.bytes for each in data)
    if wanted > _MOST_SHARED * held:
        raise ValueError(f"it makes weights of {wanted} bytes of {held} bytes of external data")
