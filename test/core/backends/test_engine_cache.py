"""Engines are kept, never used when anything changed, and done without if the disk fails."""

from __future__ import annotations

import json
import logging
import os
import shutil
import stat
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sam3_ros.core.backends import engine_cache, open_session
from sam3_ros.core.backends.device_session import OnnxRuntimeDeviceSession
from sam3_ros.core.backends.engine_cache import (
    EngineCache,
    StageModel,
    default_engine_folder,
    engine_key,
)
from sam3_ros.core.backends.providers import PROVIDERS
from sam3_ros.core.backends.tf32 import OVERRIDE
from sam3_ros.core.bundle.bundle import Bundle
from sam3_ros.core.errors import BackendError
from sam3_ros.core.segmenter.segmenter import Segmenter
from sam3_ros.core.stages.session import DeviceSession, Session, SessionOptions

STAGE = "decoder"


class Builder:
    """An open_session that writes an engine if there is none, as TensorRT does.

    Its sessions run on the CPU.
    """

    def __init__(self) -> None:
        self.built: list[str] = []
        self.found: list[str] = []
        #: Whether it fails to write or read engines.
        self.refuses = False

    def __call__(self, path: Path, _: str, options: SessionOptions) -> Session:
        if options.engines is not None:
            if self.refuses:
                raise BackendError("the engine cannot be written")
            engine = options.engines.path / f"{options.engines.prefix}.engine"
            (self.found if engine.exists() else self.built).append(path.stem)
            if not engine.exists():
                engine.write_bytes(b"engine of " + path.read_bytes()[:100])
        return open_session(path, "cpu", SessionOptions(threads=1))


@pytest.fixture
def builder() -> Builder:
    return Builder()


@pytest.fixture
def model(sam3_bundle_path: Path) -> StageModel:
    bundle = Bundle.open(sam3_bundle_path)
    path = bundle.stage_file(STAGE, "fp32")
    sha256 = bundle.manifest.stages[STAGE].files["fp32"].sha256
    return StageModel(path, "colours", STAGE, "fp32", (sha256,), path.stat().st_size, (64, 64))


def opened(
    builder: Builder,
    folder: Path,
    model: StageModel,
    backend: str = "tensorrt",
    options: SessionOptions | None = None,
) -> None:
    """Open and close a session through a new cache, as one start of a program does."""
    EngineCache(folder, builder).open(model, backend, options or SessionOptions()).close()


def entry_of(folder: Path) -> Path:
    (entry,) = (path for path in folder.iterdir() if path.is_dir() and "timings" not in path.name)
    return entry


def test_what_was_built_is_found_again(tmp_path: Path, builder: Builder, model: StageModel) -> None:
    for _ in range(3):
        opened(builder, tmp_path, model)
    assert (builder.built, builder.found) == ([STAGE], [STAGE, STAGE])


@pytest.mark.parametrize(
    "change",
    [
        {"sha256": ("0" * 64,)},
        {"sha256": ("0" * 64, "1" * 64)},
        {"input_size": (64, 128)},
    ],
)
def test_an_engine_of_another_model_is_removed(
    tmp_path: Path, builder: Builder, model: StageModel, change: dict[str, object]
) -> None:
    opened(builder, tmp_path, model)
    stale = entry_of(tmp_path) / "engine" / "of the other model"
    stale.write_text("")

    opened(builder, tmp_path, replace(model, **change))

    assert (builder.built, builder.found) == ([STAGE, STAGE], [])
    assert not stale.exists()
    entry_of(tmp_path)


def test_an_engine_of_another_version_device_or_option_is_built_anew(
    tmp_path: Path, builder: Builder, model: StageModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened(builder, tmp_path, model)
    monkeypatch.setattr(engine_cache, "engine_versions", lambda _: {"tensorrt": "2030.1"})
    opened(builder, tmp_path, model)
    another = replace(PROVIDERS["tensorrt"], engines_for=lambda _: "another GPU")
    monkeypatch.setitem(PROVIDERS, "tensorrt", another)
    opened(builder, tmp_path, model)
    request = another.request
    optioned = replace(another, request=lambda options: [*request(options), ("Another", {})])
    monkeypatch.setitem(PROVIDERS, "tensorrt", optioned)
    opened(builder, tmp_path, model)
    assert len(builder.built) == 4
    opened(builder, tmp_path, model)
    assert builder.found == [STAGE]


def test_an_engine_that_was_built_with_tf32_is_not_taken_where_that_is_forbidden(
    tmp_path: Path, builder: Builder, model: StageModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(OVERRIDE, raising=False)
    opened(builder, tmp_path, model)
    monkeypatch.setenv(OVERRIDE, "0")
    opened(builder, tmp_path, model)
    assert (builder.built, builder.found) == ([STAGE, STAGE], [])


def test_precisions_backends_and_devices_have_engines_of_their_own(
    tmp_path: Path, builder: Builder, model: StageModel
) -> None:
    variants = [
        (model, "tensorrt", 0),
        (replace(model, precision="fp16"), "tensorrt", 0),
        (replace(model, precision="fp16"), "tensorrt", 1),
        (model, "tensorrt", 1),
    ]
    for _ in range(2):
        for variant, backend, device in variants:
            opened(builder, tmp_path, variant, backend, SessionOptions(device_id=device))
    assert (len(builder.built), len(builder.found)) == (4, 4)


@pytest.mark.parametrize("damage", ["cut", "changed", "gone", "added", "not finished", "no key"])
def test_what_was_damaged_is_not_trusted(
    tmp_path: Path, builder: Builder, model: StageModel, damage: str
) -> None:
    opened(builder, tmp_path, model)
    entry = entry_of(tmp_path)
    engine = entry / "engine" / f"{STAGE}.engine"
    content = engine.read_bytes()
    if damage == "cut":
        engine.write_bytes(content[:-1])
    elif damage == "changed":
        engine.write_bytes(content[:-1] + b"?")
    elif damage == "gone":
        engine.unlink()
    elif damage == "added":
        engine.with_name("more").write_text("")
    elif damage == "not finished":
        (entry / "contents.json").unlink()
    else:
        (entry / "key.json").write_text("{")

    opened(builder, tmp_path, model)

    assert builder.built == [STAGE, STAGE]
    assert engine.read_bytes() == content
    assert [file.name for file in engine.parent.iterdir()] == [engine.name]
    opened(builder, tmp_path, model)
    assert builder.found == [STAGE]


def test_what_is_built_while_it_runs_is_kept_too(
    tmp_path: Path, builder: Builder, model: StageModel
) -> None:
    session = EngineCache(tmp_path, builder).open(model, "tensorrt", SessionOptions())
    later = entry_of(tmp_path) / "engine" / "for a size that came later"
    later.write_text("engine")
    session.close()
    session.close()

    opened(builder, tmp_path, model, "tensorrt")

    assert builder.found == [STAGE]
    assert later.read_text() == "engine"


def test_a_session_on_a_device_stays_one_when_its_engine_is_kept(
    tmp_path: Path, model: StageModel
) -> None:
    def on_device(path: Path, _: str, __: SessionOptions) -> Session:
        return OnnxRuntimeDeviceSession(path, PROVIDERS["cpu"], SessionOptions(threads=1))

    session = EngineCache(tmp_path, on_device).open(model, "tensorrt", SessionOptions())

    assert isinstance(session, DeviceSession)
    assert session.device == "cpu:0"
    feeds = {
        name: np.ones([size if isinstance(size, int) else 2 for size in spec.shape], spec.dtype)
        for name, spec in session.inputs.items()
    }
    on_host = session.run(feeds)
    for name, value in session.run_on_device(feeds).items():
        np.testing.assert_array_equal(value.numpy(), on_host[name])
    session.close()


def test_an_engine_that_cannot_be_loaded_is_built_anew_or_done_without(
    tmp_path: Path, builder: Builder, model: StageModel, caplog: pytest.LogCaptureFixture
) -> None:
    opened(builder, tmp_path, model)
    builder.refuses = True
    opened(builder, tmp_path, model)
    assert "is not kept: the engine cannot be written" in caplog.text
    left = [path.name for path in tmp_path.iterdir() if path.is_dir()]
    assert [name for name in left if not name.startswith("timings")] == []
    builder.refuses = False
    opened(builder, tmp_path, model)
    assert builder.built == [STAGE, STAGE]


def refusing(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder in which nothing can be written, not even by root."""
    if kind == "read-only":
        return Path("/proc/sam3_ros_engines")
    if kind == "a file in the way":
        (tmp_path / "file").write_text("")
        return tmp_path / "file" / "engines"
    nothing_free = shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(engine_cache.shutil, "disk_usage", lambda _: nothing_free)
    return tmp_path


@pytest.mark.parametrize("kind", ["read-only", "a file in the way", "full"])
def test_a_disk_that_fails_is_reported_once_and_done_without(
    tmp_path: Path,
    builder: Builder,
    model: StageModel,
    kind: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    folder = refusing(kind, tmp_path, monkeypatch)
    cache = EngineCache(folder, builder)
    for _ in range(3):
        session = cache.open(model, "tensorrt", SessionOptions())
        assert session.provider == "CPUExecutionProvider"
        session.close()
    warnings = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warnings) == 1
    assert "engines cannot be kept in" in warnings[0].getMessage()
    assert builder.built == []


def test_a_disk_that_is_full_when_the_engine_is_sealed(
    tmp_path: Path, builder: Builder, model: StageModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_room(*_: object, **__: object) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(engine_cache.EngineEntry, "seal", no_room)
        opened(builder, tmp_path, model)
    assert not list(tmp_path.rglob("*.engine"))
    opened(builder, tmp_path, model)
    assert builder.built == [STAGE, STAGE]


@pytest.mark.parametrize("backend", ["cpu", "cuda", "openvino"])
def test_backends_that_build_nothing_make_no_folder(
    tmp_path: Path, builder: Builder, model: StageModel, backend: str
) -> None:
    folder = tmp_path / "engines"
    opened(builder, folder, model, backend)
    assert not folder.exists()
    assert builder.built == []


def test_a_whole_bundle_is_built_once(tmp_path: Path, sam3_bundle_path: Path) -> None:
    builder = Builder()
    for _ in range(2):
        Segmenter.load(
            sam3_bundle_path, "tensorrt", open_session=builder, engine_cache=tmp_path
        ).close()
    assert sorted(builder.built) == sorted(builder.found)
    assert len(builder.built) > 3
    Segmenter.load(sam3_bundle_path, "tensorrt", open_session=builder).close()
    assert len(builder.found) == len(builder.built)


def test_the_names_of_the_options_are_those_of_the_providers(
    tmp_path: Path, model: StageModel
) -> None:
    asked: list[SessionOptions] = []

    def remember(path: Path, _: str, options: SessionOptions) -> Session:
        asked.append(options)
        return open_session(path, "cpu")

    EngineCache(tmp_path, remember).open(model, "tensorrt", SessionOptions(threads=1)).close()
    tensorrt = dict(PROVIDERS["tensorrt"].request(asked[0]))["TensorrtExecutionProvider"]
    assert tensorrt["trt_engine_cache_enable"] == tensorrt["trt_timing_cache_enable"] == "True"
    assert tensorrt["trt_engine_cache_prefix"] == STAGE
    for name in ("trt_engine_cache_path", "trt_timing_cache_path"):
        assert Path(tensorrt[name]).is_dir()


def test_a_key_has_everything_that_an_engine_depends_on(model: StageModel) -> None:
    key = engine_key(model, "tensorrt", SessionOptions(device_id=1))
    assert json.loads(json.dumps(key)) == key
    assert set(key) == {
        "model", "precision", "provider", "versions", "device", "options", "tf32_forbidden",
        "input_size",
    }  # fmt: skip
    assert ["TensorrtExecutionProvider", {"device_id": "1"}] in key["options"]


def test_a_stage_with_a_name_that_is_no_file_name(
    tmp_path: Path, builder: Builder, model: StageModel
) -> None:
    opened(builder, tmp_path / "engines", replace(model, stage="../../up"))
    assert [path.name for path in tmp_path.iterdir()] == ["engines"]


def test_the_folder_is_in_the_users_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert default_engine_folder() == Path("/somewhere/sam3_ros/engines")
    monkeypatch.setenv("XDG_CACHE_HOME", "not/absolute")
    monkeypatch.setenv("HOME", "/home/robot")
    assert default_engine_folder() == Path("/home/robot/.cache/sam3_ros/engines")


def open_to_others(folder: Path, kind: str) -> Path:
    """Let others write where engines are kept; return the folder to give to the cache."""
    if kind == "link":
        link = folder.with_name("link")
        link.symlink_to(folder)
        return link
    if kind == "of another user":
        os.chown(folder, 54321, -1)
    else:
        (folder.parent if kind == "above" else folder).chmod(0o777)
    return folder


@pytest.mark.parametrize("kind", ["writable", "above", "link", "of another user"])
def test_an_engine_that_others_could_have_put_there_is_never_loaded(
    tmp_path: Path,
    builder: Builder,
    model: StageModel,
    kind: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    if kind == "of another user" and os.geteuid() != 0:
        pytest.skip("only root can give a file away")
    folder = tmp_path / "cache" / "engines"
    opened(builder, folder, model)
    given = open_to_others(folder, kind)
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}

    cache = EngineCache(given, builder)
    for _ in range(2):
        cache.open(model, "tensorrt", SessionOptions()).close()

    assert (builder.built, builder.found) == ([STAGE], [])
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before
    (error,) = (each for each in caplog.records if each.levelno == logging.ERROR)
    assert "an engine is code" in error.getMessage()
    assert "chmod" in error.getMessage() or "give" in error.getMessage()


@pytest.mark.parametrize("kind", ["file", "engine folder", "entry", "link", "entry is a link"])
def test_an_engine_that_others_could_have_changed_is_built_anew(
    tmp_path: Path, builder: Builder, model: StageModel, kind: str
) -> None:
    folder = tmp_path / "engines"
    opened(builder, folder, model)
    entry = entry_of(folder)
    engine = entry / "engine" / f"{STAGE}.engine"
    if kind == "link":
        real = engine.rename(tmp_path / "elsewhere")
        engine.symlink_to(real)
    elif kind == "entry is a link":
        real = entry.rename(tmp_path / "elsewhere")
        entry.symlink_to(real)
    else:
        {"file": engine, "engine folder": engine.parent, "entry": entry}[kind].chmod(0o777)

    opened(builder, folder, model)

    assert builder.built == [STAGE, STAGE]
    assert not engine.is_symlink() and not entry.is_symlink()
    opened(builder, folder, model)
    assert builder.found == [STAGE]


def test_everything_kept_is_for_the_user_alone(
    tmp_path: Path, builder: Builder, model: StageModel
) -> None:
    before = os.umask(0)
    try:
        opened(builder, tmp_path / "cache" / "engines", model)
    finally:
        os.umask(before)
    kept = [path for path in (tmp_path / "cache").rglob("*") if path.exists()]
    assert len(kept) > 5
    for path in (tmp_path / "cache", *kept):
        wanted = 0o700 if path.is_dir() else 0o600
        assert stat.S_IMODE(path.stat().st_mode) == wanted, path


@pytest.mark.parametrize("text", ["[]", "1", "null", '"key"'])
def test_a_key_of_another_form_is_damaged(
    tmp_path: Path, builder: Builder, model: StageModel, text: str
) -> None:
    opened(builder, tmp_path, model)
    (entry_of(tmp_path) / "key.json").write_text(text)
    opened(builder, tmp_path, model)
    assert builder.built == [STAGE, STAGE]
