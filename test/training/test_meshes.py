"""Closed, outward-facing meshes: MuJoCo lights and shadows them right only then."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from sam3_ros.training.tabletop import meshes


@pytest.mark.parametrize("make", [meshes.cone, meshes.pyramid, meshes.ring, meshes.star])
def test_every_edge_is_shared_by_two_faces_that_run_it_in_opposite_directions(make) -> None:
    edges = Counter(
        (int(face[i]), int(face[(i + 1) % 3])) for face in make().faces for i in range(3)
    )
    assert set(edges.values()) == {1}
    assert all((b, a) in edges for a, b in edges)


@pytest.mark.parametrize("make", [meshes.cone, meshes.pyramid, meshes.ring, meshes.star])
def test_faces_look_outward(make) -> None:
    mesh = make()
    a, b, c = (mesh.vertices[mesh.faces[:, k]] for k in range(3))
    volume = np.einsum("ij,ij->i", a, np.cross(b, c)).sum() / 6
    assert volume > 0
