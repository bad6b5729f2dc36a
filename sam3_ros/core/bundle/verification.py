"""What a manifest says was verified: in one line, and as figures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeGuard

NOT_VERIFIED = "not verified"
_TOLD_OTHERWISE = (
    *("onnx_against_pytorch", "renditions_against_pytorch", "end_to_end", "precisions"),
    *("verified", "not_written"),
)


def described_verification(verification: Mapping[str, Any]) -> str:
    """Describe Manifest.verification in one line, as `sam3-ros export` and `verify` write it.

    An entry of another form is named only. The manifest does not say when it was verified.
    """
    return "; ".join(_described(verification)) or NOT_VERIFIED


def stage_figures(verification: Mapping[str, Any]) -> list[tuple[str, Any, Any]]:
    """Return of each stage its largest difference to PyTorch and the limit, as far as written.

    The difference is a part of the output's scale where that exceeds 1.
    """
    found = verification.get("onnx_against_pytorch")
    if not isinstance(found, Mapping):
        return []
    plain = found.get("largest_absolute_difference")
    if isinstance(plain, Mapping):  # as the training of tabletop writes it
        return [(str(stage), largest, None) for stage, largest in plain.items()]
    return [
        (str(name), *worst)
        for name, stage in found.items()
        if (worst := _worst_output(stage)) is not None
    ]


def _worst_output(stage: Any) -> tuple[float, float] | None:
    outputs = stage.get("outputs") if isinstance(stage, Mapping) else None
    figures = [
        (each["of_scale"], each["limit"])
        for each in (outputs.values() if isinstance(outputs, Mapping) else ())
        if isinstance(each, Mapping)
        and _is_number(each.get("of_scale"))
        and _is_number(each.get("limit"))
    ]
    return max(figures, key=lambda pair: pair[0] / pair[1] if pair[1] else 0.0, default=None)


def end_to_end_figures(verification: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    """Return the figures of the whole chain against PyTorch, by precision and rendition."""
    return _mappings(verification.get("end_to_end"))


def precision_figures(verification: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    """Return the worst figures of each lower precision against fp32, with the mean mask IoU."""
    found: list[tuple[str, Mapping[str, Any]]] = []
    for title, table in _mappings(verification.get("precisions")):
        whole = table.get("end_to_end")
        if isinstance(whole, Mapping):
            worst = whole.get("worst")
            figures = dict(worst) if isinstance(worst, Mapping) else {}
            found.append((title, {**figures, "mean_mask_iou": whole.get("mean_mask_iou")}))
    return found


def plain_figures(verification: Mapping[str, Any]) -> list[tuple[str, list[tuple[str, Any]]]]:
    """Return what else was measured as a list of numbers, such as an evaluation's figures."""
    found = [
        (name, [(str(n), value) for n, value in figures.items() if _is_number(value)])
        for name, figures in _mappings(verification)
        if name not in _TOLD_OTHERWISE
    ]
    return [(name, figures) for name, figures in found if figures]


def _mappings(found: Any) -> list[tuple[str, Mapping[str, Any]]]:
    entries = found.items() if isinstance(found, Mapping) else ()
    return [(str(name), each) for name, each in entries if isinstance(each, Mapping)]


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
