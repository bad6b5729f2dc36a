"""A MuJoCo model with slots for objects and clutter: compiled once, used for many scenes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import mujoco
import numpy as np
from scipy.spatial.transform import Rotation

from sam3_ros.tabletop_words import SHAPE_NAMES
from sam3_ros.training.tabletop import meshes
from sam3_ros.training.tabletop.textures import random_texture

SLOTS_PER_SHAPE = 5
CLUTTER_SLOTS = 6
SURFACES = 3
HIDDEN = np.array([0.0, 0.0, -50.0])

MESHES: dict[str, Callable[[], meshes.Mesh]] = {
    "cone": meshes.cone,
    "pyramid": meshes.pyramid,
    "ring": meshes.ring,
    "star": meshes.star,
}


@dataclass(frozen=True)
class Slot:
    """One body that a scene may show."""

    #: Indices of its mocap body and its geom in the model.
    body: int
    geom: int
    shape: str
    #: Radius in metres of the circle on the table that contains it, whatever its yaw.
    footprint: float
    #: Orientations in which it can rest, with the height of its origin above the table (m).
    rests: tuple[tuple[Rotation, float], ...]


def compile_stage(rng: np.random.Generator) -> tuple[mujoco.MjModel, list[Slot]]:
    """Compile a model with SLOTS_PER_SHAPE slots of each shape in random sizes, and clutter."""
    assets = {f"surface{i}.png": random_texture(rng) for i in range(2 * SURFACES)}
    slots: list[Slot] = []
    bodies, mesh_assets = [], []
    for shape in (*SHAPE_NAMES, *["clutter"] * CLUTTER_SLOTS):
        for _ in range(1 if shape == "clutter" else SLOTS_PER_SHAPE):
            index = len(slots)
            geom, mesh, footprint, rests = _object(shape, index, rng)
            mesh_assets.append(mesh)
            material = f'material="finish{rng.integers(3)}"'
            bodies.append(f'<body name="o{index}" mocap="true"><geom {geom} {material}/></body>')
            slots.append(Slot(-1, -1, shape, footprint, rests))
    model = mujoco.MjModel.from_xml_string(_mjcf(mesh_assets, bodies), assets)
    placed = []
    for index, slot in enumerate(slots):
        body = model.body(f"o{index}")
        geom_id = int(body.geomadr[0])
        mocap = int(model.body_mocapid[body.id])
        placed.append(Slot(mocap, geom_id, slot.shape, slot.footprint, slot.rests))
    return model, placed


def _mjcf(mesh_assets: list[str], bodies: list[str]) -> str:
    surfaces = "".join(
        f'<texture name="t{i}" type="2d" file="surface{i}.png"/>'
        f'<material name="surface{i}" texture="t{i}" texrepeat="{1 + i % 3} {1 + i % 3}"'
        f' specular="{0.1 * (i % 3)}" shininess="0.3"/>'
        for i in range(2 * SURFACES)
    )
    finishes = "".join(
        f'<material name="finish{i}" specular="{specular}" shininess="{shininess}"/>'
        for i, (specular, shininess) in enumerate([(0.05, 0.1), (0.4, 0.4), (0.9, 0.8)])
    )
    return f"""<mujoco>
  <statistic extent="1.2" center="0 0 0"/>
  <visual>
    <global offwidth="640" offheight="480"/>
    <quality shadowsize="1024" offsamples="4"/>
    <map znear="0.05" zfar="12" shadowclip="1.2"/>
  </visual>
  <asset>
    <texture type="skybox" builtin="gradient" rgb1=".75 .75 .78" rgb2=".3 .3 .33"
             width="64" height="384"/>
    {surfaces}{finishes}{"".join(mesh_assets)}
  </asset>
  <worldbody>
    <light name="key" directional="true" castshadow="true"/>
    <light name="fill" directional="true" castshadow="false"/>
    <camera name="camera" mode="fixed"/>
    <geom name="floor" type="plane" size="4 4 .1" pos="0 0 -.7" material="surface3"/>
    <geom name="table" type="box" size=".75 .6 .02" pos="0 0 -.02" material="surface0"/>
    {"".join(bodies)}
  </worldbody>
</mujoco>"""


_UPRIGHT = Rotation.identity()
_LYING = Rotation.from_euler("x", 90, degrees=True)


def _object(
    shape: str, index: int, rng: np.random.Generator
) -> tuple[str, str, float, tuple[tuple[Rotation, float], ...]]:
    """Return MJCF attributes of the geom, its mesh asset, its footprint and its rests."""
    size = rng.uniform(0.038, 0.06)
    if shape == "clutter":
        return _clutter(rng)
    if shape == "cube":
        x, y, z = size * rng.uniform(0.9, 1.1, 3) * 0.9
        return f'type="box" size="{x} {y} {z}"', "", float(np.hypot(x, y)), ((_UPRIGHT, z),)
    if shape == "ball":
        return f'type="sphere" size="{size}"', "", size, ((_UPRIGHT, size),)
    if shape == "cylinder":
        radius, half = size * rng.uniform(0.65, 0.9), size * rng.uniform(0.85, 1.25)
        rests = ((_UPRIGHT, half), (_UPRIGHT, half), (_LYING, radius))
        return f'type="cylinder" size="{radius} {half}"', "", max(radius, half), rests
    if shape == "capsule":
        radius, half = size * rng.uniform(0.45, 0.6), size * rng.uniform(0.7, 1.0)
        rests = ((_LYING, radius), (_LYING, radius), (_UPRIGHT, radius + half))
        return f'type="capsule" size="{radius} {half}"', "", radius + half, rests
    mesh = MESHES[shape]()
    asset = f'<mesh name="m{index}" {mesh.attributes(size)}/>'
    footprint = float(np.abs(mesh.vertices).max()) * size
    turned = (*([_UPRIGHT] * 2), _LYING) if shape in ("ring", "star") else (_UPRIGHT,)
    if shape == "star":  # standing, it rests on two of its points
        turned = (*turned[:2], _LYING * Rotation.from_euler("z", 0, degrees=True))
    heights = (-float(r.apply(mesh.vertices)[:, 2].min()) * size for r in turned)
    return (
        f'type="mesh" mesh="m{index}"',
        asset,
        footprint,
        tuple(zip(turned, heights, strict=True)),
    )


def _clutter(
    rng: np.random.Generator,
) -> tuple[str, str, float, tuple[tuple[Rotation, float], ...]]:
    """Return the same for a pebble, stick or sheet: things that no prompt names."""
    kind = rng.choice(["pebble", "stick", "sheet"])
    if kind == "pebble":
        x, y, z = rng.uniform(0.02, 0.05), rng.uniform(0.02, 0.05), rng.uniform(0.01, 0.017)
        return f'type="ellipsoid" size="{x} {y} {z}"', "", max(x, y), ((_UPRIGHT, z),)
    if kind == "stick":
        radius, half = rng.uniform(0.005, 0.009), rng.uniform(0.07, 0.12)
        return f'type="box" size="{radius} {half} {radius}"', "", half, ((_UPRIGHT, radius),)
    x, y = rng.uniform(0.04, 0.08, 2)
    return f'type="box" size="{x} {y} .002"', "", float(np.hypot(x, y)), ((_UPRIGHT, 0.002),)
