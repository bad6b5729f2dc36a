"""A smaller SAM 3 is exported by what its tensors show; fewer layers are a file to start from."""

from __future__ import annotations

import json
from contextlib import redirect_stdout
from dataclasses import replace
from io import StringIO
from itertools import islice
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from smaller_sam3 import INPUT_SIZE, architecture, filled, rotary_shapes, write_original

from sam3_ros.cli.main import main
from sam3_ros.core.bundle.writer import BundleWriter
from sam3_ros.core.errors import CheckpointError, ExportError
from sam3_ros.export.bindings import Shapes
from sam3_ros.export.commands.export_job import ExportJob, describe
from sam3_ros.export.families.sam3 import SAM3
from sam3_ros.export.families.sam3_family import Sam3Architecture
from sam3_ros.export.families.sam3_layers import FewerLayers, evenly, kept_layers
from sam3_ros.export.family import sizes_of
from sam3_ros.export.models.trunks.recognise import (
    SAM3_TRUNK,
    TrunkArchitecture,
    build_trunk,
    recognise_trunk,
)
from sam3_ros.export.models.trunks.sam3_vit import Sam3VitSizes
from sam3_ros.export.models.trunks.trunk import TRUNK
from sam3_ros.export.onnx_file import write_onnx
from sam3_ros.export.verification.stages import unit_cases, verify_stage
from sam3_ros.export.weights.filled_network import from_checkpoint
from sam3_ros.export.weights.loading import original_tensors

VIT = Sam3VitSizes(width=128, ffn=96, depth=8, window=4)
#: Heads of another width, and other blocks that attend over the whole picture.
ODD_VIT = Sam3VitSizes(width=96, ffn=80, depth=5, window=4, head=32, everywhere=(1, 4))


def vit_shapes(vit: Sam3VitSizes, input_size: int | None = None) -> dict[str, tuple[int, ...]]:
    """Return a ViT's tensors in a checkpoint, with the rotary tables of an input size."""
    with torch.device("meta"):
        trunk = build_trunk(TrunkArchitecture("any", vit, vit.width), 14)
    shapes: dict[str, tuple[int, ...]] = {}
    for name, tensor in trunk.state_dict().items():
        for original in trunk.original_names.originals(name):
            plain, _, part = original.partition("#")
            rows, *rest = tensor.shape
            shapes[plain] = (3 * rows if part else rows, *rest)
    tables = {} if input_size is None else rotary_shapes(vit, input_size)
    return {**shapes, **{TRUNK + name: shape for name, shape in tables.items()}}


def without(shapes: Shapes, part: str) -> dict[str, tuple[int, ...]]:
    return {name: shape for name, shape in shapes.items() if part not in name}


@pytest.mark.parametrize(
    ("vit", "input_size"),
    [
        (Sam3VitSizes(768, 3072, 24), None),
        (Sam3VitSizes(768, 3072, 24), 1008),
        (Sam3VitSizes(384, 1536, 12), 504),
        (Sam3VitSizes(1024, 4736, 16), 336),  # windows are the whole grid
        (Sam3VitSizes(768, 3072, 12, window=14, head=96, everywhere=(2, 5, 11)), 1008),
    ],
)
def test_sizes_of_a_vit_are_read(vit: Sam3VitSizes, input_size: int | None) -> None:
    found = recognise_trunk(vit_shapes(vit, input_size), (SAM3_TRUNK,))
    assert (found.sizes, found.channels) == (vit, vit.width)
    assert found.name == f"sam3-vit-{vit.depth}x{vit.width}"


def test_the_published_vit_keeps_its_name_with_its_tables_and_without() -> None:
    for input_size in (None, 1008):
        assert recognise_trunk(vit_shapes(Sam3VitSizes(), input_size)) == SAM3_TRUNK


def test_a_published_vit_with_a_lost_block_is_left_to_strict_loading() -> None:
    shapes = without(vit_shapes(Sam3VitSizes(), 1008), ".blocks.9.")
    assert recognise_trunk(shapes, (SAM3_TRUNK,)) == SAM3_TRUNK


@pytest.mark.parametrize(
    ("shapes", "reason"),
    [
        (vit_shapes(Sam3VitSizes(96, 80, 4, 4, head=32)), r"96 channels, .* heads of 64, the size"),
        (
            without(vit_shapes(replace(VIT, depth=12)), ".blocks.11."),
            r"11 blocks, and no tensor shows which of them .* multiple of 4",
        ),
        (without(vit_shapes(VIT), ".blocks.5."), r"blocks 0, 1, 2, 3, 4, 6, 7; .* without a gap"),
        (without(vit_shapes(VIT, 112), ".blocks.7."), r"the last of .* 7 blocks attends within"),
        (
            {**vit_shapes(VIT, 112), TRUNK + "blocks.3.attn.freqs_cis": (49, 32)},
            r"rotary tables have \[16, 49, 64\] places; expected 16",
        ),
        (
            {**vit_shapes(VIT, 112), TRUNK + "blocks.3.attn.freqs_cis": (64, 16)},
            r"heads of \[32, 64\] channels, expected the same",
        ),
        (
            {**vit_shapes(VIT, 112), TRUNK + "blocks.3.attn.freqs_cis": (64,)},
            r"blocks.3.attn.freqs_cis has shape \[64\]",
        ),
    ],
)
def test_what_does_not_go_together_is_said(shapes: Shapes, reason: str) -> None:
    with pytest.raises(CheckpointError, match=reason):
        recognise_trunk(shapes, (SAM3_TRUNK,))


def shapes_of(sizes: Sam3Architecture) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in original_tensors(filled(sizes))}


def test_parts_of_different_models_are_refused() -> None:
    narrow = replace(VIT, width=64)
    mixed = shapes_of(architecture(VIT, 1, 1)) | shapes_of(architecture(narrow, 1, 1))
    mixed |= {n: s for n, s in shapes_of(architecture(VIT, 1, 1)).items() if ".convs." in n}
    with pytest.raises(CheckpointError, match=r"gives 64 channels, but the neck .* takes 128"):
        SAM3.recognise(mixed)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a checkpoint of eight blocks and of four fusion and three decoder layers."""
    path = tmp_path_factory.mktemp("whole") / "whole.safetensors"
    write_original(architecture(VIT, 4, 3, memory=2), path, tables=True)
    return path


@pytest.fixture(scope="module")
def small(whole: Path) -> Path:
    """Return the same with half of each."""
    path, told = whole.with_name("small.safetensors"), StringIO()
    fewer = ("--fusion-layers", "2", "--decoder-layers", "2", "--vit-depth", "4")
    with redirect_stdout(told):
        assert main(["slim", str(whole), "--out", str(path), *fewer]) == 0
    path.with_suffix(".txt").write_text(told.getvalue())
    return path


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("odd") / "odd.safetensors"
    write_original(architecture(ODD_VIT, 1, 3), path, tables=True)
    return path


@pytest.mark.parametrize(
    ("name", "variant", "sizes", "stages"),
    [
        (
            "small",
            "sam3-vit-4x128+mobileclip-2x64@16, fusion 2, decoder 2, memory attention 2",
            ("ViT, 4 blocks of width 128 (2 heads of 64), windows of 4 x 4", "2 layers of width"),
            ("fusion", "decoder"),
        ),
        (
            "odd",
            "sam3-vit-5x96+mobileclip-2x64@16, fusion 1, decoder 3, memory attention 1",
            (
                "(3 heads of 32), windows of 4 x 4, over the whole picture: blocks 1, 4",
                "1 layer of",
            ),
            ("image_trunk",),
        ),
    ],
)
def test_it_is_read_without_a_flag_and_its_stages_are_verified(
    name: str,
    variant: str,
    sizes: tuple[str, ...],
    stages: tuple[str, ...],
    request: pytest.FixtureRequest,
    tmp_path: Path,
) -> None:
    found = from_checkpoint(SAM3, request.getfixturevalue(name), None)
    assert found.architecture.variant == variant
    assert found.input_size == INPUT_SIZE  # as the rotary tables say

    for stage in stages:
        module = found.network.stages()[stage]
        file = write_onnx(module, tmp_path / f"{stage}.onnx")
        verify_stage(stage, module, file.path, islice(unit_cases(module), 4))

    job = ExportJob(
        family=SAM3,
        architecture=found.architecture,
        network=found.network,
        input_size=found.input_size,
        target=tmp_path / "bundle",
        source=found.source,
        parts=("concept",),
    )
    with BundleWriter(job.target) as writer:
        source = describe(job, writer).source
    assert source["variant"] == variant
    for part in (*sizes, f"trained at: {INPUT_SIZE} px, by its rotary tables"):
        assert part in source["sizes"]


def test_a_slimmed_file_has_the_layers_that_it_says(whole: Path, small: Path) -> None:
    told = small.with_suffix(".txt").read_text()
    for line in (
        "kept: fusion layers 0, 3 of 4",
        "kept: decoder layers 0, 2 of 3",
        "kept: ViT blocks 1, 3, 5, 7 of 8",
        "2 of 4 fusion layers",
    ):
        assert line in told

    before, after = safe_open(whole, "pt"), safe_open(small, "pt")
    notes = after.metadata()
    assert notes["kept_layers"] == (
        "fusion layers 0, 3 of 4; decoder layers 0, 2 of 3; ViT blocks 1, 3, 5, 7 of 8"
    )
    assert "fusion 2, decoder 2" in notes["variant"]
    fusion, decoder = "detector.transformer.encoder.layers.", "detector.transformer.decoder."
    for new, old in (
        (fusion + "0.linear1.weight", fusion + "0.linear1.weight"),
        (fusion + "1.linear1.weight", fusion + "3.linear1.weight"),
        (decoder + "layers.1.norm2.bias", decoder + "layers.2.norm2.bias"),
        (decoder + "bbox_embed.layers.0.weight", decoder + "bbox_embed.layers.0.weight"),
        (TRUNK + "blocks.0.attn.qkv.weight", TRUNK + "blocks.1.attn.qkv.weight"),
        (TRUNK + "blocks.2.attn.freqs_cis", TRUNK + "blocks.5.attn.freqs_cis"),
    ):
        assert torch.equal(after.get_tensor(new), before.get_tensor(old)), new
    assert not any(name.startswith(fusion + "2") for name in after.keys())  # noqa: SIM118


def test_inspect_shows_the_sizes(small: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", str(small), "--json"]) == 0
    sizes = json.loads(capsys.readouterr().out)["sizes"]
    assert sizes["image encoder"].endswith("picture: blocks 0, 1, 2, 3")
    assert sizes["fusion"].startswith("2 layers of width 64 (8 heads)")
    assert sizes["decoder"] == "2 layers, 12 queries"
    assert sizes["memory attention"].startswith("2 layers")


@pytest.mark.parametrize(
    ("fewer", "reason"),
    [
        (FewerLayers(fusion=5), "--fusion-layers 5: the checkpoint has 4 fusion layers"),
        (FewerLayers(decoder=4), "--decoder-layers 4: the checkpoint has 3 decoder layers"),
        (FewerLayers(vit=6), "--vit-depth 6: the 8 blocks are 4 parts"),
        (FewerLayers(vit=12), "--vit-depth 12: the checkpoint has 8 ViT blocks"),
    ],
)
def test_numbers_that_cannot_be_are_refused(fewer: FewerLayers, reason: str) -> None:
    with pytest.raises(ExportError, match=reason):
        kept_layers(architecture(VIT, 4, 3), fewer)


def test_the_command_refuses_them_and_writes_nothing(
    whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "out.safetensors"
    assert main(["slim", str(whole), "--out", str(target), "--fusion-layers", "5"]) == 2
    assert "slim only leaves some out; expected 1 to 4" in capsys.readouterr().err
    assert not target.exists()


def test_layers_that_stay_are_evenly_spaced() -> None:
    assert evenly(4, 6) == (0, 2, 3, 5)
    assert evenly(6, 6) == (0, 1, 2, 3, 4, 5)
    assert evenly(2, 6) == (0, 5)
    assert evenly(1, 6) == (5,)

    published = SAM3.architecture(SAM3.variants[0])
    (blocks,) = kept_layers(published, FewerLayers(vit=24))
    assert blocks.kept[:6] == (0, 2, 3, 4, 6, 7)
    assert {7, 15, 23, 31} < {*blocks.kept} and len(blocks.kept) == 24
    (ends,) = kept_layers(published, FewerLayers(vit=4))
    assert ends.kept == (7, 15, 23, 31)


def test_a_student_has_no_vit_to_shorten() -> None:
    from sam3_ros.export.families import FAMILIES

    student = FAMILIES["efficientsam3"]
    with pytest.raises(ExportError, match=r"SAM 3's own image encoder; that of .* is repvit"):
        kept_layers(student.architecture(student.variants[0]), FewerLayers(vit=4))
    clicks = FAMILIES["mobilesam"]
    with pytest.raises(ExportError, match="only SAM 3 and EfficientSAM3 have layers"):
        kept_layers(clicks.architecture(clicks.variants[0]), FewerLayers(fusion=4))
    assert not sizes_of(clicks.architecture(clicks.variants[0]))
