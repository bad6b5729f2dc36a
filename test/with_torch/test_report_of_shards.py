"""The page of `verify --report` has the sum of a checkpoint in several files as manifests do."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import torch
from safetensors.torch import save_file

from sam3_ros.cli.verify.report_page import ComparedWith, write_report
from sam3_ros.core.bundle.bundle import Bundle
from sam3_ros.export.checkpoint.file import open_checkpoint
from sam3_ros.export.verification.report import Figure, VerificationReport


def test_shards_have_the_sum_of_the_manifest(tmp_path: Path) -> None:
    places = {"a": "m-00001-of-00002.safetensors", "b": "m-00002-of-00002.safetensors"}
    for name, file in places.items():
        save_file({name: torch.ones(2)}, tmp_path / file)
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": places}))
    sha256 = open_checkpoint(index).sha256()
    bundle = Bundle.open("tabletop")
    manifest = replace(bundle.manifest, source={"checkpoint_sha256": sha256})
    report = VerificationReport(bundle.path, (Figure("PyTorch, fp32", "logits", 1e-6, 1e-5),))
    for given in (index, tmp_path):
        page = tmp_path / f"{given.name}.md"
        compared = ComparedWith("PyTorch", "PyTorch", given)
        write_report(page, Bundle(bundle.path, manifest), report, compared)
        assert f"| its sha256 | `{sha256}`, as in the manifest |" in page.read_text("utf-8")
