"""Tabletop scenes: objects, light and camera at random, rendered with exact instance masks.

Above 300 lines, and one class: all of it draws from one generator and changes one MuJoCo model.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import mujoco
import numpy as np
from scipy.spatial.transform import Rotation

from sam3_ros.tabletop_words import COLOUR_NAMES, SHAPE_NAMES
from sam3_ros.training.tabletop.stage import (
    HIDDEN,
    SURFACES,
    Slot,
    compile_stage,
)

MAX_OBJECTS = 12
FIRST_CLUTTER_ID = 101
#: Pixels at 640x480 that must be seen of an object for it to be in the scene.
SMALLEST_VISIBLE = 350

_BOARD_THICKNESS = 0.008
_BOARD_COLOUR = (0.72, 0.68, 0.6, 1.0)

#: (hue range, saturation range, value range), hue in turns
COLOUR_RANGES: dict[str, tuple[tuple[float, float], ...]] = {
    "red": ((-0.02, 0.012), (0.85, 1.0), (0.55, 0.95)),
    "orange": ((0.055, 0.085), (0.9, 1.0), (0.85, 1.0)),
    "yellow": ((0.14, 0.17), (0.8, 1.0), (0.8, 1.0)),
    "green": ((0.28, 0.4), (0.65, 1.0), (0.35, 0.8)),
    "blue": ((0.57, 0.66), (0.75, 1.0), (0.45, 0.95)),
    "purple": ((0.75, 0.82), (0.6, 0.95), (0.4, 0.8)),
    "white": ((0.0, 1.0), (0.0, 0.04), (0.92, 1.0)),
    "black": ((0.0, 1.0), (0.0, 0.2), (0.02, 0.08)),
}


@dataclass(frozen=True)
class SceneObject:
    """An object of the scene."""

    #: Index into COLOUR_NAMES.
    colour: int
    #: Index into SHAPE_NAMES.
    shape: int


@dataclass(frozen=True, eq=False)
class Scene:
    """A rendered scene."""

    #: uint8 RGB [H,W,3], without camera effects.
    image: np.ndarray
    #: uint8 [480,640] or the world's label size: 0 background, 1 to N the objects in order, from
    #: FIRST_CLUTTER_ID on clutter.
    labels: np.ndarray
    objects: tuple[SceneObject, ...]


class World:
    """Draws scenes. One MuJoCo model serves `scenes_per_stage` of them.

    The renderer needs MUJOCO_GL=osmesa or egl where there is no display.
    """

    def __init__(
        self,
        seed: int,
        width: int = 640,
        height: int = 480,
        scenes_per_stage: int = 40,
        label_size: tuple[int, int] = (640, 480),
    ):
        self._rng = np.random.default_rng(seed)
        self._size = (width, height)
        self._label_size = label_size
        self._scenes_per_stage = scenes_per_stage
        self._drawn = 0
        self._board: Slot | None = None
        self._renderers: list[mujoco.Renderer] = []
        self._depth_renderers: dict[tuple[int, int], mujoco.Renderer] = {}

    def __enter__(self) -> World:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Free the rendering contexts."""
        for renderer in (*self._renderers, *self._depth_renderers.values()):
            renderer.close()
        self._renderers, self._depth_renderers = [], {}

    def draw(self) -> Scene:
        """Draw a scene with 2 to MAX_OBJECTS objects of at least SMALLEST_VISIBLE pixels each."""
        while True:
            self.next_stage()
            self.arrange()
            scene = self.look()
            if len(scene.objects) >= 2:
                return scene

    def arrange(self) -> None:
        """Place light, camera, objects and clutter anew, without rendering."""
        self._hide_all()
        self._light()
        self.view = self._random_view()
        self.place_camera(*self.view)
        self._place_objects()
        self._place_clutter()

    def look(self, keep_all: bool = False) -> Scene:
        """Render the scene. Remove objects that are hardly seen first, unless keep_all."""
        width, height = self._size
        while True:
            mujoco.mj_forward(self._model, self._data)
            labels = self._render_labels()
            hidden = [] if keep_all else self._hardly_seen(labels)
            if not hidden:
                break
            for slot in hidden:
                self._hide(slot)
                del self._shown[slot]
        colour, _ = self._renderers
        colour.update_scene(self._data, "camera")
        image = colour.render()
        if (width, height) != (image.shape[1], image.shape[0]):
            image = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
        return Scene(image.copy(), labels, tuple(self._shown.values()))

    def depth(self, size: tuple[int, int] | None = None) -> np.ndarray:
        """Return how far along the optical axis what the last look() showed is, m.

        size: (width, height), the labels' by default. float32 [H,W]; from 12 m on there is nothing.
        Pixel (x, y) is seen along its centre: the principal point is ((W - 1) / 2, (H - 1) / 2).
        """
        width, height = size or self._label_size
        if (width, height) not in self._depth_renderers:
            renderer = mujoco.Renderer(self._model, height, width)
            renderer.enable_depth_rendering()
            self._depth_renderers[width, height] = renderer
        renderer = self._depth_renderers[width, height]
        renderer.update_scene(self._data, "camera")
        return renderer.render().astype(np.float32)

    # -- objects that move

    def places(self) -> np.ndarray:
        """Return where the objects stand on the table: x and y in m, float [N,2]."""
        bodies = [slot.body for slot in self._shown]
        return self._data.mocap_pos[bodies, :2].copy()

    def kinds(self) -> tuple[SceneObject, ...]:
        """Return the objects of the scene in order."""
        return tuple(self._shown.values())

    def move(self, number: int, place: np.ndarray) -> None:
        """Put object `number` (from 0) at x and y, in m; it stays as high and turned as it is."""
        self._data.mocap_pos[list(self._shown)[number].body, :2] = place

    def paint_alike(self, number: int, other: int) -> None:
        """Give object `number` the very colour of `other`."""
        slots = list(self._shown)
        one, model = slots[number], slots[other]
        self._model.geom_rgba[one.geom] = self._model.geom_rgba[model.geom]
        self._shown[one] = SceneObject(self._shown[model].colour, self._shown[one].shape)

    def stand_board(self, place: np.ndarray, yaw: float, size: tuple[float, float]) -> None:
        """Stand a board on the table, which no prompt names, or move the one that stands there.

        place: x and y of its middle, m; yaw: of the direction that it faces, radians; size: width
        and height, m. Raises RuntimeError where all clutter that could be a board is in use.
        """
        model = self._model
        if self._board is None:
            is_box = model.geom_type == mujoco.mjtGeom.mjGEOM_BOX
            free = (s for s in self._slots if s.shape == "clutter" and s not in self._clutter)
            self._board = next((slot for slot in free if is_box[slot.geom]), None)
            if self._board is None:
                raise RuntimeError("no clutter is left that could be a board")
            self._clutter.append(self._board)
        slot, half = self._board, np.array([_BOARD_THICKNESS, *size]) / 2
        model.geom_size[slot.geom] = half
        model.geom_rbound[slot.geom] = np.linalg.norm(half)
        model.geom_rgba[slot.geom] = _BOARD_COLOUR
        self._data.mocap_pos[slot.body] = [*place, half[2]]
        self._data.mocap_quat[slot.body] = _wxyz(Rotation.from_euler("z", yaw))

    def remove_board(self) -> None:
        """Take the board away, if there is one."""
        if self._board is not None:
            self._hide(self._board)
            self._clutter.remove(self._board)
            self._board = None

    # -- the stage

    def next_stage(self) -> None:
        """Compile a new model once the present one has served its scenes."""
        if self._drawn % self._scenes_per_stage == 0:
            self.close()
            self._model, self._slots = compile_stage(self._rng)
            self._data = mujoco.MjData(self._model)
            width, height = self._size
            colour = mujoco.Renderer(self._model, height, width)
            masks = mujoco.Renderer(self._model, self._label_size[1], self._label_size[0])
            masks.enable_segmentation_rendering()
            self._renderers = [colour, masks]
        self._drawn += 1

    def _hide(self, slot: Slot) -> None:
        self._data.mocap_pos[slot.body] = HIDDEN
        self._model.geom_rgba[slot.geom, 3] = 0.0

    def _hide_all(self) -> None:
        for slot in self._slots:
            self._hide(slot)
        self._shown: dict[Slot, SceneObject] = {}
        self._clutter: list[Slot] = []
        self._board = None
        self._occupied: list[tuple[float, float, float]] = []

    # -- light and camera

    def _light(self) -> None:
        rng, model = self._rng, self._model
        warm = rng.uniform(0.9, 1.1, 3)
        power = rng.uniform(0.35, 0.75)
        share = rng.uniform(0.0, 0.4)
        for name, diffuse in (("key", power * (1 - share)), ("fill", power * share)):
            light = model.light(name)
            direction = np.array([*rng.uniform(-0.9, 0.9, 2), -1.0])
            light.dir[:] = direction / np.linalg.norm(direction)
            light.pos[:] = -2 * light.dir
            light.diffuse[:] = diffuse * warm
            light.specular[:] = 0.3 * diffuse
        model.vis.headlight.ambient[:] = rng.uniform(0.25, 0.5) * warm
        model.vis.headlight.diffuse[:] = rng.uniform(0.0, 0.25)
        model.vis.headlight.specular[:] = 0.0
        model.geom("table").matid[:] = rng.integers(SURFACES)
        model.geom("floor").matid[:] = SURFACES + rng.integers(SURFACES)

    def _random_view(self) -> tuple[float, float, float, np.ndarray, float]:
        rng = self._rng
        target = np.array([*rng.uniform(-0.12, 0.12, 2), 0.02])
        return (
            rng.uniform(0, 2 * np.pi),
            rng.uniform(np.radians(28), np.radians(75)),
            rng.uniform(0.62, 1.0),
            target,
            rng.uniform(36, 50),
        )

    def place_camera(
        self, azimuth: float, elevation: float, distance: float, target: np.ndarray, fovy: float
    ) -> None:
        """Look at `target` (m) from `distance` (m); angles in radians, fovy in degrees."""
        direction = np.array(
            [
                np.cos(azimuth) * np.cos(elevation),
                np.sin(azimuth) * np.cos(elevation),
                np.sin(elevation),
            ]
        )
        right = np.cross([0.0, 0.0, 1.0], direction)
        right /= np.linalg.norm(right)
        up = np.cross(direction, right)
        camera = self._model.camera("camera")
        camera.pos[:] = target + distance * direction
        camera.quat[:] = _wxyz(Rotation.from_matrix(np.stack([right, up, direction], axis=1)))
        camera.fovy[:] = fovy
        self._view = (camera.pos.copy(), np.stack([right, up, direction]), fovy)

    @property
    def camera_pose(self) -> tuple[np.ndarray, np.ndarray, float]:
        """Where the camera is, m; its axes right, up and back as rows [3,3]; its fovy, degrees."""
        return self._view

    def _project(self, point: np.ndarray) -> tuple[np.ndarray, float]:
        """Project to pixels at 640x480; return them with the pixels per metre there."""
        position, axes, fovy = self._view
        x, y, z = axes @ (point - position)
        focal = 240 / np.tan(np.radians(fovy) / 2)
        return np.array([320 + focal * x / -z, 240 - focal * y / -z]), focal / -z

    # -- objects

    def _place_objects(self) -> None:
        rng = self._rng
        count = int(rng.integers(2, MAX_OBJECTS + 1))
        # A small palette makes several instances of one phrase, and near misses, common.
        few = rng.random() < 0.6
        shapes = rng.choice(len(SHAPE_NAMES), rng.integers(2, 5) if few else 8, replace=False)
        colours = rng.choice(len(COLOUR_NAMES), rng.integers(2, 5) if few else 8, replace=False)
        free = [slot for slot in self._slots if slot.shape != "clutter"]
        for _ in range(count):
            wanted = SHAPE_NAMES[int(rng.choice(shapes))]
            slot = next((s for s in free if s.shape == wanted), None)
            if slot is None or not self._place(slot):
                continue
            free.remove(slot)
            colour = int(rng.choice(colours))
            self._model.geom_rgba[slot.geom] = [*self._shade(COLOUR_NAMES[colour]), 1.0]
            self._shown[slot] = SceneObject(colour, SHAPE_NAMES.index(slot.shape))

    def _place_clutter(self) -> None:
        rng = self._rng
        free = [slot for slot in self._slots if slot.shape == "clutter"]
        for slot in free[: rng.integers(0, len(free) + 1)]:
            if self._place(slot):
                value, saturation = rng.uniform(0.25, 0.75), rng.uniform(0.0, 0.35)
                self._model.geom_rgba[slot.geom] = [
                    *_rgb(rng.uniform(0.05, 0.15), saturation, value),
                    1.0,
                ]
                self._clutter.append(slot)

    def _place(self, slot: Slot) -> bool:
        rng = self._rng
        for _ in range(30):
            x, y = rng.uniform(-0.6, 0.6), rng.uniform(-0.5, 0.5)
            if self._occupied and rng.random() < 0.5:  # side by side: one hides another
                ox, oy, radius = self._occupied[rng.integers(len(self._occupied))]
                angle, reach = rng.uniform(0, 2 * np.pi), radius + slot.footprint + 0.01
                x, y = ox + reach * np.cos(angle), oy + reach * np.sin(angle)
            pixel, _ = self._project(np.array([x, y, 0.03]))
            if not (30 < pixel[0] < 610 and 30 < pixel[1] < 450):
                continue
            gap = rng.uniform(0.0, 0.009)
            if any(
                np.hypot(x - ox, y - oy) < slot.footprint + radius + gap
                for ox, oy, radius in self._occupied
            ):
                continue
            rotation, height = slot.rests[rng.integers(len(slot.rests))]
            yaw = Rotation.from_euler("z", rng.uniform(0, 2 * np.pi))
            self._data.mocap_pos[slot.body] = [x, y, height]
            self._data.mocap_quat[slot.body] = _wxyz(yaw * rotation)
            self._occupied.append((x, y, slot.footprint))
            return True
        return False

    def _shade(self, name: str) -> np.ndarray:
        hue, saturation, value = (self._rng.uniform(*bounds) for bounds in COLOUR_RANGES[name])
        return _rgb(hue % 1.0, saturation, value)

    # -- masks

    def _render_labels(self) -> np.ndarray:
        _, masks = self._renderers
        masks.update_scene(self._data, "camera")
        found = masks.render()
        table = np.zeros(self._model.ngeom + 1, np.uint8)
        for number, slot in enumerate(self._shown, start=1):
            table[slot.geom] = number
        for number, slot in enumerate(self._clutter, start=FIRST_CLUTTER_ID):
            table[slot.geom] = number
        is_geom = found[..., 1] == int(mujoco.mjtObj.mjOBJ_GEOM)
        return table[np.where(is_geom, found[..., 0], -1)]

    def _hardly_seen(self, labels: np.ndarray) -> list[Slot]:
        seen = np.bincount(labels.ravel(), minlength=256) * (640 * 480 / labels.size)
        hidden = []
        for number, slot in enumerate(self._shown, start=1):
            _, scale = self._project(self._data.mocap_pos[slot.body])
            whole = np.pi * (0.55 * slot.footprint * scale) ** 2
            if seen[number] < max(SMALLEST_VISIBLE, 0.3 * whole):
                hidden.append(slot)
        return hidden


def _wxyz(rotation: Rotation) -> np.ndarray:
    x, y, z, w = rotation.as_quat()
    return np.array([w, x, y, z])


def _rgb(hue: float, saturation: float, value: float) -> np.ndarray:
    hsv = np.array([[[hue * 360, saturation, value]]], np.float32)
    return cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)[0, 0].astype(np.float64)
