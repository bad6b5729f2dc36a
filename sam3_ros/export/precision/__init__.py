"""Stages in lower precisions, each with its measured loss.

    report = convert_to_fp16(fp32_file, target, feeds)   # always writes target
    report = convert_to_int8(fp32_file, target, feeds)   # report.written: or use the fp32 file
    stage = compare_stage("decoder", fp32_file, target or fp32_file, feeds)
    graph = measured_graph(manifest.stages.values(), files_by_stage, scratch_folder)
    chain = EndToEndFigures.of(recorded.differences(graph, manifest).values())
    figures = judge(PrecisionFigures("fp16", stages, chain), allow_poor=False)
    verification["precisions"]["fp16"] = figures.as_dict()

In int8 the stages CLOSE_TO_ANSWERS are best left in float32. `feeds` are inputs by name, a list of
them, as the stage meets them in use. `recorded` holds the answers in float32.
"""

from sam3_ros.core.precision.limits import LEAST_MASK_IOU
from sam3_ros.export.precision.figures import (
    EndToEndFigures,
    PrecisionFigures,
    StageFigures,
    compare_stage,
)
from sam3_ros.export.precision.fp16 import Fp16Report, convert_to_fp16
from sam3_ros.export.precision.graphs import measured_graph
from sam3_ros.export.precision.int8 import CLOSE_TO_ANSWERS, Int8Report, convert_to_int8
from sam3_ros.export.precision.judgement import judge

__all__ = [
    "CLOSE_TO_ANSWERS",
    "LEAST_MASK_IOU",
    "EndToEndFigures",
    "Fp16Report",
    "Int8Report",
    "PrecisionFigures",
    "StageFigures",
    "compare_stage",
    "convert_to_fp16",
    "convert_to_int8",
    "judge",
    "measured_graph",
]
