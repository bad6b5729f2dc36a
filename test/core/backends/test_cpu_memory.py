"""Sessions on the CPU: one working memory for the process, and outputs in memory of their own."""

from __future__ import annotations

import ctypes
import json
import os
import platform
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx_graph import OnnxGraph
from scenes import colour_scene

from sam3_ros.core.backends import open_session
from sam3_ros.core.backends.cpu_memory import give_back_free_heap
from sam3_ros.core.errors import InferenceError
from sam3_ros.core.segmenter.prompts import ConceptPrompt, InteractivePrompt
from sam3_ros.core.segmenter.segmenter import Segmenter

FLOATS = 4 * 2**20
# What the model works in: four times its input, and at least one of its parts.
WORKING_MEBIBYTES = 64.0
# Small enough for malloc to take from its heap.
PIECE, PIECES = 2**16, 1000


@pytest.fixture
def greedy(tmp_path: Path) -> Path:
    """Write a model: sum f32[1] over the concatenation of 1, 2, 3 and 4 times x f32[1,n]."""
    g = OnnxGraph("greedy")
    x = g.input("x", np.float32, (1, "n"))
    wide = g.op("Concat", *(g.scaled(x, float(factor)) for factor in (1, 2, 3, 4)), axis=1)
    g.output(g.sum(wide, 1, keepdims=0), "sum", np.float32, (1,))
    return g.save(tmp_path / "greedy.onnx")


@pytest.fixture
def shifts(tmp_path: Path) -> Path:
    """Write a model: known f32[1,n] = x + 1; found f32[1,m] = x + 2, where m equals n."""
    g = OnnxGraph("shifts")
    x = g.input("x", np.float32, (1, "n"))
    g.output(g.scaled(x, 1.0, 1.0), "known", np.float32, (1, "n"))
    g.output(g.scaled(x, 1.0, 2.0), "found", np.float32, (1, "m"))
    return g.save(tmp_path / "shifts.onnx")


def test_sessions_share_their_working_memory_and_closing_gives_it_back(greedy: Path) -> None:
    program = Path(__file__).parents[2] / "support" / "working_memory.py"
    command = [sys.executable, str(program), str(greedy), str(FLOATS), "6", "20"]
    ended = subprocess.run(command, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    held = json.loads(ended.stdout)
    assert held["one"] - held["before"] > WORKING_MEBIBYTES, held
    assert held["all"] - held["one"] < WORKING_MEBIBYTES / 2, held
    assert held["closed"] - held["before"] < WORKING_MEBIBYTES / 4, held
    assert max(held["cycles"]) - held["closed"] < WORKING_MEBIBYTES / 4, held


def test_an_arena_that_another_user_has_made_is_shared(greedy: Path) -> None:
    program = f"""
import numpy, onnxruntime as ort
arena = ort.OrtAllocatorType.ORT_ARENA_ALLOCATOR
where = ort.OrtMemoryInfo("Cpu", arena, 0, ort.OrtMemType.DEFAULT)
ort.create_and_register_allocator(where, ort.OrtArenaCfg(0, -1, -1, -1))
from pathlib import Path
from sam3_ros.core.backends import open_session
session = open_session(Path({str(greedy)!r}))
print(session.run({{"x": numpy.ones((1, 3), numpy.float32)}})["sum"][0])
session.close()
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    assert float(ended.stdout) == 30.0


def test_outputs_stay_what_they_are(shifts: Path) -> None:
    session = open_session(shifts)
    first = session.run({"x": np.zeros((1, 5000), np.float32)})
    for value in range(1, 4):
        session.run({"x": np.full((1, 5000), value, np.float32)})
    session.close()
    other = open_session(shifts)
    other.run({"x": np.full((1, 5000), 9, np.float32)})
    np.testing.assert_array_equal(first["known"], np.full((1, 5000), 1, np.float32))
    np.testing.assert_array_equal(first["found"], np.full((1, 5000), 2, np.float32))


@pytest.mark.parametrize("length", [0, 1, 7])
def test_outputs_own_their_memory_and_may_be_written_to(shifts: Path, length: int) -> None:
    results = open_session(shifts).run({"x": np.ones((1, length), np.float32)})
    assert list(results) == ["known", "found"]
    for value in results.values():
        assert value.shape == (1, length)
        assert value.flags.owndata
        value += 1


def test_inputs_are_left_as_they_were(shifts: Path) -> None:
    x = np.arange(12, dtype=np.float32).reshape(1, 12)
    x.flags.writeable = False
    open_session(shifts).run({"x": x})
    np.testing.assert_array_equal(x, np.arange(12, dtype=np.float32).reshape(1, 12))


def test_a_shape_that_an_output_does_not_have_is_an_error_not_another_tensor(
    tmp_path: Path,
) -> None:
    g = OnnxGraph("two of three")
    x = g.input("x", np.float32, (1, "n"))
    chosen = g.constant([True, True, False], np.bool_)
    g.output(g.op("Compress", x, chosen, axis=1), "y", np.float32, (1, "m"))
    model = g.model()
    model.graph.output[0].type.tensor_type.shape.dim[1].dim_param = "n"  # it is two, whatever n
    onnx.save(model, tmp_path / "lies.onnx")
    session = open_session(tmp_path / "lies.onnx")
    np.testing.assert_array_equal(session.run({"x": np.ones((1, 2), np.float32)})["y"], [[1, 1]])
    with pytest.raises(RuntimeError, match="shape"):
        session.run({"x": np.ones((1, 3), np.float32)})


def test_a_missing_input_is_named(shifts: Path) -> None:
    with pytest.raises(InferenceError, match="no value was given for x"):
        open_session(shifts).run({})


def test_one_segmenter_goes_and_another_answers_on(sam3_bundle_path: Path) -> None:
    scene = colour_scene(96, 128, {"red": (10, 20, 60, 70)})
    questions = [ConceptPrompt("red"), InteractivePrompt(points=((30, 40),))]
    with Segmenter.load(sam3_bundle_path) as stays:
        embedding = stays.encode_image(scene)
        before = [segment.mask for segment in stays.ask(embedding, questions)]
        for _ in range(3):
            with Segmenter.load(sam3_bundle_path) as goes:
                goes.segment(scene, *questions)
        after = [segment.mask for segment in stays.ask(embedding, questions)]
    assert len(before) == 2
    np.testing.assert_array_equal(before, after)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc's malloc gives back")
def test_free_memory_of_the_heap_is_given_back() -> None:
    libc = ctypes.CDLL(None)
    libc.malloc.restype = ctypes.c_void_p
    pieces = [ctypes.c_void_p(libc.malloc(PIECE)) for _ in range(PIECES)]
    for piece in pieces:
        ctypes.memset(piece, 1, PIECE)
    *freed, last = pieces  # the last keeps malloc from giving the others back by itself
    for piece in freed:
        libc.free(piece)
    before = resident_bytes()
    give_back_free_heap()
    assert before - resident_bytes() > PIECE * PIECES * 0.8
    libc.free(last)


def resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")
