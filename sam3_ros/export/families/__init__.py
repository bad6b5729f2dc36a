"""The families of models that can be exported, each behind the Family protocol."""

from __future__ import annotations

from sam3_ros.export.families.efficientvit_sam import EFFICIENTVIT_SAM
from sam3_ros.export.families.mobilesam import MOBILESAM
from sam3_ros.export.families.sam import SAM
from sam3_ros.export.families.sam3 import EFFICIENTSAM3, SAM3
from sam3_ros.export.family import Family

FAMILIES: dict[str, Family] = {
    family.name: family  # type: ignore[misc]  # each with an Architecture of its own
    for family in (EFFICIENTSAM3, SAM3, EFFICIENTVIT_SAM, MOBILESAM, SAM)
}
