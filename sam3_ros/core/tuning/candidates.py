"""The candidates for running a stage: every available backend in every precision it can run."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from importlib.util import find_spec

from sam3_ros.core.backends.factory import OPENVINO
from sam3_ros.core.backends.providers import PROVIDERS, Plugin, Provider
from sam3_ros.core.bundle.bundle import Bundle
from sam3_ros.core.bundle.manifest import StageEntry
from sam3_ros.core.errors import BackendError, PrecisionError
from sam3_ros.core.stages.plan import REFERENCE, StageChoice


@dataclass(frozen=True)
class Backends:
    """The backends that can be tried on this machine."""

    #: Names of the backends to try.
    available: tuple[str, ...]
    #: Whether OpenVINO can compute in bf16 here.
    bf16: bool
    #: One line for each backend that cannot be tried, with the reason.
    refused: tuple[str, ...]

    @classmethod
    def here(cls) -> Backends:
        """Return what the installed libraries offer; a missing GPU shows only when it is tried."""
        available, refused = list(_of_onnxruntime()), []
        missing = [each for name, each in PROVIDERS.items() if name not in available]
        refused += [f"{each.backend}: {_why_missing(each)}" for each in missing]
        bf16 = False
        if find_spec("openvino") is None:
            refused.append("openvino: not installed (pip install openvino)")
        else:
            from sam3_ros.core.backends.openvino_session import why_no_bf16

            available.append(OPENVINO)
            why_not = why_no_bf16()
            bf16 = not why_not
            refused += [f"openvino bf16: {why_not}"] * bool(why_not)
        return cls(tuple(available), bf16, tuple(refused))


def require_precisions(bundle: Bundle, backends: Backends, wanted: Iterable[str]) -> None:
    """Raise PrecisionError for a precision that no stage can run in here, listing those it can."""
    stages = bundle.manifest.stages
    here = {name for stage in bundle.manifest.stages_to_judge for name in stages[stage].files}
    if "fp32" in here:
        here.update(choice.precision for choice in _computed(backends))
    if lacking := sorted({*wanted} - here):
        reasons = [line for line in backends.refused if line.startswith(OPENVINO)]
        raise PrecisionError(
            f"{', '.join(lacking)}: no stage of {bundle.manifest.name!r} can be run in it here; "
            f"there is {', '.join(sorted(here))}{''.join(f' ({line})' for line in reasons)}"
        )


def candidates(
    bundle: Bundle, stage: str, backends: Backends, wanted: Collection[str] | None = None
) -> tuple[StageChoice, ...]:
    """Return all choices for a stage but the reference.

    Precisions for which a backend loads the same file count once, as fp32 if it is among them.
    wanted: the precisions to try, None for all.
    """
    entry = bundle.manifest.stages[stage]
    found = [choice for backend in backends.available for choice in _distinct(entry, backend)]
    if "fp32" in entry.files:
        found += _computed(backends)
    return tuple(
        choice
        for choice in found
        if choice != REFERENCE and (wanted is None or choice.precision in wanted)
    )


def _computed(backends: Backends) -> Iterable[StageChoice]:
    """Yield the precisions that are computed from fp32 files, with the backends that can."""
    for name in backends.available:
        if name in PROVIDERS:
            yield from (StageChoice(name, each) for each in PROVIDERS[name].computes)
    if backends.bf16:
        yield StageChoice(OPENVINO, "bf16")


def _distinct(stage: StageEntry, backend: str) -> Iterable[StageChoice]:
    """Return a choice for each file that a backend loads, fp32 before others of the same file."""
    by_content: dict[tuple[str, ...], StageChoice] = {}
    for precision in sorted(stage.files, key=lambda name: name != "fp32"):
        choice = StageChoice(backend, precision)
        file = stage.file_for(choice)
        assert file is not None  # the portable one is there
        by_content.setdefault((file.sha256, *(each.sha256 for each in file.data)), choice)
    return by_content.values()


def _of_onnxruntime() -> list[str]:
    from importlib import import_module

    try:
        known = import_module("onnxruntime").get_available_providers()
    except ImportError as error:
        raise BackendError(f"ONNX Runtime cannot be imported: {error}") from error
    return [
        name
        for name, provider in PROVIDERS.items()
        if (provider.name in known if provider.plugin is None else _is_installed(provider.plugin))
    ]


def _is_installed(plugin: Plugin) -> bool:
    return find_spec(plugin.module) is not None


def _why_missing(provider: Provider) -> str:
    if provider.plugin is None:
        return "not in the installed ONNX Runtime"
    return f"not installed (pip install {provider.package})"
