from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from cuda_runtime import CudaRuntime
from diagnostic_msgs.msg import DiagnosticStatus
from std_msgs.msg import Header

from sam3_ros.core.backends.device_stream import CardMemory, DeviceStream
from sam3_ros.ros.frames.ledger import DropReason, FrameLedger, joint_report
from sam3_ros.ros.frames.losses import LostImages
from sam3_ros.ros.frames.report import CameraReport, PipelineReport, StepLatency
from sam3_ros.ros.health import memory as memory_module
from sam3_ros.ros.health.callback_errors import CallbackErrors
from sam3_ros.ros.health.diagnostics import Diagnostics, NodeStatus
from sam3_ros.ros.health.findings import Thresholds
from sam3_ros.ros.health.memory import MemoryUse, memory_use
from sam3_ros.ros.health.surroundings import Surroundings
from sam3_ros.ros.health.topic import LevelLog
from sam3_ros.ros.parameters.configuration import configuration
from sam3_ros.ros.prompts.keeping import Keeping
from sam3_ros.ros.prompts.losses import LostPrompts

OK, WARN, ERROR = DiagnosticStatus.OK, DiagnosticStatus.WARN, DiagnosticStatus.ERROR


def report_of(
    ledgers: Mapping[str, FrameLedger],
    silent_s: float | None,
    waiting_s: float | None = None,
    **more: object,
) -> PipelineReport:
    return PipelineReport(
        providers={"image": "CPUExecutionProvider"},
        converter="own",
        prompts=("red", "blue"),
        cameras={
            name: CameraReport(ledger.report(), waiting_s, silent_s, **more)
            for name, ledger in ledgers.items()
        },
        clicks_waiting=2,
        oldest_click_s=0.25,
        clicks_at_once=7,
        calls_waiting=1,
        calls_answered=9,
        kept_frames=3,
        kept_frame_bytes=5 * 2**20,
        kept_texts=4,
        kept_text_bytes=2**19,
        steps={"image": StepLatency(12.34, 20.0)},
        last_error="",
    )


class Reporter:
    """Messages of one node, with its ledgers and parameters."""

    def __init__(self, *cameras: str, **parameters: float) -> None:
        self.ledgers = {name: FrameLedger() for name in cameras or ("",)}
        self.diagnostics = Diagnostics()
        self.thresholds = Thresholds.of(configuration(parameters))

    def status(self, **changes: object) -> NodeStatus:
        silent_s = changes.pop("silent_s", 0.1)
        names = ("lost", "publishers", "remedy", "image_finding")
        of_camera = {name: changes.pop(name) for name in names if name in changes}
        return replace(
            NodeStatus(
                node_name="/node",
                state="active",
                failure="",
                model={"bundle": "tabletop"},
                frames=joint_report(self.ledgers.values()),
                active_s=100.0,
                report=report_of(self.ledgers, silent_s, **of_camera),
                thresholds=self.thresholds,
            ),
            **changes,
        )

    def all(self, **changes: object) -> list[DiagnosticStatus]:
        return self.diagnostics.message(self.status(**changes), Header()).status

    def __call__(self, **changes: object) -> DiagnosticStatus:
        return self.all(**changes)[0]


def values_of(status: DiagnosticStatus) -> dict[str, str]:
    return {entry.key: entry.value for entry in status.values}


def test_levels_of_states():
    reporter = Reporter()
    assert (reporter().level, reporter().message) == (OK, "active")
    assert reporter(state="inactive", active_s=None).level == WARN
    loading = reporter(
        state="configuring", active_s=None, report=None, loading="stage 3 of 15, text, 12 MB, 4 s"
    )
    assert loading.level == WARN
    assert loading.message == "configuring: loading stage 3 of 15, text, 12 MB, 4 s"
    assert values_of(loading)["loading"] == "stage 3 of 15, text, 12 MB, 4 s"
    failed = reporter(state="unconfigured", failure="configure failed: no bundle", report=None)
    assert failed.level == ERROR
    assert failed.message == "unconfigured: configure failed: no bundle"
    assert values_of(failed)["last error"] == "configure failed: no bundle"


def test_it_warns_of_images_in_which_nothing_can_be_seen():
    words = "the image is nearly black: no value is above 3 of 255"
    warned = Reporter()(image_finding=words)
    assert warned.level == WARN
    assert warned.message == f"active, but {words}"
    first, second = Reporter("front", "rear").all(image_finding=words)[1:]
    assert first.level == second.level == WARN


def test_it_warns_of_prompts_that_are_lost_or_cannot_be_kept():
    reporter = Reporter()
    status = reporter.status()
    lost = replace(status.report, lost_prompts=LostPrompts(3, ("~/prompts",)))
    kept = replace(status.report, keeping=Keeping(failure="prompts cannot be kept: disk full"))
    for report, words in ((lost, "messages on ~/prompts did not"), (kept, "disk full")):
        warned = reporter(report=report)
        assert warned.level == WARN
        assert words in warned.message
    assert values_of(reporter(report=lost))["prompt messages lost"] == "3"
    assert values_of(reporter(report=lost))["kept prompts"] == "off"
    long_ago = replace(status.report, lost_prompts=LostPrompts(3))
    assert reporter(report=long_ago).level == OK


def fail(ledger: FrameLedger, failed: int, answered: int) -> None:
    for _ in range(failed + answered):
        ledger.count_received()
    for _ in range(failed):
        ledger.count_dropped(DropReason.INFERENCE_FAILED)
    for _ in range(answered):
        ledger.count_answered(0.05)


def test_it_warns_while_frames_fail_and_not_after():
    reporter = Reporter()
    reporter.ledgers[""].count_received()
    reporter.ledgers[""].count_dropped(DropReason.SUPERSEDED)
    assert reporter().level == OK
    fail(reporter.ledgers[""], 1, 3)
    warned = reporter()
    assert warned.level == WARN
    assert warned.message == "active, but 1 of 4 frames could not be answered"
    assert reporter().level == OK
    fail(reporter.ledgers[""], 2, 1)
    assert reporter().level == ERROR
    assert reporter().level == OK


@pytest.mark.parametrize(
    "reason", [DropReason.UNDECODABLE, DropReason.INFERENCE_FAILED, DropReason.OUT_OF_MEMORY]
)
def test_what_counts_as_failed(reason):
    reporter = Reporter()
    reporter.ledgers[""].count_received()
    reporter.ledgers[""].count_dropped(reason)
    assert reporter().level == ERROR


def test_the_share_that_may_fail_is_a_parameter():
    reporter = Reporter(failed_warn=0.5, failed_error=1.0)
    fail(reporter.ledgers[""], 1, 1)
    assert reporter().level == OK
    fail(reporter.ledgers[""], 2, 1)
    assert reporter().level == WARN


def test_silence():
    reporter = Reporter(silence_warn_s=2.0, silence_error_s=10.0)
    assert reporter(silent_s=2.0).level == OK
    silent = "active, but no image came for 2.5 s"
    assert reporter(silent_s=2.5).message == f"{silent}, and nobody publishes any"
    assert reporter(silent_s=2.5, publishers=1).message == f"{silent} although there is a publisher"
    assert reporter(silent_s=2.5).level == WARN
    assert reporter(silent_s=10.5).level == ERROR
    # It had no reason to come before the node was active.
    assert reporter(silent_s=60.0, active_s=1.0).level == OK
    assert reporter(silent_s=None, active_s=3.0).level == WARN
    assert reporter(silent_s=60.0, state="inactive", active_s=None).message == "inactive"
    assert Reporter(silence_warn_s=0.0, silence_error_s=0.0)(silent_s=1e6).level == OK
    assert Reporter(silence_warn_s=0.0, silence_error_s=5.0)(silent_s=6.0).level == ERROR


def test_images_that_did_not_arrive():
    few, many = LostImages(recent=2, recent_sent=4), LostImages(9, 0.3, 9, 30)
    reporter = Reporter(lost_warn=0.25)
    assert reporter(lost=few).level == OK
    status = reporter(lost=many, remedy="do this")
    assert status.level == WARN
    assert status.message.endswith(
        "9 of the 30 images of the last 10 s did not arrive, by DDS's numbers: do this"
    )
    values = {entry.key: entry.value for entry in status.values}
    assert values["images lost"] == "9"
    assert values["images lost, share"] == "0.300"
    assert values["images lost, of the last 10 s"] == "9 of 30"
    assert Reporter(lost_warn=0.3)(lost=many).level == OK


def test_latency():
    reporter = Reporter(latency_warn_ms=40.0, latency_error_ms=60.0)
    assert reporter().level == OK
    fail(reporter.ledgers[""], 0, 20)
    slow = reporter()
    assert slow.level == WARN
    assert slow.message == "active, but the p95 latency is 50 ms, above 40 ms"
    for _ in range(20):
        reporter.ledgers[""].count_answered(0.1)
    assert reporter().level == ERROR
    never = Reporter()
    never.ledgers[""].count_answered(100.0)
    assert never().level == OK


def test_a_status_for_each_camera_that_has_a_name():
    assert [status.name for status in Reporter().all()] == ["/node: segmentation"]
    reporter = Reporter("front", "left")
    fail(reporter.ledgers["left"], 1, 3)
    node, front, left = reporter.all()
    assert [front.name, left.name] == ["/node: camera front", "/node: camera left"]
    assert (node.level, front.level, left.level) == (WARN, OK, WARN)
    assert node.message == "active, but camera left: 1 of 4 frames could not be answered"
    assert left.message == "active, but 1 of 4 frames could not be answered"
    assert values_of(node)["frames received"] == "4"
    assert values_of(front)["frames received"] == "0"
    assert values_of(left)["frames answered"] == "3"
    assert values_of(left)["since the last image s"] == "0.10"
    assert {status.level for status in reporter.all(state="inactive", active_s=None)} == {WARN}


def test_every_figure_has_a_value():
    reporter = Reporter()
    reporter.ledgers[""].count_received()
    reporter.ledgers[""].count_answered(0.0123, 0.0456)
    memory = MemoryUse(100 * 2**20, 200 * 2**20, None)
    values = values_of(reporter(memory=memory))
    assert {f"frames dropped, {reason.value}" for reason in DropReason} <= set(values)
    assert (
        values.items()
        >= {
            "state": "active",
            "bundle": "tabletop",
            "provider of image": "CPUExecutionProvider",
            "image converter": "own",
            "prompts": "red; blue",
            "frames answered": "1",
            "latency median ms": "12.3",
            "latency p95 ms": "12.3",
            "stamp to mask median ms": "45.6",
            "stamp to mask p95 ms": "45.6",
            "step image median ms": "12.3",
            "step image p95 ms": "20.0",
            "since the last image s": "0.10",
            "waiting frame's age s": "",
            "clicks waiting": "2",
            "oldest click's age s": "0.25",
            "clicks answered at once": "7",
            "calls waiting": "1",
            "calls answered": "9",
            "kept frames": "3",
            "kept frames MiB": "5.0",
            "kept texts": "4",
            "kept texts MiB": "0.5",
            "resident memory MiB": "100.0",
            "peak resident memory MiB": "200.0",
            "last error": "",
        }.items()
    )
    never = values_of(Reporter()())
    assert never["latency p95 ms"] == never["stamp to mask median ms"] == ""
    assert "GPU memory MiB" not in values
    on_gpu = values_of(reporter(memory=memory, uses_gpu=True))
    assert on_gpu["GPU memory MiB"] == "unknown"
    assert not [key for key in on_gpu if key.startswith("GPU 0")], "no stream, no card"


def test_one_account_of_several_cameras():
    front, left = FrameLedger(), FrameLedger()
    fail(front, 1, 2)
    left.count_received()
    left.count_answered(0.25)
    both = joint_report([front, left])
    assert (both.received, both.answered, both.in_work) == (4, 3, 0)
    assert both.dropped[DropReason.INFERENCE_FAILED] == 1
    assert both.latency_median == pytest.approx(0.05)
    assert both.since_stamp_p95 is None
    left.count_answered(0.25, 0.75)
    assert joint_report([front, left]).since_stamp_p95 == pytest.approx(0.75)
    assert joint_report([]).latency_p95 is None


def test_the_memory_of_this_process():
    use = memory_use(ask_gpu=True)
    assert use.resident is not None
    assert use.resident_peak is not None
    assert 10 * 2**20 < use.resident <= use.resident_peak


def test_the_memory_of_the_card(monkeypatch: pytest.MonkeyPatch):
    cuda = CudaRuntime()
    stream = DeviceStream(1, cuda)
    monkeypatch.setattr(memory_module, "streams_in_use", lambda: (stream,))
    monkeypatch.setattr(memory_module, "_last_cards", {})
    cuda.memory = (3 * 2**30, 8 * 2**30)
    use = memory_use(ask_gpu=True)
    values = values_of(Reporter()(memory=use, uses_gpu=True))
    assert (values["GPU 1 free MiB"], values["GPU 1 total MiB"]) == ("3072.0", "8192.0")

    cuda.memory = (2 * 2**30, 8 * 2**30)
    with ThreadPoolExecutor(1) as another, stream.lock:  # it waits for a run
        assert another.submit(memory_use, True).result().cards == use.cards, "those of before"
    assert memory_use(ask_gpu=True).cards == {1: CardMemory(*cuda.memory)}
    assert memory_use(ask_gpu=False).cards == {}
    cuda.fails = "cudaMemGetInfo"
    assert memory_use(ask_gpu=True).cards == {1: CardMemory(*cuda.memory)}, (
        "it is asked again later"
    )


class Lines:
    """A logger that keeps the severity and text of each line."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str]] = []

    def info(self, words: str) -> None:
        self.lines.append(("info", words))

    def warning(self, words: str) -> None:
        self.lines.append(("warning", words))

    def error(self, words: str) -> None:
        self.lines.append(("error", words))


def test_a_level_that_changes_is_logged_once(monkeypatch):
    lines, now = Lines(), [0.0]
    monkeypatch.setattr("sam3_ros.ros.health.topic.time.monotonic", lambda: now[0])
    log = LevelLog(lines)
    for level, words in [(OK, "well"), (WARN, "slow"), (WARN, "slower"), (WARN, "slow")]:
        log.log("", level, words)
    assert lines.lines == [("warning", "slow")]
    now[0] = 10.0
    for level, words in [(ERROR, "silent"), (OK, "well"), (ERROR, "silent"), (OK, "well")]:
        log.log("", level, words)
    assert lines.lines[1:] == [("error", "silent")]
    now[0] = 20.0
    log.log("", OK, "well")
    log.log("left", WARN, "slow")
    assert lines.lines[2:] == [("info", "well"), ("warning", "camera left: slow")]
    log.reset()
    log.log("", WARN, "slow")
    assert lines.lines[4:] == [("warning", "slow")]


@pytest.mark.parametrize("cameras", [("",), ("front", "left")])
def test_what_is_logged_where_it_is_found_is_no_level_of_a_camera(cameras):
    reporter = Reporter(*cameras)
    around = Surroundings(remarks=("another node",))
    errors = CallbackErrors(2, "/image: KeyError: 'x'")
    first = reporter(around=around, callback_errors=errors)
    assert first.level == WARN
    assert "another node" in first.message
    assert "callbacks broke, 2 in all, the last one of /image" in first.message
    assert reporter.diagnostics.cameras == dict.fromkeys(cameras, (OK, "active"))
