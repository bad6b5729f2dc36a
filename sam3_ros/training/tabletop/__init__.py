"""The tabletop world, its small model, and how the shipped bundle is made from them."""

import os

# MuJoCo reads it once, when it is imported; without a display there is no other renderer.
os.environ.setdefault("MUJOCO_GL", "osmesa")
