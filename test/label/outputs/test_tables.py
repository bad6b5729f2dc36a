"""instances.json and objects.parquet, read back by pycocotools, pyarrow and DuckDB."""

from __future__ import annotations

from pathlib import Path

import duckdb
import numpy as np
import pyarrow.parquet
import pytest
from bags import IMAGES, SIDE_IMAGES, stamp_ns
from label_results import BALL, BALL_LABEL, FAILED, HIDDEN, label_results, shapes
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO

from sam3_ros.label.outputs.coco import write_coco
from sam3_ros.label.outputs.parquet import write_parquet

FRAMES, NAMES = 6, ("monday/drive", "tuesday")
TOPICS = (IMAGES, SIDE_IMAGES)
#: Of a source: those of both cameras without the failed one.
IMAGES_A_SOURCE = 2 * FRAMES - 1


@pytest.fixture(scope="module", params=[False, True], ids=["untracked", "tracked"])
def written(request, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, bool]:
    """Return instances.json, objects.parquet, and whether objects are tracked."""
    folder = tmp_path_factory.mktemp("labels")
    bags = {name: Path("/nowhere") / name for name in NAMES}
    chunk = FRAMES if request.param else 4
    results = label_results(folder / "work", bags, FRAMES, tracked=request.param, chunk=chunk)
    (instances,), (objects,) = write_coco(results, folder), write_parquet(results, folder)
    return instances, objects, request.param


def test_pycocotools_reads_every_mask(written):
    coco = COCO(str(written[0]))
    is_tracked = written[2]
    assert len(coco.imgs) == len(NAMES) * IMAGES_A_SOURCE
    assert [each["name"] for each in coco.loadCats(coco.getCatIds())] == ["cube", BALL_LABEL]
    for image_id, image in coco.imgs.items():
        true = {each.number: each for each in shapes(image["index"], image["topic"])}
        if is_tracked and image["index"] == HIDDEN:
            del true[BALL]
        annotations = coco.loadAnns(coco.getAnnIds(image_id))
        assert len(annotations) == len(true)
        for shape, annotation in zip(true.values(), annotations, strict=True):
            np.testing.assert_array_equal(coco.annToMask(annotation), shape.mask)
            assert (
                annotation["area"] == shape.mask.sum() == coco_mask.area(coco.annToRLE(annotation))
            )
            assert annotation["bbox"] == coco_mask.toBbox(coco.annToRLE(annotation)).tolist()
            assert annotation["category_id"] == (2 if shape.number == BALL else 1)
            assert annotation["score"] == pytest.approx(shape.score)
            assert annotation.get("track_id") == (shape.number if is_tracked else None)


def test_a_file_name_says_bag_topic_and_stamp(written):
    names = [image["file_name"] for image in COCO(str(written[0])).imgs.values()]
    assert len(set(names)) == len(names)
    assert f"monday/drive/camera/image/compressed/000002_{stamp_ns(2)}.png" in names
    assert not any(f"/camera/image/compressed/{FAILED:06d}_" in name for name in names)


def test_pyarrow_and_duckdb_read_a_row_for_each_object(written):
    _, objects, is_tracked = written
    table = pyarrow.parquet.read_table(objects)
    assert table.num_rows == len(NAMES) * IMAGES_A_SOURCE * 4
    for row in table.to_pylist():
        shape = next(s for s in shapes(row["index"], row["topic"]) if _is(s, row))
        is_hidden = is_tracked and row["index"] == HIDDEN and shape.number == BALL
        mask = coco_mask.decode({"size": [row["height"], row["width"]], "counts": row["rle"]})
        np.testing.assert_array_equal(mask.astype(bool), shape.mask & (not is_hidden))
        assert (row["left"] is None) == is_hidden
        assert row["bundle_sha256"] == "ab" * 32
    with duckdb.connect() as connection:
        found = connection.execute(
            'SELECT bag, label, count(*), count("left"), max(score), count(DISTINCT track_id) '
            "FROM read_parquet(?) WHERE topic = ? GROUP BY ALL ORDER BY ALL",
            [str(objects), IMAGES],
        ).fetchall()
    hidden = int(is_tracked)
    tracks = (1, 3) if is_tracked else (0, 0)
    assert found == [
        row
        for name in NAMES
        for row in (
            (name, BALL_LABEL, FRAMES - 1, FRAMES - 1 - hidden, pytest.approx(0.65), tracks[0]),
            (name, "cube", 3 * (FRAMES - 1), 3 * (FRAMES - 1), pytest.approx(0.85), tracks[1]),
        )
    ]


def _is(shape, row) -> bool:
    """Return whether a row is about a shape; by its box, which also a hidden one has."""
    columns = np.flatnonzero(shape.mask.any(axis=0))
    rows = np.flatnonzero(shape.mask.any(axis=1))
    return (row["x_min"], row["y_min"]) == (columns[0] - 0.5, rows[0] - 0.5)
