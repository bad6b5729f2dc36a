"""Triangle meshes of the shapes that MuJoCo has no primitive for, in units of the half-size."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Mesh:
    """A closed mesh of triangles."""

    #: float [N,3], in half-sizes, z up.
    vertices: np.ndarray
    #: int [M,3], counter-clockwise from outside.
    faces: np.ndarray

    def attributes(self, scale: float) -> str:
        """Return the `vertex` and `face` attributes of an MJCF mesh, scaled to metres."""
        vertex = " ".join(f"{value:.5f}" for value in (self.vertices * scale).ravel())
        face = " ".join(str(index) for index in self.faces.ravel())
        return f'vertex="{vertex}" face="{face}"'


def cone(sides: int = 40) -> Mesh:
    """Return a cone on its base: radius 0.95, height 2."""
    return _spire(_circle(sides, 0.95), height=2.0)


def pyramid() -> Mesh:
    """Return a square pyramid on its base: edge 2, height 1.8."""
    corners = np.array([[1.0, -1.0], [1.0, 1.0], [-1.0, 1.0], [-1.0, -1.0]])
    return _spire(corners, height=1.8)


def star(
    points: int = 5, outer: float = 1.25, inner: float = 0.55, half_depth: float = 0.4
) -> Mesh:
    """Return a star prism lying flat, one point along +y."""
    angles = np.pi / 2 + np.arange(2 * points) * np.pi / points
    radii = np.where(np.arange(2 * points) % 2 == 0, outer, inner)
    outline = np.stack([radii * np.cos(angles), radii * np.sin(angles)], axis=1)
    return _prism(outline, half_depth)


def ring(major: float = 0.85, minor: float = 0.3, around: int = 36, across: int = 16) -> Mesh:
    """Return a torus lying flat."""
    theta, phi = np.meshgrid(
        np.arange(around) * 2 * np.pi / around,
        np.arange(across) * 2 * np.pi / across,
        indexing="ij",
    )
    distance = major + minor * np.cos(phi)
    vertices = np.stack(
        [distance * np.cos(theta), distance * np.sin(theta), minor * np.sin(phi)], axis=-1
    ).reshape(-1, 3)
    faces = []
    for i in range(around):
        for j in range(across):
            a, b = i * across + j, ((i + 1) % around) * across + j
            c, d = ((i + 1) % around) * across + (j + 1) % across, i * across + (j + 1) % across
            faces += [(a, b, c), (a, c, d)]
    return Mesh(vertices, np.array(faces))


def _circle(sides: int, radius: float) -> np.ndarray:
    angles = np.arange(sides) * 2 * np.pi / sides
    return radius * np.stack([np.cos(angles), np.sin(angles)], axis=1)


def _spire(outline: np.ndarray, height: float) -> Mesh:
    count = len(outline)
    base = np.concatenate([outline, np.full((count, 1), -height / 2)], axis=1)
    vertices = np.concatenate([base, [[0.0, 0.0, height / 2], [0.0, 0.0, -height / 2]]])
    faces = []
    for i in range(count):
        j = (i + 1) % count
        faces += [(i, j, count), (j, i, count + 1)]
    return Mesh(vertices, np.array(faces))


def _prism(outline: np.ndarray, half_depth: float) -> Mesh:
    count = len(outline)
    top = np.concatenate([outline, np.full((count, 1), half_depth)], axis=1)
    bottom = top * [1.0, 1.0, -1.0]
    centres = [[0.0, 0.0, half_depth], [0.0, 0.0, -half_depth]]
    vertices = np.concatenate([top, bottom, centres])
    faces = []
    for i in range(count):
        j = (i + 1) % count
        faces += [(i, j, 2 * count), (count + j, count + i, 2 * count + 1)]
        faces += [(i, count + i, count + j), (i, count + j, j)]
    return Mesh(vertices, np.array(faces))
