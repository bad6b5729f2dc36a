"""The network that SAM 3 and EfficientSAM3 share: they differ only in image and text encoder."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial

from sam3_ros.core.bundle.manifest import (
    InteractiveSettings,
    Preprocessing,
    SingleMask,
    VideoSettings,
)
from sam3_ros.core.geometry import ImageSize
from sam3_ros.export.bindings import Shapes
from sam3_ros.export.families.nearest import nearest_sizes
from sam3_ros.export.family import ModelSettings, Unneeded
from sam3_ros.export.models.sam3 import detector_neck, geometry, segmentation, tracker_neck
from sam3_ros.export.models.sam3.decoder import Decoder
from sam3_ros.export.models.sam3.detector_neck import DetectorNeck, DetectorPyramid
from sam3_ros.export.models.sam3.fusion import Fusion, FusionImage
from sam3_ros.export.models.sam3.geometry import Geometry
from sam3_ros.export.models.sam3.mask_decoder import MaskDecoder
from sam3_ros.export.models.sam3.mask_prompt import MaskDownsampling
from sam3_ros.export.models.sam3.memory_attention import MemoryAttention
from sam3_ros.export.models.sam3.memory_encoder import MemoryEncoder
from sam3_ros.export.models.sam3.object_pointer import ObjectPointer
from sam3_ros.export.models.sam3.prompt_encoder import PromptEncoder
from sam3_ros.export.models.sam3.scoring import Scoring
from sam3_ros.export.models.sam3.segmentation import Segmentation
from sam3_ros.export.models.sam3.sizes import (
    DECODER,
    FUSION,
    GEOMETRY,
    SCORING,
    SEGMENTATION,
    DetectorSizes,
)
from sam3_ros.export.models.sam3.tracker_neck import TrackerNeck
from sam3_ros.export.models.sam3.tracker_sizes import (
    MASK_SCALE,
    MEMORY_ATTENTION,
    MEMORY_ENCODER,
    MEMORY_MASK_SCALE,
    OBJECT_MASK_SCALE,
    PATCH,
    TRACKER,
    TrackerSizes,
)
from sam3_ros.export.models.text import mobileclip, sam3_text
from sam3_ros.export.models.text.encoder import LANGUAGE_BACKBONE, TextArchitecture
from sam3_ros.export.models.text.recognise import build_text, recognise_text
from sam3_ros.export.network import PARTS, Network, Part
from sam3_ros.export.stage import StageModule

INPUT_SIZE = 1008
GRID = INPUT_SIZE // PATCH

#: Tensors in every checkpoint of either family that no stage uses.
UNNEEDED: tuple[Unneeded, ...] = (
    *detector_neck.UNNEEDED,
    *geometry.UNNEEDED,
    *segmentation.UNNEEDED,
    *tracker_neck.UNNEEDED,
    *mobileclip.UNNEEDED,
    *sam3_text.UNNEEDED,
)

_CONCEPT: tuple[Part, ...] = ("concept",)
_CLICKS: tuple[Part, ...] = ("interactive", "video")
_VIDEO: tuple[Part, ...] = ("video",)
#: In the order of computation.
_NEEDED_BY: dict[str, tuple[Part, ...]] = {
    "image_trunk": ("concept", "interactive", "video"),
    **dict.fromkeys(
        (
            "detector_neck",
            "fusion_image",
            "text",
            "geometry",
            "fusion",
            "decoder",
            "scoring",
            "detector_pyramid",
            "segmentation",
        ),
        _CONCEPT,
    ),
    **dict.fromkeys(("tracker_neck", "prompt_encoder", "mask_decoder"), _CLICKS),
    **dict.fromkeys(
        ("mask_prompt", "memory_encoder", "memory_attention", "object_pointer"), _VIDEO
    ),
}


@dataclass(frozen=True)
class CommonSizes:
    """Sizes of the parts that the families share."""

    #: None where there is no detector.
    text: TextArchitecture | None
    #: The published sizes where there is no detector.
    detector: DetectorSizes = field(default_factory=DetectorSizes)
    #: The published sizes where there is no tracker.
    tracker: TrackerSizes = field(default_factory=TrackerSizes)
    #: What the tensors are enough for.
    parts: tuple[Part, ...] = PARTS

    @classmethod
    def from_shapes(cls, shapes: Shapes) -> CommonSizes:
        """Read the sizes from a checkpoint's tensors.

        Raises CheckpointError where they belong to no known network.
        """
        parts = parts_in(shapes)
        text, detector, tracker = None, DetectorSizes(), TrackerSizes()
        if "concept" in parts:
            text = recognise_text(shapes)
            build = partial(_detector, grid=GRID)
            detector = nearest_sizes(shapes, DetectorSizes.from_shapes, detector, build)
        if "interactive" in parts:
            make = partial(_tracker, grid=GRID, parts=parts)
            tracker = nearest_sizes(shapes, TrackerSizes.from_shapes, tracker, make)
        return cls(text, detector, tracker, parts)


#: Beginnings of names that only the detector has, or only the tracker's memory.
_OF_DETECTOR = (FUSION, DECODER, GEOMETRY, SCORING, SEGMENTATION, LANGUAGE_BACKBONE)
_OF_MEMORY = (
    MEMORY_ENCODER,
    MEMORY_ATTENTION,
    *(TRACKER + name for name in ("maskmem_tpos_enc", "obj_ptr_", "mask_downsample.")),
)


def parts_in(shapes: Shapes) -> tuple[Part, ...]:
    """Return what a checkpoint has tensors for: a detector, a tracker for clicks, its memory.

    A part of which only some tensors are there counts, so that loading names those that are not.
    All where there is none of them.
    """
    there: dict[Part, tuple[str, ...]] = {
        "concept": _OF_DETECTOR,
        "interactive": (TRACKER,),
        "video": _OF_MEMORY,
    }
    found = tuple(p for p in PARTS if any(name.startswith(there[p]) for name in shapes))
    return found or PARTS


def build_network(trunk: StageModule, sizes: CommonSizes, input_size: int) -> Network:
    """Return the stages of the parts that there are, for an input of input_size px squared.

    They are in the order of computation.
    """
    grid = input_size // PATCH
    stages: dict[str, StageModule] = {"image_trunk": trunk}
    if sizes.text is not None:
        stages |= {"text": build_text(sizes.text), **_detector(sizes.detector, grid)}
    if "interactive" in sizes.parts:
        stages |= _tracker(sizes.tracker, grid, sizes.parts)
    needed_by = {
        name: tuple(part for part in parts if part in sizes.parts)
        for name, parts in _NEEDED_BY.items()
        if name in stages
    }
    network = Network({name: stages[name] for name in needed_by}, needed_by)
    return network.eval().requires_grad_(False)  # type: ignore[return-value]


def _detector(sizes: DetectorSizes, grid: int) -> dict[str, StageModule]:
    return {
        "detector_neck": DetectorNeck(sizes, grid),
        "fusion_image": FusionImage(sizes, grid),
        "geometry": Geometry(sizes, grid),
        "fusion": Fusion(sizes, grid),
        "decoder": Decoder(sizes, grid),
        "scoring": Scoring(sizes),
        "detector_pyramid": DetectorPyramid(sizes, grid),
        "segmentation": Segmentation(sizes, grid),
    }


def _tracker(sizes: TrackerSizes, grid: int, parts: tuple[Part, ...]) -> dict[str, StageModule]:
    stages: dict[str, StageModule] = {
        "tracker_neck": TrackerNeck(sizes, grid),
        "prompt_encoder": PromptEncoder(sizes, grid),
        "mask_decoder": MaskDecoder(sizes, grid),
    }
    if "video" not in parts:
        return stages
    return stages | {
        "mask_prompt": MaskDownsampling(grid),
        "memory_encoder": MemoryEncoder(sizes, grid),
        "memory_attention": MemoryAttention(sizes, grid),
        "object_pointer": ObjectPointer(sizes),
    }


def model_settings(sizes: CommonSizes, input_size: int) -> ModelSettings:
    """Return the original's preparation of input: resized on uint8 without keeping the aspect."""
    half = (0.5, 0.5, 0.5)
    grid = input_size // PATCH
    mask_side, memory_side, object_side = (
        scale * grid for scale in (MASK_SCALE, MEMORY_MASK_SCALE, OBJECT_MASK_SCALE)
    )
    return ModelSettings(
        Preprocessing(
            input_size, input_size, half, half, fit="stretch", interpolation="bilinear_antialias"
        ),
        InteractiveSettings(
            prompt_space=ImageSize(input_size, input_size),
            padding_point="inside",
            mask_input=ImageSize(mask_side, mask_side),
            multimask_max_points=1,
            single_mask=SingleMask("stability", delta=0.05, threshold=0.98),
            object_score="ignore",
            mask_fit="direct",
        ),
        context_length=sizes.text.context_length if sizes.text else None,
        vocabulary=sizes.text.vocabulary if sizes.text else None,
        video=VideoSettings(
            memory_mask=ImageSize(memory_side, memory_side),
            object_mask=ImageSize(object_side, object_side),
            cut_at=ImageSize(input_size, input_size),
            memories=max(1, sizes.tracker.memory_frames - 1),
        ),
    )
