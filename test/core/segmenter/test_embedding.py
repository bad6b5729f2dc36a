"""What an image's embedding holds, and how much memory that takes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from scenes import colour_scene

from sam3_ros.core.bundle.bundle import Bundle
from sam3_ros.core.segmenter.concept import exemplar_feeds
from sam3_ros.core.segmenter.embedding import ImageEmbedding, joined_tokens
from sam3_ros.core.segmenter.prompts import ConceptPrompt, InteractivePrompt
from sam3_ros.core.segmenter.segmenter import Segmenter

SCENE = colour_scene(192, 256, {"red": (24, 40, 64, 88)})
CLICK = InteractivePrompt(points=((40, 60),))


@pytest.fixture
def segmenter(sam3_bundle_path: Path) -> Iterator[Segmenter]:
    with Segmenter.load(sam3_bundle_path, threads=1) as loaded:
        yield loaded


def test_an_embedding_reports_the_bytes_it_holds(segmenter: Segmenter) -> None:
    embedding = segmenter.encode_image(SCENE)
    pixels = 3 * 96 * 128 * 4
    assert embedding.nbytes == pixels
    segmenter.ask(embedding, [CLICK])
    clicked = embedding.nbytes
    assert clicked > pixels
    tracking = segmenter.track()
    tracking.add(segmenter.encode_image(SCENE), CLICK)
    tracking.step(embedding)
    assert embedding.nbytes == clicked  # a prompt adds nothing that stays
    segmenter.ask(embedding, [ConceptPrompt("red")])
    # Both necks have run, so pixel values and the trunk's features are dropped.
    lasting = embedding.compute(
        ["fpn0", "fpn1", "fpn2", "sam_s0", "sam_s1", "sam_embed"], {}
    ).values()
    words = embedding.geometry(exemplar_feeds(ConceptPrompt("red"), embedding.transform)).values()
    assert embedding.nbytes == sum(value.nbytes for value in (*lasting, *words))


def test_memory_that_two_features_share_counts_once(segmenter: Segmenter) -> None:
    embedding = segmenter.encode_image(SCENE)
    before, shared = embedding.nbytes, np.zeros((2, 100), np.float32)
    embedding._values |= {"fpn0": shared[:1], "fpn1": shared[1:, ::2]}
    assert embedding.nbytes == before + shared.nbytes


def test_an_image_may_be_prepared_for_a_graph_without_a_segmenter(segmenter: Segmenter) -> None:
    manifest = Bundle.open(segmenter.bundle.path).manifest
    embedding = ImageEmbedding.of(SCENE, manifest, segmenter.graph)
    by_segmenter = segmenter.encode_image(SCENE)
    wanted = ["fpn2", "sam_embed"]
    found, expected = (each.compute(wanted, {}) for each in (embedding, by_segmenter))
    for name in wanted:
        np.testing.assert_array_equal(found[name], expected[name])


def test_text_tokens_come_before_geometry_tokens() -> None:
    joined = joined_tokens(
        {
            "text_features": np.zeros((1, 2, 4), np.float32),
            "text_mask": np.array([[1, 0]], np.int64),
            "geometry_features": np.ones((1, 1, 4), np.float32),
            "geometry_mask": np.array([[True]]),
        }
    )
    assert joined["prompt"][0, :, 0].tolist() == [0, 0, 1]
    assert joined["prompt_mask"].dtype == np.bool_
    assert joined["prompt_mask"].tolist() == [[True, False, True]]
