"""A bench as a table for people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

Document = Mapping[str, Any]

_LIMIT = (
    "The limit of a stage is the longer of FLOP / peak and bytes / bandwidth (memory: the second).",
    "Its bytes are weights, inputs and outputs, each once; a cache is faster than memory, so a",
    "small stage may be above 100 %.",
)
_HEADINGS = ("median ms", "p95 ms", "GFLOP", "GFLOP/s", "% of limit")


def print_bench(document: Document) -> None:
    """The document that --json prints, laid out."""
    for line in (*_head(document), *_scenarios(document), *_contest(document)):
        print(line)
    for line in _reductions(document):
        print(line)


def _head(document: Document) -> Iterator[str]:
    threads = document["threads"] or "all"
    yield (
        f"{document['bundle']} on {document['plan']} (threads: {threads}), "
        f"{document['width']}x{document['height']}"
    )
    machine = document["machine"]
    yield f"{machine['cpu']}, {machine['cores']} cores"
    for engine, gflops in machine["gemm_gflops"].items():
        yield f"  peak by matrix products, {engine:<16}{gflops:>10.1f} GFLOP/s"
    yield f"  memory bandwidth{'':<25}{machine['bandwidth_gb_s']:>10.1f} GB/s"
    for backend in machine["not_measured"]:
        yield f"  the limits of {backend} are not measured: its stages are told by their time alone"
    if document["resident_bytes"] is not None:
        loaded, answering = document["resident_bytes"].values()
        yield (
            f"  resident peak of a process of its own   {answering / 1e6:>10.0f} MB "
            f"({loaded / 1e6:.0f} MB once loaded)"
        )
    yield f"  files{'':<36}{sum(document['file_bytes'].values()) / 1e6:>10.1f} MB"
    if not document["flop_counted"]:
        from sam3_ros.bench.instruments.graph_work import HOW_TO_GET

        yield f"  GFLOP are not counted, as the library onnx is not here: {HOW_TO_GET}"


def _scenarios(document: Document) -> Iterator[str]:
    for found in document["scenarios"]:
        yield ""
        yield (
            f"{found['scenario']}: {found['per_second']:.3g} per second "
            f"({found['repeats']} repeats, {found['segments']} segments)"
        )
        yield f"  {'step':<20}" + "".join(f"{heading:>12}" for heading in _HEADINGS)
        for step, cost in found["steps"].items():
            yield _step(step, cost)
    if document["flop_counted"]:
        yield ""
        yield from _LIMIT


def _step(step: str, cost: Mapping[str, Any]) -> str:
    name = step if cost["runs"] < 2 or step == "end to end" else f"{step} (x{cost['runs']})"
    line = f"  {name:<20}{cost['median_ms']:>12.2f}{cost['p95_ms']:>12.2f}"
    if cost["gflop"] is None:
        return line
    line += f"{cost['gflop']:>12.3f}{cost['gflop_s']:>12.1f}{cost['limit_percent']:>12.1f}"
    if cost["limited_by"] == "memory":
        line += "  memory"
    if cost["unknown"]:
        line += f"  not counted: {', '.join(cost['unknown'])}"
    return line


def _contest(document: Document) -> Iterator[str]:
    contest = document.get("against")
    if contest is None:
        return
    yield ""
    yield f"against {contest['rival']}: {contest['description']}"
    yield (
        f"  {'':<24}{'ours ms':>10}{'theirs ms':>11}{'ours/theirs':>13}{'min':>8}{'max':>8}"
        f"{'CPU ours/theirs':>17}{'repeats':>9}"
    )
    for each in contest["ratios"]:
        yield (
            f"  {each['key']:<24}{each['ours_ms']:>10.1f}{each['theirs_ms']:>11.1f}"
            f"{each['median']:>13.3f}{each['min']:>8.3f}{each['max']:>8.3f}"
            f"{each['cpu_median']:>17.3f}{len(each['repeats']):>9}"
        )
    for kind, alike in contest["likeness"].items():
        ours, theirs = alike["masks"]
        yield (
            f"  {kind}: {ours} masks of ours, {theirs} of theirs; the worst has "
            f"{alike['equal_pixels']:.7f} of its pixels equal; scores differ by at most "
            f"{alike['score']:.2g}, boxes by {alike['box_px']:.2g} px"
        )


def _reductions(document: Document) -> Iterator[str]:
    rows = document.get("reductions")
    if rows is None:
        return
    yield ""
    yield "each reduction of the runtime, alone switched off, in turns with all on"
    yield (
        f"  {'':<44}{'of':<18}{'without ms':>12}{'with ms':>10}{'without/with':>14}"
        f"{'min':>8}{'max':>8}"
    )
    for row in rows:
        yield (
            f"  {row['title']:<44}{row['scenario']:<18}{row['without_ms']:>12.1f}"
            f"{row['with_ms']:>10.1f}{row['median']:>14.3f}{row['min']:>8.3f}{row['max']:>8.3f}"
        )
