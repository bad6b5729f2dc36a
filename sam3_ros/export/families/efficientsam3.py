"""EfficientSAM3 (SimonZeng7108/efficientsam3): SAM 3 with a small image and text encoder."""

from __future__ import annotations

from sam3_ros.export.families.sam3_family import Sam3Family
from sam3_ros.export.families.sam3_network import UNNEEDED
from sam3_ros.export.family import Unneeded
from sam3_ros.export.models.trunks.recognise import TRUNKS

CONTEXTS = (77, 32, 16)

TEACHER = Unneeded(
    r"detector\.backbone\.vision_backbone\.trunk\.(?!model\.).*",
    "SAM 3's own ViT, which the image encoder learned from; published files still carry it",
    training_only=True,
)

EFFICIENTSAM3 = Sam3Family(
    name="efficientsam3",
    title="EfficientSAM3",
    licence="SAM License (derived from SAM 3); tokenizer vocabulary: MIT, (c) OpenAI",
    trunks=TRUNKS,
    texts=(
        *((text, CONTEXTS) for text in ("mobileclip-s1", "mobileclip-s0", "mobileclip2-l")),
        ("sam3", (32,)),  # of the first published files, whose image encoder alone is small
    ),
    has_student=True,
    unneeded=(*UNNEEDED, TEACHER),
)
