"""What a depth camera of structured light measures of an exact depth image.

Three things make its picture: the projector stands beside the camera, so that beside near things
lies a shadow without depth; what is measured is a disparity, in steps of an eighth of a pixel; and
edges are ragged, as a disparity comes from a window around the pixel. Steps and ragged edges are as
in Handa et al., "A Benchmark for RGB-D Visual Odometry, 3D Reconstruction and SLAM", ICRA 2014; the
sizes are those of the first Kinect (Khoshelham and Elberink, Sensors 12, 2012), and the reach that
of its short-range sister, PrimeSense's Carmine 1.09.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np


@dataclass(frozen=True)
class DepthCamera:
    """A depth camera whose image is registered to the colour camera's."""

    #: Of the depth image, px.
    focal: float
    #: From the projector, which is right of it, to the camera, m.
    baseline: float = 0.075
    #: Steps of the disparity, px.
    step: float = 1 / 8
    #: Of the disparity, px: standard deviation.
    noise: float = 1 / 24
    #: How wide the window is that a disparity comes from, px: its noise is alike within it.
    window: float = 2.0
    #: How far beside its place a pixel may measure, px: standard deviation.
    ragged: float = 0.5
    #: m.
    nearest: float = 0.4
    farthest: float = 1.4
    #: A surface that is seen at a smaller angle than this gives no answer, degrees.
    grazing: float = 12.0
    #: Part of the pixels around which a hole is.
    holes: float = 2e-4

    def measure(self, depth: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return the image in whole millimetres, uint16 [H,W], 0 where it measures nothing.

        depth: exact distances along the optical axis, m, float [H,W].
        """
        seen = self._moved(depth, rng)
        disparity = self.focal * self.baseline / np.maximum(seen, 1e-3)
        disparity += self.noise * self._grain(depth.shape, rng)
        disparity = np.round(disparity / self.step) * self.step
        measured = self.focal * self.baseline / np.maximum(disparity, self.step)
        lost = (measured < self.nearest) | (measured > self.farthest)
        lost |= self._shadow(depth) | self._too_flat(depth) | self._holes(depth.shape, rng)
        return np.where(lost, 0, np.round(measured * 1000)).astype(np.uint16)

    def _moved(self, depth: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return each pixel's depth from a place beside it, which is alike within a window."""
        height, width = depth.shape
        rows, columns = np.indices(depth.shape)
        grains = (self._grain(depth.shape, rng) for _ in range(2))
        down, across = (np.rint(self.ragged * grain).astype(int) for grain in grains)
        return depth[np.clip(rows + down, 0, height - 1), np.clip(columns + across, 0, width - 1)]

    def _grain(self, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
        """Return noise of standard deviation 1 that is alike within a window."""
        grain = cv2.GaussianBlur(rng.standard_normal(shape), (0, 0), self.window / 2)
        return np.asarray(grain / grain.std())

    def _shadow(self, depth: np.ndarray) -> np.ndarray:
        """Return what the projector does not reach, bool [H,W].

        A pixel at column x is column x - disparity for it; what is nearer, and further right here,
        may stand at the same column there.
        """
        columns = np.arange(depth.shape[1]) - self.focal * self.baseline / depth
        nearest = np.minimum.accumulate(columns[:, ::-1], axis=1)[:, ::-1]
        return np.asarray(columns > nearest + 0.5)

    def _too_flat(self, depth: np.ndarray) -> np.ndarray:
        """Return where the surface turns away, and where depth jumps, bool [H,W]."""
        down, across = np.gradient(depth)
        slope = np.hypot(down, across) * self.focal / depth  # m along the axis for one beside it
        return np.asarray(slope > 1 / np.tan(np.radians(self.grazing)))

    def _holes(self, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
        """Return holes of a few pixels each, bool [H,W]."""
        seeds = (rng.random(shape) < self.holes).astype(np.uint8)
        return cv2.dilate(seeds, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (5, 5))) > 0
