"""Rendered scenes as annotated pictures: pycocotools reads them, and both evaluations agree."""

from __future__ import annotations

from pathlib import Path

import pytest
from pycocotools.coco import COCO

from sam3_ros.core.image_file import read_rgb
from sam3_ros.core.segmenter.segmenter import Segmenter
from sam3_ros.evaluation.annotations import read_annotations
from sam3_ros.evaluation.evaluation import Evaluation
from sam3_ros.evaluation.figures import EvaluationFigures
from sam3_ros.evaluation.settings import EvaluationSettings
from sam3_ros.training.tabletop.annotated import (
    INSTANCES,
    PHRASES,
    PICTURES,
    write_annotated_scenes,
)
from sam3_ros.training.tabletop.evaluate import evaluate
from sam3_ros.training.tabletop.unseen import unseen_scenes

SCENES = 2


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scenes")
    write_annotated_scenes(folder, SCENES)
    return folder


def test_pycocotools_reads_the_objects_back(written: Path) -> None:
    coco = COCO(str(written / INSTANCES))
    for number, unseen in enumerate(unseen_scenes(SCENES), start=1):
        (picture,) = coco.loadImgs(number)
        assert (read_rgb(written / PICTURES / picture["file_name"]) == unseen.picture).all()
        objects = coco.loadAnns(coco.getAnnIds(number))
        for entry, each in zip(objects, unseen.objects, strict=True):
            assert (coco.annToMask(entry).astype(bool) == each.mask).all()


def test_both_evaluations_measure_the_same(written: Path) -> None:
    with Segmenter.load("tabletop", threads=1) as segmenter:

        def measured(file: str, settings: EvaluationSettings) -> EvaluationFigures:
            annotated = read_annotations(written / file)
            return Evaluation(segmenter, annotated, written / PICTURES, settings).run()

        own = evaluate(segmenter, SCENES)
        boxes = measured(INSTANCES, EvaluationSettings("box")).figures
        words = measured(PHRASES, EvaluationSettings("text")).figures
    assert boxes["objects"] == own["objects_clicked"]
    assert boxes["mean_iou"] == pytest.approx(own["box_mean_iou"], abs=1e-4)
    # No phrase was drawn twice for one of these scenes.
    assert words["objects"] == own["text_instances"]
    assert words["mean_iou_of_matched"] == pytest.approx(own["text_mean_iou_of_matched"], abs=1e-4)
    assert words["recall"] == pytest.approx(own["text_recall_at_iou_0.5"], abs=1e-4)
    assert words["absent"] == own["absent_phrases"]
    silent = own["absent_phrases_answered_with_nothing"]
    assert words["absent_answered_with_nothing"] == pytest.approx(silent, abs=1e-4)
