"""Every family at its real size, by the commands that a user types: make verify-full.

Random weights, because published ones cannot be in a test. OUT keeps the bundles for a look;
REFERENCE and CHECKPOINT add the answers of the original's code.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from sam_of_transformers import differences
from smaller_sam3 import write_original

from sam3_ros.core.bundle.bundle import Bundle
from sam3_ros.export.families.sam3_family import Sam3Architecture
from sam3_ros.export.families.sam3_network import CommonSizes
from sam3_ros.export.fills import pictures
from sam3_ros.export.models.sam3.sizes import DetectorSizes
from sam3_ros.export.models.sam3.tracker_sizes import TrackerSizes
from sam3_ros.export.models.text.encoder import text_architecture
from sam3_ros.export.models.trunks.recognise import TrunkArchitecture
from sam3_ros.export.models.trunks.sam3_vit import Sam3VitSizes

pytestmark = pytest.mark.timeout(3600)

OUT = Path(os.environ.get("OUT", "out/full_size"))
GIGABYTE = 1e9


def sam3_ros(*arguments: str | Path) -> str:
    """Run the command and return its output; its progress goes to the terminal."""
    command = [sys.executable, "-m", "sam3_ros.cli.main", *map(str, arguments)]
    print("\n$ sam3-ros", *arguments[:1], *map(str, arguments[1:]), flush=True)
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    print(done.stdout, flush=True)
    assert done.returncode == 0, f"exit code {done.returncode}"
    return done.stdout


def export(family: str, out: str, *more: str | Path) -> Bundle:
    sam3_ros("export", family, "--out", OUT / out, "--force", *more)
    bundle = Bundle.open(OUT / out)
    peak = bundle.manifest.verification["peak_memory_bytes"] / GIGABYTE
    size = sum(file.bytes for file in bundle.manifest.files) / GIGABYTE
    print(f"{out}: peak memory {peak:.2f} GB, files {size:.2f} GB", flush=True)
    return bundle


def peak_gigabytes(bundle: Bundle) -> float:
    return bundle.manifest.verification["peak_memory_bytes"] / GIGABYTE


def test_efficientsam3_in_every_precision_and_back_from_its_checkpoint() -> None:
    checkpoint = OUT / "efficientsam3.safetensors"
    made = export(
        "efficientsam3",
        "efficientsam3",
        *("--random-weights", "1", "--precision", "fp32,fp16,int8"),
        # Masks of random weights hang on so little that int8 moves them.
        *("--allow-poor-precision", "--save-checkpoint", checkpoint),
    )

    assert peak_gigabytes(made) < 6
    assert set(made.capabilities) == {"concept", "interactive", "video"}
    sam3_ros("verify", made.path)
    table = json.loads(sam3_ros("inspect", checkpoint, "--json"))
    assert table["family"] == "efficientsam3"
    slim = OUT / "efficientsam3-slim.safetensors"
    sam3_ros("slim", checkpoint, "--out", slim, "--force")
    sam3_ros("verify", made.path, "--checkpoint", slim)


def test_efficientsam3_at_half_the_side() -> None:
    made = export(
        "efficientsam3", "efficientsam3-504", "--random-weights", "2", "--input-size", "504"
    )

    assert made.manifest.preprocessing.height == 504


@pytest.mark.parametrize(
    ("family", "variant"), [("efficientvit-sam", "l0"), ("mobilesam", "vit_t"), ("sam", "vit_b")]
)
def test_point_families(family: str, variant: str) -> None:
    made = export(family, family, "--random-weights", "3", "--variant", variant)

    assert made.capabilities == ("interactive",)
    sam3_ros("verify", made.path)


@pytest.mark.parametrize("variant", ["vit_b", "vit_l", "vit_h"])
def test_sam_answers_as_in_transformers(variant: str) -> None:
    checkpoint = OUT / f"sam_{variant}.pth"
    made = export(
        *("sam", f"sam-{variant}", "--random-weights", "5", "--variant", variant),
        *("--renditions", "portable", "--save-checkpoint", checkpoint),
    )

    found = differences(made, checkpoint, pictures((1, 3, 1024, 1024), torch.manual_seed(1)))
    print(found, flush=True)
    assert found.embedding < 1e-4 * found.largest_embedding
    assert found.mask_logits < 1e-4 * max(1, found.largest_mask_logit)
    assert found.same_pixels > 0.9999
    assert found.iou < 1e-4


def test_sam3_with_the_full_vit_and_litetext() -> None:
    made = export(
        "sam3", "sam3-litetext", "--random-weights", "4", "--variant", "sam3-vit+mobileclip-s0@16"
    )

    assert peak_gigabytes(made) < 12


def test_a_smaller_sam3_that_somebody_retrained() -> None:
    """24 blocks of width 768, four layers of fusion and decoder; then half of that by slim."""
    vit = Sam3VitSizes(768, 3072, 24)
    sizes = Sam3Architecture(
        TrunkArchitecture("sam3-vit-24x768", vit, vit.width),
        CommonSizes(
            text_architecture("mobileclip-s0", 16),
            DetectorSizes(trunk_channels=vit.width, fusion_layers=4, decoder_layers=4),
            TrackerSizes(trunk_channels=vit.width),
        ),
    )
    OUT.mkdir(parents=True, exist_ok=True)
    checkpoint = OUT / "sam3-24x768.safetensors"
    write_original(sizes, checkpoint, tables=True, input_size=1008)

    made = export("sam3", "sam3-24x768", "--checkpoint", checkpoint)

    assert made.manifest.preprocessing.height == 1008
    assert made.manifest.source["variant"] == (
        "sam3-vit-24x768+mobileclip-s0@16, fusion 4, decoder 4"
    )
    sam3_ros("verify", made.path)
    half = OUT / "sam3-12x768.safetensors"
    fewer = ("--fusion-layers", "2", "--decoder-layers", "2", "--vit-depth", "12")
    sam3_ros("slim", checkpoint, "--out", half, "--force", *fewer)
    smaller = export("sam3", "sam3-12x768", "--checkpoint", half)
    sam3_ros("verify", smaller.path, "--against", made.path, "--text", "red cube")


@pytest.mark.skipif("REFERENCE" not in os.environ, reason="REFERENCE names no folder of cases")
def test_answers_of_the_original_code() -> None:
    made = export("efficientsam3", "reference", "--checkpoint", os.environ["CHECKPOINT"])

    sam3_ros("verify", made.path, "--reference", os.environ["REFERENCE"])
