"""Checkpoints by way of a hub that runs here: fetched, resumed, cached, refused in one line."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from disk_limits import files_up_to
from local_hub import TOKEN, LocalHub, ask_here, hub_environment, running_hub, sha256

from sam3_ros.core.errors import HubError
from sam3_ros.hub.address import parsed_address
from sam3_ros.hub.checkpoint import HubCheckpoint, hub_checkpoint
from sam3_ros.hub.download import DownloadProgress
from sam3_ros.hub.environment import check_hub_client, check_hub_environment

PYPROJECT = Path(__file__).parents[2] / "pyproject.toml"
WEIGHTS = os.urandom(200_000)
INDEX = json.dumps({"weight_map": {"a": "m-1-of-2.safetensors", "b": "m-2-of-2.safetensors"}})
SHARDS = {"w/m-1-of-2.safetensors": os.urandom(3000), "w/m-2-of-2.safetensors": os.urandom(5000)}
FILES = {
    "model.pt": WEIGHTS,
    "config.json": b"{}",
    "w/m.safetensors.index.json": INDEX.encode(),
    **SHARDS,
}


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalHub]:
    with running_hub() as running:
        running.add("org/repo", FILES)
        ask_here(running, tmp_path, monkeypatch)
        yield running


class Fetched:
    """Fetches, and keeps what was told."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.seen: list[DownloadProgress] = []

    def __call__(self, address: str = "hf://org/repo/model.pt") -> HubCheckpoint:
        return hub_checkpoint(parsed_address(address), self.said.append, self.seen.append)


@pytest.fixture
def fetch() -> Fetched:
    return Fetched()


def left_in(folder: Path) -> list[str]:
    """Return the unfinished and finished contents in the cache."""
    return sorted(path.name for path in folder.glob("hub/models--*/blobs/*"))


def test_a_file_is_fetched_once_and_its_commit_and_sum_are_known(
    hub: LocalHub, fetch: Fetched, tmp_path: Path
) -> None:
    found = fetch()

    assert found.file.path.name == "model.pt"
    assert found.file.path.read_bytes() == WEIGHTS
    assert found.file.path.is_relative_to(tmp_path / "hub")
    assert found.file.sha256 == sha256(WEIGHTS)
    assert found.source == {"checkpoint_address": f"hf://org/repo/model.pt@{'1' * 40}"}
    assert (fetch.seen[-1].done, fetch.seen[-1].total) == (len(WEIGHTS), len(WEIGHTS))
    before = len(hub.asked("GET", "/"))
    assert fetch().file == found.file
    assert fetch(f"hf://org/repo/model.pt@{'1' * 40}").file == found.file
    assert len(hub.asked("GET", "/")) == before
    assert left_in(tmp_path) == [sha256(WEIGHTS)]


@pytest.mark.usefixtures("hub")
def test_a_small_file_has_the_sum_of_git(fetch: Fetched) -> None:
    assert fetch("hf://org/repo/config.json@v1").file.sha256 == sha256(b"{}")


def test_the_login_goes_to_the_hub_and_not_to_its_storage(
    hub: LocalHub, fetch: Fetched, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    hub.repositories["org/repo"].private = True
    fetch()

    assert all(each.authorised for each in hub.requests if "resolve" in each.path)
    assert not any(each.authorised for each in hub.asked("GET", "/storage/"))


def test_a_cut_connection_goes_on_where_it_ended(hub: LocalHub, fetch: Fetched) -> None:
    hub.cuts = [1000, 0, 50_000, 1]

    assert fetch().file.path.read_bytes() == WEIGHTS
    ranges = [each.range for each in hub.asked("GET", "/storage/")]
    assert ranges == [None, *(f"bytes={n}-" for n in (1000, 1000, 51_000, 51_001))]


def test_a_lost_connection_is_told_and_the_next_run_goes_on(
    hub: LocalHub, fetch: Fetched, tmp_path: Path
) -> None:
    hub.cuts = [7000, 0, 0, 0]
    with pytest.raises(HubError, match=r"lost at .* the same command goes on from there"):
        fetch()
    assert left_in(tmp_path) == [f"{sha256(WEIGHTS)}.sam3-ros.incomplete"]
    hub.requests.clear()

    assert fetch().file.path.read_bytes() == WEIGHTS
    assert [each.range for each in hub.asked("GET", "/storage/")] == ["bytes=7000-"]


def test_bytes_with_another_sum_are_refused_and_do_not_stay(
    hub: LocalHub, fetch: Fetched, tmp_path: Path
) -> None:
    hub.swapped[sha256(WEIGHTS)] = bytes(len(WEIGHTS))
    with pytest.raises(HubError, match="came damaged: its bytes have not the sum"):
        fetch()
    assert left_in(tmp_path) == []

    hub.swapped.clear()
    assert fetch().file.path.read_bytes() == WEIGHTS


def test_what_an_earlier_run_left_damaged_is_fetched_anew(
    hub: LocalHub, fetch: Fetched, tmp_path: Path
) -> None:
    hub.cuts = [7000, 0, 0, 0]
    with pytest.raises(HubError):
        fetch()
    (partial,) = tmp_path.glob("hub/models--*/blobs/*")
    partial.write_bytes(bytes(7000))

    assert fetch().file.path.read_bytes() == WEIGHTS
    assert any("is damaged: it is fetched from the beginning" in line for line in fetch.said)


@pytest.mark.usefixtures("hub")
def test_a_file_that_was_damaged_in_the_cache_is_fetched_again(fetch: Fetched) -> None:
    path = fetch().file.path
    path.resolve().write_bytes(bytes(len(WEIGHTS)))

    assert fetch().file.path.read_bytes() == WEIGHTS
    assert any(line.endswith("is damaged: it is fetched again") for line in fetch.said)


@pytest.mark.usefixtures("hub")
def test_an_index_brings_its_files_beside_it(fetch: Fetched) -> None:
    found = fetch("hf://org/repo/w/m.safetensors.index.json")

    beside = found.file.path.parent
    for name, content in SHARDS.items():
        assert (beside / Path(name).name).read_bytes() == content
    sums = found.source["checkpoint_shards_sha256"].split("; ")
    assert sums == [f"{Path(name).name} {sha256(content)}" for name, content in SHARDS.items()]


def test_a_configuration_comes_with_the_weights_that_it_describes(
    hub: LocalHub, fetch: Fetched
) -> None:
    hub.add("org/sam3", {"m.safetensors": WEIGHTS, "config.json": b"{}", "w/m.safetensors": b"1"})
    found = fetch("hf://org/sam3/m.safetensors").file.path
    assert found.with_name("config.json").read_bytes() == b"{}"
    assert not fetch("hf://org/sam3/w/m.safetensors").file.path.with_name("config.json").exists()

    hub.add("org/huge", {"m.safetensors": WEIGHTS, "config.json": bytes(1_000_001)})
    with pytest.raises(HubError, match=r"config\.json@1+ has 1000001 bytes, 1000000 at most"):
        fetch("hf://org/huge/m.safetensors")


@pytest.mark.parametrize(
    "index",
    [
        b'{"weight_map": {"a": "../../../etc/passwd"}}',
        b'{"weight_map": {"a": "/etc/passwd"}}',
        b'{"weight_map": {"a": "C:\\\\m.safetensors"}}',
        b'{"weight_map": {}}',
        b'{"weight_map": ["a"]}',
        b"[" * 500,
        b"no json",
    ],
)
def test_an_index_of_something_else_is_refused(index: bytes, hub: LocalHub, fetch: Fetched) -> None:
    hub.add("org/odd", {"m.index.json": index})

    with pytest.raises(HubError, match=r"no file beside it|is no index|lists 0 files"):
        fetch("hf://org/odd/m.index.json")
    assert len(hub.asked("HEAD", "/")) == 2  # ours, and the client's own


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("hf://org/repo/modle.pt", "no file 'modle.pt' at main: .*; did you mean 'model.pt'"),
        ("hf://org/repo/model.pt@v9", "no revision 'v9'"),
        ("hf://org/none/model.pt", "sees no repository org/none: .* `hf auth login`"),
        ("hf://org/gated/model.pt", "is gated: ask for access at http.*org/gated, then `hf auth"),
        ("hf://org/repo", "hf://org/repo/FILE; it has .*model.pt"),
    ],
)
def test_what_cannot_be_had_says_what_to_do(
    address: str, words: str, hub: LocalHub, fetch: Fetched
) -> None:
    hub.add("org/gated", FILES, gated=True)

    with pytest.raises(HubError, match=words):
        fetch(address)


def test_with_a_login_it_speaks_of_the_account(
    hub: LocalHub, fetch: Fetched, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    hub.add("org/gated", FILES, gated=True)

    with pytest.raises(HubError, match="your account has no access yet: ask for it at http"):
        fetch("hf://org/gated/model.pt")
    with pytest.raises(HubError, match="your account sees no repository org/none: check the name"):
        fetch("hf://org/none/model.pt")


@pytest.mark.parametrize(
    ("status", "words"),
    [(503, "answers 503 .* try again later"), (429, "too many requests"), (401, "take your login")],
)
def test_a_hub_in_trouble(status: int, words: str, hub: LocalHub, fetch: Fetched) -> None:
    hub.status = status
    with pytest.raises(HubError, match=words):
        fetch()


def test_a_page_of_somebody_else_is_told(hub: LocalHub, fetch: Fetched) -> None:
    hub.is_another_site = True
    for address in ("hf://org/repo/model.pt", "hf://org/repo"):
        with pytest.raises(HubError, match="is not the hub: check HF_ENDPOINT"):
            fetch(address)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("HF_ENDPOINT", "huggingface.co"),
        ("HF_ENDPOINT", "http://hub:port"),
        ("HF_HUB_DOWNLOAD_TIMEOUT", "10s"),
    ],
)
def test_a_variable_that_the_client_cannot_read_is_told(name: str, value: str) -> None:
    with pytest.raises(HubError, match=f"{name} is {value!r}: expected"):
        check_hub_environment({name: value})
    check_hub_environment({"HF_ENDPOINT": "http://127.0.0.1:9", "HF_HUB_ETAG_TIMEOUT": "3"})


def test_a_client_that_is_too_old_is_told() -> None:
    (oldest,) = re.findall(r"^hub = .*>=([\d.]+),", PYPROJECT.read_text("utf-8"), re.MULTILINE)
    check_hub_client(f"{oldest}.0")
    with pytest.raises(HubError, match=f"0.26.5 is too old: pip install .*>={oldest}'"):
        check_hub_client("0.26.5")


@pytest.mark.usefixtures("hub")
def test_without_a_network_the_cache_answers_or_it_is_told(
    fetch: Fetched, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = fetch().file.path
    ask_here(LocalHub(url="http://127.0.0.1:9"), tmp_path, monkeypatch)

    words = r"127.0.0.1:9 cannot be reached .* check the network.*; the cache .* does not have it"
    with pytest.raises(HubError, match=words):
        fetch("hf://org/repo/config.json")
    found = fetch()
    assert found.file.path == path
    assert found.file.address.revision == "1" * 40
    assert "taken from the cache, where main was 1111" in fetch.said[-1]


@pytest.mark.usefixtures("hub")
def test_a_machine_that_is_to_stay_offline_is_served_from_its_cache(
    fetch: Fetched, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = fetch().file.path
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)

    assert fetch().file.path == path
    assert fetch.said[-1].startswith("HF_HUB_OFFLINE is set: nobody is asked for hf://org/repo")
    with pytest.raises(HubError, match=r"the cache .* does not have it"):
        fetch("hf://org/repo/config.json")


def test_too_little_room_is_told_before_a_byte_is_fetched(
    hub: LocalHub, fetch: Fetched, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1000))

    with pytest.raises(HubError, match=r"needs 0.2 MB, and .* has 0.0 MB free: make room"):
        fetch()
    assert hub.asked("GET", "/storage/") == []


@pytest.mark.usefixtures("hub")
def test_a_disk_that_becomes_full_is_told_with_the_file(fetch: Fetched) -> None:
    with files_up_to(100_000), pytest.raises(OSError, match="File too large") as caught:
        fetch()
    assert str(caught.value.filename).endswith(".sam3-ros.incomplete")

    assert fetch().file.path.read_bytes() == WEIGHTS


@pytest.mark.usefixtures("hub")
def test_a_second_process_does_not_write_into_the_same_file(fetch: Fetched, tmp_path: Path) -> None:
    import fcntl

    folder = tmp_path / "hub/models--org--repo/blobs"
    folder.mkdir(parents=True)
    with (folder / f"{sha256(WEIGHTS)}.sam3-ros.incomplete").open("ab") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(HubError, match="another process is fetching"):
            fetch()
    assert fetch().file.path.read_bytes() == WEIGHTS


def test_the_command_of_a_fresh_machine_says_one_line(tmp_path: Path) -> None:
    """The client itself reads the environment, and a log has no codes of a terminal."""
    with running_hub() as hub:
        hub.add("org/gated", FILES, gated=True)
        done = subprocess.run(
            [sys.executable, "-m", "sam3_ros.cli.main", "bundle", "pull", "hf://org/gated"],
            env={**os.environ, **hub_environment(hub, tmp_path)},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 2
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith(
        "sam3-ros: error: org/gated is gated: ask for access at http://127.0.0.1"
    )
