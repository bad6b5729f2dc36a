"""`sam3-ros verify --report`: a page that tells others what was verified, and of whom nothing."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from sam3_ros import __version__
from sam3_ros.cli.main import main
from sam3_ros.cli.verify.report_page import TITLE, ComparedWith, write_report
from sam3_ros.core.bundle.bundle import Bundle
from sam3_ros.core.bundle.files import sha256_of
from sam3_ros.export.verification.report import Figure, VerificationReport


def test_one_page_has_versions_weights_figures_and_a_verdict(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = shutil.copytree(Bundle.open("tabletop").path, tmp_path / "own")
    path = tmp_path / "new" / "report.md"
    assert main(["verify", str(own), "--report", str(path)]) == 0
    assert f"written: {path}" in capsys.readouterr().err
    page = path.read_text(encoding="utf-8")
    assert page.startswith(f"{TITLE}: tabletop\n")
    assert re.search(rf"\*\*verified: all \d+ figures .*\*\*, sam3_ros {__version__}, 20", page)
    assert "| recorded answers, fp32 |" in page
    assert "| onnxruntime | " in page and "| CPU | " in page
    assert "| verified (recorded answers) |" in page
    assert str(tmp_path) not in page


def test_nothing_is_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "report.md"
    path.write_text("mine")
    assert main(["verify", "tabletop", "--report", str(path)]) == 2
    assert f"{path} exists; it is not overwritten" in capsys.readouterr().err
    assert path.read_text() == "mine"
    words = ["verify", "tabletop", "--against", "tabletop", "--report", str(tmp_path / "new.md")]
    assert main(words) == 2
    assert "--report does not go with --against" in capsys.readouterr().err


FIGURES = (
    Figure("stage, fp32", "image: features", 2e-5, 1e-4),
    Figure("stage, fp32", "decoder: logits", 3e-4, 1e-4),
    Figure("PyTorch, fp32", "a click: masks equal", 0.99999, 0.9999, True),
)


def page_of(tmp_path: Path, figures: tuple[Figure, ...], **source: str) -> str:
    bundle = Bundle.open("tabletop")
    named = Bundle(bundle.path, replace(bundle.manifest, source=source))
    checkpoint = tmp_path / "model.pt"
    checkpoint.write_bytes(b"weights")
    path = tmp_path / "report.md"
    report = VerificationReport(bundle.path, figures)
    write_report(path, named, report, ComparedWith("PyTorch", "PyTorch", checkpoint))
    return path.read_text(encoding="utf-8")


def test_the_file_that_was_read_is_told_by_its_sum(tmp_path: Path) -> None:
    (tmp_path / "twin").write_bytes(b"weights")
    sha256 = sha256_of(tmp_path / "twin")
    address = "hf://org/repo/model.pt@" + "ab" * 20
    page = page_of(tmp_path, FIGURES, checkpoint_address=address, checkpoint_sha256=sha256)
    assert f"| its sha256 | `{sha256}`, as in the manifest |" in page
    assert f"| `{address}` | `{sha256}` | {__version__} |" in page
    other = page_of(tmp_path, FIGURES, checkpoint_sha256="cd" * 32)
    assert "NOT that of the manifest" in other


def test_what_failed_is_named(tmp_path: Path) -> None:
    page = page_of(tmp_path, FIGURES)
    assert "**FAILED: 1 of 3 figures are above their limits**" in page
    assert "| stage, fp32 | 2 | 1 | decoder: logits | 0.0003 | 0.0001 |" in page
    assert "| image: features | 2e-05 | 0.0001 | ok |" in page
    assert "Failed (1 of 1):" in page
    assert "| FAILED (PyTorch) |" in page


def test_random_weights_say_nothing_of_a_published_file(tmp_path: Path) -> None:
    page = page_of(tmp_path, FIGURES[:1], random_seed="3")
    assert "Random weights: this report says nothing of a published file." in page
    assert "None: the weights are random." in page
