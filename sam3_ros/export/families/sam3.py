"""SAM 3 (facebookresearch/sam3), and SAM3-LiteText, which has another text encoder."""

from __future__ import annotations

from sam3_ros.export.families.sam3_components import SAM3_COMPONENTS
from sam3_ros.export.families.sam3_family import Sam3Family
from sam3_ros.export.families.sam3_network import UNNEEDED
from sam3_ros.export.models.trunks import sam3_vit
from sam3_ros.export.models.trunks.recognise import SAM3_TRUNK

LITE_CONTEXTS = (16, 32, 77)

SAM3 = Sam3Family(
    name="sam3",
    title="SAM 3",
    licence="SAM License; tokenizer vocabulary: MIT, (c) OpenAI",
    trunks=(SAM3_TRUNK,),
    texts=(
        ("sam3", (32,)),
        *((text, LITE_CONTEXTS) for text in ("mobileclip-s0", "mobileclip-s1", "mobileclip2-l")),
    ),
    has_student=False,
    unneeded=(*UNNEEDED, *sam3_vit.UNNEEDED),
    components=SAM3_COMPONENTS,
)
