"""What a manifest says was verified, in one line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeGuard

NOT_VERIFIED = "not verified"


def described_verification(verification: Mapping[str, Any]) -> str:
    """Describe Manifest.verification in one line, as `sam3-ros export` and `verify` write it.

    An entry of another form is named only. The manifest does not say when it was verified.
    """
    return "; ".join(_described(verification)) or NOT_VERIFIED


def _described(verification: Mapping[str, Any]) -> Iterator[str]:
    for name, found in verification.items():
        if not isinstance(found, Mapping) or not found:
            continue
        if name == "onnx_against_pytorch":
            yield _stages(found)
        elif name == "end_to_end":
            yield from (f"{each} end to end" for each in found)
        elif name == "precisions":
            yield from (_precision(each, table) for each, table in found.items())
        elif name == "verified":
            yield from (_check(check, entry) for check, entry in found.items())
        elif name != "not_written":
            yield name.replace("_", " ")


def _stages(found: Mapping[str, Any]) -> str:
    limits = [
        output["limit"]
        for stage in found.values()
        if isinstance(stage, Mapping) and isinstance(stage.get("outputs"), Mapping)
        for output in stage["outputs"].values()
        if isinstance(output, Mapping) and _is_number(output.get("limit"))
    ]
    if not limits:
        return "stages against PyTorch"
    low, high = min(limits), max(limits)
    tolerance = f"{low:g}" if low == high else f"{low:g} to {high:g}"
    return f"{len(found)} stages against PyTorch, tolerance {tolerance}"


def _precision(name: str, table: Any) -> str:
    end_to_end = table.get("end_to_end") if isinstance(table, Mapping) else None
    iou = end_to_end.get("mean_mask_iou") if isinstance(end_to_end, Mapping) else None
    return f"{name} against fp32" + (f", mean mask IoU {iou:.3f}" if _is_number(iou) else "")


def _check(check: str, entry: Any) -> str:
    figures = entry.get("figures") if isinstance(entry, Mapping) else None
    failed = entry.get("failed", []) if isinstance(entry, Mapping) else None
    if not _is_number(figures) or not isinstance(failed, list):
        return str(check)
    return f"{check}: {figures - len(failed)} of {figures} figures in tolerance"


def _is_number(value: Any) -> TypeGuard[int | float]:
    """Return whether a value of the manifest, which may be of any type there, is a number."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)
