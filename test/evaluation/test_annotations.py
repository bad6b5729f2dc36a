"""What an annotation file says, and what is said of one that says nothing to measure."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sam3_ros.core.errors import AnnotationError
from sam3_ros.core.geometry import Box, ImageSize
from sam3_ros.evaluation.annotations import read_annotations

SQUARE = [[2, 2, 8, 2, 8, 8, 2, 8]]
WHOLE: dict[str, Any] = {
    "images": [{"id": 7, "file_name": "a.png", "width": 20, "height": 10}],
    "annotations": [
        {"id": 0, "image_id": 7, "category_id": 3, "segmentation": SQUARE, "bbox": [2, 2, 6, 6]}
    ],
    "categories": [{"id": 3, "name": "cup"}, {"id": 5, "name": "mug"}],
}


def written(folder: Path, document: Any) -> Path:
    path = folder / "instances.json"
    path.write_text(json.dumps(document))
    return path


def test_a_file_of_cocos_form_is_read(tmp_path: Path) -> None:
    found = read_annotations(written(tmp_path, WHOLE))
    (picture,) = found.pictures
    (annotation,) = picture.annotations
    assert (picture.id, picture.name, picture.size) == (7, "a.png", ImageSize(10, 20))
    assert (annotation.box, annotation.area, annotation.is_crowd) == (Box(2, 2, 8, 8), None, False)
    assert found.categories == {3: "cup", 5: "mug"}
    assert not found.lists_absent and not found.left_out


def test_what_lvis_says_beside_it_is_read_too(tmp_path: Path) -> None:
    address = "http://images.cocodataset.org/val2017/000000397133.jpg"
    images = [{"id": 7, "coco_url": address, "neg_category_ids": [5]}]
    found = read_annotations(written(tmp_path, {**WHOLE, "images": images}))
    (picture,) = found.pictures
    assert picture.name == "val2017/000000397133.jpg"
    assert picture.size is None
    assert picture.absent == {5} and found.lists_absent
    nothing = [{**images[0], "neg_category_ids": []}]
    found = read_annotations(written(tmp_path, {**WHOLE, "images": nothing}))
    assert found.pictures[0].absent == frozenset() and found.lists_absent


@pytest.mark.parametrize("area", [0, -1, "9", None])
def test_an_area_that_is_none_is_left_to_the_mask(area: Any, tmp_path: Path) -> None:
    (good,) = WHOLE["annotations"]
    found = read_annotations(written(tmp_path, {**WHOLE, "annotations": [{**good, "area": area}]}))
    assert found.pictures[0].annotations[0].area is None


def test_a_folder_in_the_place_of_the_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError) as refused:
        read_annotations(tmp_path)
    assert refused.value.filename == str(tmp_path)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"category_id": 4}, "of a category that the file does not list"),
        ({"category_id": [3]}, "of a category that the file does not list"),
        ({"image_id": 8}, "of a picture that the file does not list"),
        ({"image_id": {}}, "of a picture that the file does not list"),
        ({"segmentation": []}, "without a segmentation"),
    ],
)
def test_an_annotation_that_belongs_nowhere_is_counted(
    change: dict[str, Any], reason: str, tmp_path: Path
) -> None:
    (good,) = WHOLE["annotations"]
    document = {**WHOLE, "annotations": [good, {**good, **change}]}
    found = read_annotations(written(tmp_path, document))
    assert found.left_out == {reason: 1}
    assert len(found.pictures[0].annotations) == 1


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        ([{"image_id": 1, "score": 0.5}], "is a list, as a file of results is"),
        ({"images": [], "annotations": []}, "has no list 'categories'"),
        ({**WHOLE, "images": []}, "has no images: there is nothing to measure"),
        ({**WHOLE, "annotations": [{"id": 1, "caption": "a cup"}]}, "captions or panoptic"),
        ({**WHOLE, "annotations": [3]}, "annotations has '3', which is no object"),
        ({**WHOLE, "images": WHOLE["images"] * 2}, "two pictures have the id 7"),
        ({**WHOLE, "categories": [{"id": "3", "name": "cup"}]}, "whole numbers as ids, got '3'"),
        ({**WHOLE, "categories": [{"id": 3, "name": " "}]}, "category 3 has no name"),
        ({**WHOLE, "images": [{"id": 7}]}, "picture 7 has no file_name"),
        ({**WHOLE, "images": [{"id": 7, "file_name": "../a.png"}]}, "lies outside of the folder"),
        ({**WHOLE, "images": [{**WHOLE["images"][0], "neg_category_ids": 5}]}, "'5' for neg_cat"),
        (1e999, "is no annotation file: it is not JSON|finite"),
    ],
)
def test_what_is_no_annotation_file_says_what_it_is(
    document: Any, reason: str, tmp_path: Path
) -> None:
    with pytest.raises(AnnotationError, match=reason):
        read_annotations(written(tmp_path, document))


def test_categories_are_chosen_by_name(tmp_path: Path) -> None:
    found = read_annotations(written(tmp_path, WHOLE))
    assert found.only(["mug"]).categories == {5: "mug"}
    assert found.only(["mug"]).pictures[0].annotations == ()
    with pytest.raises(AnnotationError, match="no category 'mugs'; it has 2: cup, mug"):
        found.only(["cup", "mugs"])
