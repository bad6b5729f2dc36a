"""Models that cannot be exported, known by the names of their tensors, with what to do instead."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sam3_ros.export.bindings import Shapes

_OTHERS = (
    "it is none of the models that can be exported: for clicks take SAM, MobileSAM or "
    "EfficientViT-SAM, for words EfficientSAM3 or SAM 3 (docs/models.md)"
)
_WHOLE = "a part of the model cannot be exported: give the whole checkpoint"


@dataclass(frozen=True)
class Foreign:
    """A model by the beginnings of its tensors' names."""

    #: What it is.
    title: str
    #: What to do.
    advice: str
    #: Each is the beginning of at least one name.
    has: tuple[str, ...]
    #: No name begins so.
    lacks: tuple[str, ...] = ()

    def is_in(self, names: Iterable[str]) -> bool:
        """Return whether a file with these names holds the model."""
        names = tuple(names)
        return all(any(n.startswith(each) for n in names) for each in self.has) and not any(
            n.startswith(self.lacks) for n in names
        )


_OF_TRANSFORMERS = "in transformers' format"
_KNOWN: tuple[Foreign, ...] = (
    Foreign(
        f"EdgeTAM {_OF_TRANSFORMERS} (EdgeTamVideoModel)",
        _OTHERS,
        ("vision_encoder.", "spatial_perceiver."),
    ),
    Foreign(
        f"SAM 2 {_OF_TRANSFORMERS} (Sam2VideoModel)",
        _OTHERS,
        ("vision_encoder.backbone.blocks.", "memory_attention."),
    ),
    Foreign(
        f"SAM 2 for single images {_OF_TRANSFORMERS} (Sam2Model)",
        _OTHERS,
        ("vision_encoder.backbone.blocks.", "mask_decoder."),
    ),
    Foreign(
        f"HQ-SAM {_OF_TRANSFORMERS} (SamHQModel)",
        _OTHERS,
        ("vision_encoder.patch_embed.projection.", "mask_decoder.hq_"),
    ),
    Foreign(
        f"SAM 3's image encoder {_OF_TRANSFORMERS} (Sam3VisionModel)",
        _WHOLE,
        ("backbone.embeddings.patch_embeddings.", "neck.fpn_layers."),
    ),
    Foreign(
        f"SAM 2's image encoder {_OF_TRANSFORMERS} (Sam2VisionModel)",
        _OTHERS,
        ("backbone.blocks.", "backbone.pos_embed_window", "neck.convs."),
    ),
    Foreign(
        f"SAM's image encoder {_OF_TRANSFORMERS} (SamVisionModel)",
        _WHOLE,
        ("vision_encoder.patch_embed.projection.", "vision_encoder.neck.conv1."),
        ("mask_decoder.", "prompt_encoder."),
    ),
    Foreign("EdgeTAM", _OTHERS, ("spatial_perceiver.", "sam_mask_decoder.")),
    Foreign(
        "SAM 3's tracker alone",
        _WHOLE,
        ("sam_mask_decoder.", "maskmem_backbone."),
        ("image_encoder.", "detector."),
    ),
    Foreign("SAM 3's tracker alone", _WHOLE, ("tracker.sam_mask_decoder.",), ("detector.",)),
    Foreign("HQ-SAM", _OTHERS, ("image_encoder.", "mask_decoder.hf_token.")),
    Foreign("EdgeSAM or RepViT-SAM", _OTHERS, ("image_encoder.features.", "mask_decoder.")),
    Foreign(
        "EfficientSAM",
        _OTHERS,
        ("image_encoder.blocks.", "mask_decoder.final_output_upscaling_layers."),
    ),
    Foreign(
        "SAM with adapters in its image encoder, such as SAM-Med2D",
        _OTHERS,
        ("image_encoder.blocks.0.Adapter.", "mask_decoder."),
    ),
    Foreign("Grounding DINO", _OTHERS, ("transformer.level_embed", "bert.")),
    Foreign(
        f"Grounding DINO {_OF_TRANSFORMERS}",
        _OTHERS,
        ("text_backbone.", "encoder.layers.0.text_enhancer_layer."),
    ),
    Foreign(
        f"Grounding DINO {_OF_TRANSFORMERS}",
        _OTHERS,
        ("model.text_backbone.", "model.encoder.layers.0.text_enhancer_layer."),
    ),
    Foreign(
        f"OWL-ViT or OWLv2 {_OF_TRANSFORMERS}",
        _OTHERS,
        ("box_head.dense0.", "class_head.dense0."),
    ),
    Foreign(f"CLIPSeg {_OF_TRANSFORMERS}", _OTHERS, ("clip.text_model.", "decoder.film_mul.")),
    Foreign(
        f"Mask2Former {_OF_TRANSFORMERS}",
        _OTHERS,
        ("class_predictor.", "model.pixel_level_module."),
    ),
    Foreign(
        f"DINO, DINOv2 or another vision transformer {_OF_TRANSFORMERS}",
        _OTHERS,
        ("embeddings.cls_token", "embeddings.patch_embeddings.", "encoder.layer.0."),
    ),
    Foreign(f"YOLOS {_OF_TRANSFORMERS}", _OTHERS, ("vit.embeddings.detection_tokens",)),
    Foreign("CLIP or a model like it", _OTHERS, ("text_model.encoder.", "vision_model.encoder.")),
    Foreign("CLIP or a model like it", _OTHERS, ("visual.", "logit_scale")),
    Foreign("MobileCLIP", _OTHERS, ("image_encoder.model.", "text_encoder.")),
    Foreign("YOLO or FastSAM", _OTHERS, ("model.0.conv.", "model.1.conv.")),
    Foreign("YOLO or FastSAM", _OTHERS, ("0.conv.", "1.conv.")),
    Foreign(
        "SAM's image encoder alone, as timm names it",
        _WHOLE,
        ("patch_embed.proj.", "blocks.0.attn.rel_pos_h"),
    ),
    Foreign(
        "a vision transformer alone, as timm names it", _WHOLE, ("patch_embed.proj.", "blocks.0.")
    ),
    Foreign(
        "TinyViT alone, which names what is in a picture",
        _WHOLE,
        ("patch_embed.conv1.conv.", "stages.0.blocks."),
    ),
    Foreign(
        "TinyViT alone, which names what is in a picture",
        _WHOLE,
        ("patch_embed.seq.0.c.", "layers.0.blocks."),
    ),
    Foreign(
        "the mask decoder of SAM or of a model like it, without an image encoder",
        _WHOLE,
        ("mask_decoder.iou_token.",),
        ("image_encoder.", "vision_encoder."),
    ),
    Foreign("a language model", _OTHERS, ("model.embed_tokens.", "model.layers.0.")),
    Foreign("a language model", _OTHERS, ("embed_tokens.", "layers.0.")),
    Foreign("a model that makes pictures", _OTHERS, ("model.diffusion_model.",)),
    Foreign("a model that makes pictures", _OTHERS, ("down_blocks.0.", "up_blocks.0.")),
    Foreign("a ResNet", _OTHERS, ("layer1.0.conv1.", "layer4.0.conv1.")),
)
_SAM2 = Foreign("SAM 2", _OTHERS, ("image_encoder.trunk.", "sam_mask_decoder."))
_SAM2_SIZES = {96: "tiny or small", 112: "base plus", 144: "large"}
#: In names of SAM 3.1, whose neck has a third part and whose tracker a second mask decoder.
_OF_MULTIPLEX = (
    "vision_backbone.interactive_convs.",
    "vision_backbone.propagation_convs.",
    "interactive_sam_mask_decoder.",
)
_POINTERS_IN_TIME, _ABSENT = "obj_ptr_tpos_proj.", "no_obj_embed_spatial"

_ENDINGS: tuple[tuple[tuple[str, ...], str, str], ...] = (
    (
        (
            *(
                f".lora_{side}{rest}"
                for side in "AB"
                for rest in ("", ".weight", ".default.weight")
            ),
            *(f".lora_{way}.weight" for way in ("down", "up")),
            *(f"w_{side}_000" for side in "ab"),
        ),
        "a LoRA adapter",
        "merge it into its model, and give the merged checkpoint",
    ),
    (
        (".SCB", ".quant_state.bitsandbytes__nf4", ".qweight", ".weight_scale"),
        "a quantized model",
        "give the checkpoint that it was made from, in fp32, fp16 or bf16",
    ),
    (
        (":0", "/kernel", "/bias", "/scale", ".kernel"),
        "a checkpoint with the names of TensorFlow or Flax",
        "give the authors' file for PyTorch",
    ),
)


def named_by_tensors(shapes: Shapes) -> str | None:
    """Say what other model a checkpoint is and what to do; None for names that are not known.

    A prefix that all names share is ignored.
    """
    if is_multiplex(shapes):
        return (
            "SAM 3.1 or a model made from it (multiplex, `sam3p1`), whose tracker follows several "
            "objects at once and cannot be exported; take SAM 3 (`sam3.pt`) or an EfficientSAM3 "
            "without `sam3p1` in its name (docs/models.md)"
        )
    for endings, title, advice in _ENDINGS:
        if any(name.endswith(endings) for name in shapes):
            return f"{title}; {advice}"
    for names in _without_shared_beginnings(tuple(shapes)):
        prefix = _prefix(tuple(shapes), names)
        if _SAM2.is_in(names) and not any(n.startswith("spatial_perceiver.") for n in names):
            is_newer = any(n.startswith((_POINTERS_IN_TIME, _ABSENT)) for n in names)
            width = _first_size(shapes, prefix + "image_encoder.trunk.patch_embed.proj.weight")
            version = "SAM 2.1" if is_newer else "SAM 2"
            return f"{version}{_size(_SAM2_SIZES, width)}; {_SAM2.advice}"
        for known in _KNOWN:
            if known.is_in(names):
                return f"{known.title}; {known.advice}"
    return None


def is_multiplex(names: Iterable[str]) -> bool:
    """Return whether tensors with these names are SAM 3.1's."""
    return any(part in name for name in names for part in _OF_MULTIPLEX)


def _without_shared_beginnings(names: tuple[str, ...]) -> Iterable[tuple[str, ...]]:
    """Yield the names, then without the first part, as long as all share it."""
    while names:
        yield names
        first, dot, _ = names[0].partition(".")
        shared = first + dot
        if not dot or not all(name.startswith(shared) and name != shared for name in names):
            return
        names = tuple(name.removeprefix(shared) for name in names)


def _prefix(whole: tuple[str, ...], names: tuple[str, ...]) -> str:
    return whole[0].removesuffix(names[0])


def _first_size(shapes: Shapes, name: str) -> int | None:
    return shapes[name][0] if shapes.get(name) else None


def _size(sizes: dict[int, str], width: int | None) -> str:
    return f" ({sizes[width]})" if width in sizes else ""
