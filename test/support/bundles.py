"""Small bundles for the tests: real folders, real ONNX, answers that make sense.

What they answer is told in colour_stages: coloured patches on grey, asked for by colour word, by
click, by box. Draw the images with scenes.colour_scene.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import colour_points as points
import colour_stages as stages
import numpy as np
import onnx
from colour_stages import DEPTH, F32, WORDS, Frame, deepened, pooled
from onnx_graph import OnnxGraph, with_half_tensors
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace

from sam3_ros.core.bundle.bundle import Bundle
from sam3_ros.core.bundle.manifest import (
    ConceptSettings,
    InteractiveSettings,
    Preprocessing,
    SingleMask,
    TokenizerSettings,
)
from sam3_ros.core.bundle.writer import BundleDescription, BundleWriter
from sam3_ros.core.geometry import ImageSize
from sam3_ros.core.stages.plan import PORTABLE

SAM3_FRAME = Frame(96, 128, stride=1)
MOBILE_FRAME = Frame(128, 128, stride=1)
MOBILE_SPACE = (256, 256)
HALF = (0.5, 0.5, 0.5)
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
CONTEXT_LENGTH = 8

Tensors = Mapping[str, str]
Parts = tuple[OnnxGraph, Tensors, Tensors]


def write_sam3_bundle(
    target: Path,
    *,
    split_image: bool = True,
    precisions: tuple[str, ...] = ("fp32",),
    name: str = "colours",
    prepares_pixels: bool = False,
) -> Bundle:
    """Write a bundle of both capabilities, in the style of SAM 3.

    The image takes three stages (image_trunk, detector_neck, tracker_neck), or one (image) without
    `split_image`. The precision fp16 has float16 inputs and outputs in every file. prepares_pixels:
    for backend cuda in tf32 there is a stage that computes pixel_values.
    """
    image = _split_image() if split_image else {"image": _fused_image()}
    with BundleWriter(target) as writer:
        for stage, parts in {**image, **_concept_stages(), **_interactive_stages()}.items():
            _add_stage(writer, stage, parts, target, precisions)
        if prepares_pixels:
            _add_stage(writer, "pixels", _prepared_pixels(), target, ("fp32",), "cuda")
        tokenizer = writer.add_file(_tokenizer_file(target), "tokenizer.json")
        return writer.finish(
            BundleDescription(
                name=name,
                description="finds coloured patches, for tests",
                licence="Apache-2.0",
                source={"origin": "made by the tests"},
                preprocessing=Preprocessing(SAM3_FRAME.height, SAM3_FRAME.width, HALF, HALF),
                concept=ConceptSettings(
                    TokenizerSettings(tokenizer, CONTEXT_LENGTH, start_id=1, end_id=2, pad_id=0)
                ),
                interactive=InteractiveSettings(
                    prompt_space=ImageSize(SAM3_FRAME.height, SAM3_FRAME.width),
                    mask_input=ImageSize(SAM3_FRAME.height // 4, SAM3_FRAME.width // 4),
                    object_score="gate",
                ),
            )
        )


def write_mobile_sam_bundle(target: Path, *, fused_decoder: bool = True) -> Bundle:
    """Write a bundle for clicks and boxes only, in the style of MobileSAM.

    Longest side 128 px with padding, prompt space 256 px, one embedding, no mask input, no object
    score; prompt encoder and mask decoder in one file, or in two without `fused_decoder`.
    """
    with BundleWriter(target) as writer:
        for stage, parts in {"image": _mobile_image(), **_mobile_decoders(fused_decoder)}.items():
            _add_stage(writer, stage, parts, target, ("fp32",))
        return writer.finish(
            BundleDescription(
                name="mobile_colours",
                description="outlines coloured patches, for tests",
                licence="Apache-2.0",
                source={"origin": "made by the tests"},
                preprocessing=Preprocessing(
                    MOBILE_FRAME.height,
                    MOBILE_FRAME.width,
                    IMAGENET_MEAN,
                    IMAGENET_STD,
                    fit="longest_side",
                    interpolation="bilinear_antialias",
                ),
                interactive=InteractiveSettings(
                    prompt_space=ImageSize(*MOBILE_SPACE),
                    padding_point="without_box",
                    single_mask=SingleMask("first"),
                    mask_fit="through_padded_input",
                ),
            )
        )


def _add_stage(
    writer: BundleWriter,
    name: str,
    parts: Parts,
    target: Path,
    precisions: tuple[str, ...],
    rendition: str = PORTABLE,
) -> None:
    graph, inputs, outputs = parts
    model = graph.model()
    scratch = target.parent / f"{target.name}-onnx"
    files = {}
    for precision in precisions:
        files[precision] = scratch / precision / f"{name}.onnx"
        files[precision].parent.mkdir(parents=True, exist_ok=True)
        onnx.save(with_half_tensors(model) if precision == "fp16" else model, files[precision])
    writer.add_stage(name, inputs, outputs, files, rendition)


def _prepared_pixels() -> Parts:
    """Make the stage that resizes and normalises an image by the matrices of its size."""
    g, (height, width) = OnnxGraph("pixels"), (SAM3_FRAME.height, SAM3_FRAME.width)
    image = g.input("picture", np.uint8, ("rows", "columns", 3))
    rows = g.input("row_weights", F32, (height, "rows"))
    columns = g.input("column_weights", F32, (width, "columns"))
    planes = g.op("Transpose", g.cast(image), perm=[2, 0, 1])
    across = g.op("Transpose", columns, perm=[1, 0])
    small = g.op("MatMul", g.op("MatMul", rows, planes), across)
    levels = g.op("Floor", g.scaled(small, 1.0, 0.5))
    values = g.reshape(g.scaled(levels, 2 / 255, -1.0), 1, 3, height, width)  # HALF and HALF
    g.output(values, "pixel_values", F32, (1, 3, height, width))
    inputs = {"image": "picture", **_same("row_weights", "column_weights")}
    return g, inputs, _same("pixel_values")


def _tokenizer_file(target: Path) -> Path:
    words = Tokenizer(WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="<unknown>"))
    words.pre_tokenizer = Whitespace()
    path = target.parent / f"{target.name}-tokenizer.json"
    words.save(str(path))
    return path


def _same(*names: str) -> dict[str, str]:
    return {name: name for name in names}


def _detector(g: OnnxGraph, maps: str) -> None:
    for name, stride in (("fpn0", 2), ("fpn1", 4), ("fpn2", 4)):
        frame = SAM3_FRAME.at(stride)
        value = deepened(g, pooled(g, maps, stride), frame)
        g.output(value, name, F32, (1, DEPTH, frame.rows, frame.columns))


def _tracker(g: OnnxGraph, maps: str) -> None:
    for name, stride in (("sam_s0", 2), ("sam_s1", 4)):
        frame = SAM3_FRAME.at(stride)
        g.output(pooled(g, maps, stride), name, F32, (1, 4, frame.rows, frame.columns))
    frame = SAM3_FRAME.at(4)
    embed = deepened(g, pooled(g, maps, 4), frame)
    g.output(embed, "sam_embed", F32, (1, DEPTH, frame.rows, frame.columns))


def _pixels(g: OnnxGraph) -> str:
    pixels = g.input("image", F32, (1, 3, SAM3_FRAME.height, SAM3_FRAME.width))
    return stages.colour_maps(g, pixels, HALF, HALF)


DETECTOR_NAMES = ("fpn0", "fpn1", "fpn2")
TRACKER_NAMES = ("sam_s0", "sam_s1", "sam_embed")


def _split_image() -> dict[str, Parts]:
    shape = (1, 4, SAM3_FRAME.height, SAM3_FRAME.width)
    trunk = OnnxGraph("image_trunk")
    trunk.output(_pixels(trunk), "features", F32, shape)
    detector, tracker = OnnxGraph("detector_neck"), OnnxGraph("tracker_neck")
    _detector(detector, detector.input("features", F32, shape))
    _tracker(tracker, tracker.input("features", F32, shape))
    features = {"trunk_features": "features"}
    return {
        "image_trunk": (trunk, {"pixel_values": "image"}, features),
        "detector_neck": (detector, features, _same(*DETECTOR_NAMES)),
        "tracker_neck": (tracker, features, _same(*TRACKER_NAMES)),
    }


def _fused_image() -> Parts:
    g = OnnxGraph("image")
    maps = _pixels(g)
    _detector(g, maps)
    _tracker(g, maps)
    return g, {"pixel_values": "image"}, _same(*DETECTOR_NAMES, *TRACKER_NAMES)


def _concept_stages() -> dict[str, Parts]:
    fine, coarse = SAM3_FRAME.at(2), SAM3_FRAME.at(4)
    prompt = _same("prompt", "prompt_mask")
    return {
        "text": (
            stages.text(),
            _same("input_ids"),
            {"text_features": "features", "text_mask": "mask"},
        ),
        "geometry": (
            stages.geometry(coarse),
            _same("boxes", "box_labels", "box_mask", "fpn2"),
            {"geometry_features": "features", "geometry_mask": "mask"},
        ),
        "fusion": (stages.fusion(coarse), {**_same("fpn2"), **prompt}, _same("memory")),
        "decoder": (
            stages.decoder(coarse),
            {**_same("memory"), **prompt},
            _same("queries", "pred_boxes", "presence"),
        ),
        "scoring": (stages.scoring(), {**_same("queries"), **prompt}, _same("logits")),
        "segmentation": (
            stages.segmentation(fine, coarse),
            {**_same("fpn0", "fpn1", "memory", "queries"), **prompt},
            _same("masks"),
        ),
    }


def _interactive_stages() -> dict[str, Parts]:
    fine, coarse = SAM3_FRAME.at(2), SAM3_FRAME.at(4)
    return {
        "prompt_encoder": (
            points.prompt_encoder(coarse),
            _same("point_coords", "point_labels", "mask_input", "has_mask"),
            _same("sparse", "dense"),
        ),
        "mask_decoder": (
            points.mask_decoder(fine, coarse),
            _same("sam_embed", "sam_s0", "sam_s1", "sparse", "dense"),
            {"sam_masks": "masks", "sam_iou": "iou", "object_score": "object_score"},
        ),
    }


def _mobile_image() -> Parts:
    g = OnnxGraph("mobile_image")
    pixels = g.input("x", F32, (1, 3, MOBILE_FRAME.height, MOBILE_FRAME.width))
    maps = stages.colour_maps(g, pixels, np.array(IMAGENET_MEAN), np.array(IMAGENET_STD))
    frame = MOBILE_FRAME.at(2)
    g.output(pooled(g, maps, 2), "image_embeddings", F32, (1, 4, frame.rows, frame.columns))
    return g, {"pixel_values": "x"}, {"sam_embed": "image_embeddings"}


def _mobile_decoders(fused: bool) -> dict[str, Parts]:
    frame, space = MOBILE_FRAME.at(2), MOBILE_SPACE
    clicks = {"point_coords": "coords", "point_labels": "labels"}
    embedding = {"sam_embed": "image_embeddings"}
    masks = {"sam_masks": "masks", "sam_iou": "iou"}
    if fused:
        decoder = points.mobile_decoder(frame, space)
        return {"mask_decoder": (decoder, {**embedding, **clicks}, masks)}
    sparse = {"sparse": "sparse_embeddings"}
    return {
        "prompt_encoder": (points.mobile_prompt_encoder(space), clicks, sparse),
        "mask_decoder": (points.mobile_mask_decoder(frame), {**embedding, **sparse}, masks),
    }


def rewrite_manifest(folder: Path, old: str, new: str) -> None:
    """Replace a piece of the text of bundle.yaml, which must contain it."""
    path = folder / "bundle.yaml"
    text = path.read_text("utf-8")
    assert old in text, f"{old!r} is not in {path}"
    path.write_text(text.replace(old, new), "utf-8")
