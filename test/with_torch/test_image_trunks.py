"""Trunks against the numbers of the original code, the published tensors' names, ONNX Runtime."""

from __future__ import annotations

import hashlib
import math
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from torch import Tensor, nn

from sam3_ros.core.errors import CheckpointError, ExportError
from sam3_ros.export.bindings import bindings
from sam3_ros.export.models.trunks import sam3_vit
from sam3_ros.export.models.trunks.efficientvit import EfficientVitSizes
from sam3_ros.export.models.trunks.recognise import (
    ALL_TRUNKS,
    SAM3_TRUNK,
    TRUNKS,
    TrunkArchitecture,
    build_trunk,
    recognise_trunk,
    trunk_architecture,
)
from sam3_ros.export.models.trunks.repvit import RepVitSizes
from sam3_ros.export.models.trunks.sam3_vit import UNNEEDED, Sam3VitSizes
from sam3_ros.export.models.trunks.tinyvit import TinyVitSizes
from sam3_ros.export.models.trunks.trunk import STUDENT, TRUNK, Trunk
from sam3_ros.export.onnx_file import write_onnx

SMALL = {
    architecture.name: architecture
    for architecture in (
        TrunkArchitecture("repvit", RepVitSizes((16, 24, 40), (3, 2, 2)), 64),
        TrunkArchitecture(
            "tinyvit", TinyVitSizes((16, 32, 48, 64), (1, 2, 1, 1), (2, 3, 4), (5, 4, 3)), 64
        ),
        TrunkArchitecture(
            "efficientvit", EfficientVitSizes((8, 16, 24, 32, 64), (1, 2, 1, 1, 2), 16), 64
        ),
        TrunkArchitecture("vit", Sam3VitSizes(width=128, ffn=200, depth=8, window=4), 128),
    )
}


def original_values(name: str, shape: tuple[int, ...]) -> Tensor:
    """Return numbers for a tensor of the original's checkpoint that depend only on its name."""
    noise = np.random.default_rng(zlib.crc32(name.encode())).standard_normal(shape)
    noise = noise.astype(np.float32)
    if name.endswith("running_var"):
        noise = 1 + 0.3 * np.abs(noise)
    elif len(shape) < 2:
        noise = 0.1 * noise + (1 if name.endswith("weight") else 0)
    elif not name.endswith("attention_biases"):
        noise = noise / np.float32(math.sqrt(math.prod(shape[1:])))
    if name.endswith(".conv.weight"):  # of EfficientViT, whose hardswish halves what is small
        noise = np.float32(1.3) * noise
    return torch.from_numpy(np.asarray(noise, np.float32))


def original_shapes(trunk: Trunk) -> dict[str, tuple[int, ...]]:
    """Return names and shapes of the trunk's tensors in a checkpoint."""
    own, found = trunk.state_dict(), {}
    for binding in bindings((name, trunk.original_names, name) for name in own):
        (original,) = binding.originals
        parts = [tuple(own[target].shape) for target in binding.targets]
        found[original] = (sum(p[0] for p in parts), *parts[0][1:]) if parts[0] else ()
    return found


def filled(architecture: TrunkArchitecture, input_size: int) -> Trunk:
    trunk = build_trunk(architecture, input_size)
    own, shapes = trunk.state_dict(), original_shapes(trunk)
    for binding in bindings((name, trunk.original_names, name) for name in own):
        (original,) = binding.originals
        targets = [own[target] for target in binding.targets]
        if targets[0].is_floating_point():
            parts = original_values(original, shapes[original]).chunk(len(targets))
            for target, part in zip(targets, parts, strict=True):
                target.copy_(part)
    return trunk


def answer(trunk: Trunk, pixels: Tensor) -> Tensor:
    with torch.no_grad():
        (features,) = trunk(pixels)
    return features


def meta_shapes(architecture: TrunkArchitecture) -> dict[str, tuple[int, ...]]:
    with torch.device("meta"):
        return original_shapes(build_trunk(architecture, 1008))


# Computed by EfficientSAM3's own modules (its copy of RepViT, TinyViT, EfficientViT and SAM 3's
# ViT with complex rotary positions) with original_values() in them.
@pytest.mark.parametrize(
    ("name", "input_size", "expected"),
    [
        ("repvit", 140, (0.16319, -0.97838, 0.15472, 0.87978, -0.13568, 1.62612)),
        ("tinyvit", 140, (-0.38194, -0.61208, -0.19893, 0.34149, -0.05433, 0.39075)),
        ("efficientvit", 140, (-0.08415, -0.46695, 0.13136, 0.19874, -0.64569, 0.43888)),
        ("vit", 126, (4.30643, -2.33913, -0.75961, -1.72786, 0.46101, 2.78567)),
    ],
)
def test_features_equal_those_of_the_original(
    name: str, input_size: int, expected: tuple[float, ...]
) -> None:
    noise = np.random.default_rng(0).standard_normal((1, 3, input_size, input_size))
    trunk = filled(SMALL[name], input_size)
    features = answer(trunk, torch.from_numpy(noise.astype(np.float32)))[0]
    c, grid = SMALL[name].channels, input_size // 14
    assert features.shape == (c, grid, grid)
    places = ((0, 0, 0), (c // 2, 1, 2), (c - 1, 3, 3), (c // 3, -1, 1), (5, 2, -1))
    found = (*(float(features[place]) for place in places), float(features.std()))
    assert found == pytest.approx(expected, abs=1e-4)


# Tensors and numbers of the published encoders (SAM 3's without its rotary positions), and the
# start of the sha256 over their names and shapes.
@pytest.mark.parametrize(
    ("name", "tensors", "numbers", "digest"),
    [
        ("repvit-m0_9", 707, 14_600_411, "48436ed437583380"),
        ("repvit-m1_1", 653, 17_799_091, "ea222b7bcacd2cb0"),
        ("repvit-m2_3", 1463, 32_654_035, "819022e39886bcea"),
        ("tinyvit-5m", 300, 14_850_992, "49b9bdb95d1b8dbc"),
        ("tinyvit-11m", 300, 20_461_024, "52a01dbd0b1e44bd"),
        ("tinyvit-21m", 300, 30_670_908, "adfc1f386e7c7662"),
        ("efficientvit-b0", 194, 10_259_322, "0a321d7c6c1143ed"),
        ("efficientvit-b1", 269, 14_358_755, "f5267f9040b87f37"),
        ("efficientvit-b2", 362, 24_834_511, "2caf9a5facbd6d16"),
        ("sam3-vit", 388, 446_237_696, "ced16edb1dcb4fef"),
    ],
)
def test_tensors_are_exactly_the_published_ones(
    name: str, tensors: int, numbers: int, digest: str
) -> None:
    shapes = meta_shapes(trunk_architecture(name))
    assert (len(shapes), sum(map(math.prod, shapes.values()))) == (tensors, numbers)
    lines = sorted(f"{tensor} {list(shape)}" for tensor, shape in shapes.items())
    assert hashlib.sha256("\n".join(lines).encode()).hexdigest().startswith(digest)
    assert recognise_trunk(shapes) == trunk_architecture(name)


def test_the_student_is_used_even_where_the_teacher_is_present() -> None:
    student = trunk_architecture("tinyvit-5m")
    assert recognise_trunk({**meta_shapes(SAM3_TRUNK), **meta_shapes(student)}) == student


def test_a_trunk_with_few_faults_is_left_to_strict_loading() -> None:
    shapes = meta_shapes(trunk_architecture("repvit-m0_9"))
    shapes[STUDENT + "backbone.model.features.0.2.c.weight"] = (24, 48, 3, 3)
    del shapes[STUDENT + "head.0.weight"]
    assert recognise_trunk(shapes).name == "repvit-m0_9"


def test_another_encoder_is_refused_with_what_was_found() -> None:
    with pytest.raises(CheckpointError, match=r"repvit-m0_9, .*no tensor has such a name"):
        recognise_trunk({"detector.backbone.language_backbone.x": (1,)})
    with pytest.raises(CheckpointError, match=r"found 1 tensors .*patch_embed\.x \[3, 4\]"):
        recognise_trunk({TRUNK + "patch_embed.x": (3, 4)})
    with pytest.raises(CheckpointError, match=r"one of repvit-m0_9, .* but found TinyVitSizes"):
        recognise_trunk(meta_shapes(trunk_architecture("tinyvit-5m")), known=TRUNKS[:3])
    with pytest.raises(ExportError, match="unknown image encoder 'resnet'"):
        trunk_architecture("resnet")


def test_a_student_of_other_sizes_is_read_from_its_tensors() -> None:
    narrow = TrunkArchitecture("narrow", RepVitSizes((24, 48, 96, 192), (2, 2, 7, 1)), 768)
    found = recognise_trunk(meta_shapes(narrow))
    assert (found.sizes, found.channels) == (narrow.sizes, 768)
    assert found.name == "repvit-24-48-96-192x2-2-7-1"


def test_chunked_attention_gives_the_same_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    trunk = filled(SMALL["vit"], 112)
    (pixels,) = trunk.examples({}, seed=2).values()
    at_once = answer(trunk, pixels)
    monkeypatch.setattr(sam3_vit, "QUERIES_AT_A_TIME", 7)
    torch.testing.assert_close(answer(trunk, pixels), at_once, atol=1e-4, rtol=1e-4)


def test_norms_of_the_vit_have_the_eps_of_the_original() -> None:
    norms = [m for m in build_trunk(SMALL["vit"], 112).modules() if isinstance(m, nn.LayerNorm)]
    assert {norm.eps for norm in norms} == {1e-5}  # 1e-6 in transformers


def test_rotary_positions_are_the_only_tensors_of_the_vit_that_are_not_needed() -> None:
    (unneeded,) = UNNEEDED
    assert "computed" in unneeded.reason
    assert unneeded.pattern.endswith("freqs_cis")


@pytest.mark.parametrize("input_size", [0, 7, 100, 1000, 1024])
@pytest.mark.parametrize("architecture", [SMALL["repvit"], SMALL["vit"]], ids=lambda a: a.name)
def test_an_input_size_that_is_no_multiple_of_the_patch_is_refused(
    architecture: TrunkArchitecture, input_size: int
) -> None:
    with pytest.raises(ExportError, match="multiple of 14"):
        build_trunk(architecture, input_size)


@pytest.mark.parametrize("input_size", [14, 70, 112, 154, 504])
@pytest.mark.parametrize("name", SMALL)
def test_any_multiple_of_the_patch_size_works(name: str, input_size: int) -> None:
    trunk = filled(SMALL[name], input_size)
    (pixels,) = trunk.examples({}, seed=1).values()
    features = answer(trunk, pixels)
    assert features.shape == (1, SMALL[name].channels, input_size // 14, input_size // 14)
    assert features.isfinite().all()


@pytest.mark.parametrize("name", SMALL)
def test_features_depend_on_their_own_image_only(name: str) -> None:
    trunk = filled(SMALL[name], 112)
    pixels = torch.randn(2, 3, 112, 112, generator=torch.Generator().manual_seed(0))
    both = answer(trunk, pixels)
    torch.testing.assert_close(both[1:], answer(trunk, pixels[1:]), atol=1e-4, rtol=1e-4)
    assert (both[0] - both[1]).std() > 0.1 * both.std()


@pytest.mark.parametrize("name", SMALL)
def test_onnx_runtime_gives_what_pytorch_gives(name: str, tmp_path: Path) -> None:
    trunk = filled(SMALL[name], 112)
    session = onnxruntime.InferenceSession(write_onnx(trunk, tmp_path / "trunk.onnx").path)
    for seed in range(2):
        (pixels,) = trunk.examples({}, seed).values()
        (found,) = session.run(["trunk"], {"pixel_values": pixels.numpy()})
        np.testing.assert_allclose(found, answer(trunk, pixels).numpy(), atol=1e-4)


def test_names_are_unique_and_sizes_are_consistent() -> None:
    assert len({architecture.name for architecture in ALL_TRUNKS}) == len(ALL_TRUNKS) == 10
    with pytest.raises(ValueError, match="2 widths but 1 depths"):
        RepVitSizes((8, 16), (1,))
    with pytest.raises(ValueError, match="resolutions"):
        TinyVitSizes((8, 16), (1, 1), (1, 2), (7, 7))
    with pytest.raises(ValueError, match="5 widths but 4 depths"):
        EfficientVitSizes((8, 16, 32, 64, 128), (1, 2, 2, 2), 16)
    with pytest.raises(ValueError, match="width 100"):
        replace(Sam3VitSizes(), width=100)
