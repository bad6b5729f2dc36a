"""`sam3-ros label --ray` as a person runs it: a cluster of its own, the real model, a real bag."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from bags import write_bag

COMMAND = [sys.executable, "-m", "sam3_ros.cli.main", "label"]
FRAMES = 34  # a chunk of 32, and one more


@pytest.fixture(scope="module")
def bag(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_bag(tmp_path_factory.mktemp("bag") / "drive", FRAMES, truth=False)


def label(bag: Path, out: Path, *options: str) -> subprocess.CompletedProcess:
    asked = [str(bag), "--text", "red cube; ball", "--out", str(out), "--json", *options]
    return subprocess.run([*COMMAND, *asked], capture_output=True, text=True, timeout=280)


def test_a_cluster_writes_the_bytes_of_one_worker_which_goes_on_with_its_work(bag, tmp_path):
    local, cluster = tmp_path / "local", tmp_path / "cluster"
    assert label(bag, local, "--workers", "1").returncode == 0
    done = label(bag, cluster, "--ray", "--workers", "2")
    assert done.returncode == 0, done.stderr
    json.loads(done.stdout)  # nothing else is on stdout
    assert not {"Warning", "raylet", "ray."} & set(done.stderr.split())
    assert outputs(cluster) == outputs(local)
    # A chunk that the cluster has lost is made by a worker of this machine.
    (lost,) = cluster.rglob("000001.json")
    lost.unlink()
    assert label(bag, cluster, "--workers", "1").returncode == 0
    assert outputs(cluster) == outputs(local)


def outputs(out: Path) -> dict[str, bytes]:
    """Return all files but the summary, which has times, and what is hidden."""
    files = (path for path in out.rglob("*") if path.is_file())
    found = {str(path.relative_to(out)): path.read_bytes() for path in files}
    kept = {name: each for name, each in found.items() if not name.startswith(".")}
    kept.pop("summary.json")
    chunks = {name: each for name, each in found.items() if name.endswith(".json") and "/0" in name}
    assert kept and chunks
    return kept | chunks
