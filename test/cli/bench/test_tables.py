from __future__ import annotations

from sam3_ros.cli.bench.tables import node_table
from sam3_ros.replay.node_bench.report import (
    FIRST_CLICK,
    NEXT_CLICK,
    CaseReport,
    NodeBenchReport,
    NodeUse,
    latency_report,
)


def clicks(pace: str, sessions: float) -> CaseReport:
    return CaseReport(
        transport="raw",
        width=640,
        height=480,
        message_bytes=921600,
        pace=pace,
        seconds=1.0,
        frames=None,
        latency=latency_report([{"to the node": 1.0, "sessions": sessions}]),
        use=NodeUse(50.0, 5.0, 2**20, 2**21),
        covered=0.25,
    )


def test_columns_of_clicks_are_told_apart_by_their_pace() -> None:
    cases = (clicks(FIRST_CLICK, 40.0), clicks(NEXT_CLICK, 8.0))
    table = node_table(NodeBenchReport({"bundle": "tabletop"}, "fastdds.xml", cases))
    rows = [line.split() for line in table.split("Clicks on a seen frame")[1].splitlines()[1:]]

    assert rows == [
        ["raw", "raw"],
        ["640x480", "640x480"],
        ["first", "click", "next", "click"],
        ["to", "the", "node", "1.00", "1.00"],
        ["sessions", "40.00", "8.00"],
        ["total", "41.00", "9.00"],
    ]
