"""What the trained image stages make of every frame of the clips, kept on disk.

The stages that remember learn with the image stages frozen, so each frame is encoded once.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from sam3_ros.training.tabletop.batches import normalised
from sam3_ros.training.tabletop.camera_effects import photograph
from sam3_ros.training.tabletop.network import FINE, GRID, MASK_GRID, MIDDLE, D, TabletopNetwork
from sam3_ros.training.tabletop.sequences import ClipFiles

log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class ClipFeatures:
    """Memory-mapped outputs of the necks: float16 [N,FRAMES,...]."""

    #: [N,FRAMES,24,120,160]
    fine: np.ndarray
    #: [N,FRAMES,48,60,80]
    middle: np.ndarray
    #: [N,FRAMES,96,30,40]
    coarse: np.ndarray
    #: [N,FRAMES,96,30,40], the detector neck's: it tells colours and shapes apart.
    look: np.ndarray


def encode_clips(files: ClipFiles, network: TabletopNetwork, folder: Path) -> ClipFeatures:
    """Encode all clips, each as a camera might see it, or open what is there already.

    What is there is of the weights that made it: remove the folder after another training.
    """
    folder.mkdir(parents=True, exist_ok=True)
    done = folder / f"done-{len(files.images)}"
    mode = "r" if done.exists() else "w+"
    clips = files.images.shape[:2]
    shapes = {
        "fine": (*clips, FINE, *MASK_GRID),
        "middle": (*clips, MIDDLE, *(2 * side for side in GRID)),
        "coarse": (*clips, D, *GRID),
        "look": (*clips, D, *GRID),
    }
    arrays = {
        name: np.lib.format.open_memmap(folder / f"{name}.npy", mode, np.float16, shape)
        for name, shape in shapes.items()
    }
    features = ClipFeatures(**arrays)
    if mode == "w+":
        _fill(features, files, network.eval())
        done.touch()
    return features


@torch.no_grad()
def _fill(features: ClipFeatures, files: ClipFiles, network: TabletopNetwork) -> None:
    for clip in range(len(files.images)):
        shots = [normalised(image) for image in photographed(files.images[clip], clip)]
        trunk = network.image_trunk(torch.from_numpy(np.stack(shots)))
        fine, middle, coarse = network.tracker_neck(*trunk)
        features.fine[clip], features.middle[clip] = fine.numpy(), middle.numpy()
        features.coarse[clip] = coarse.numpy()
        features.look[clip] = network.detector_neck(*trunk)[2].numpy()
        if clip % 50 == 49:
            log.info("encoded %d of %d clips", clip + 1, len(files.images))


def photographed(images: np.ndarray, seed: int) -> list[np.ndarray]:
    """Return the images of a clip as one camera sees them; of one clip in four, each by another."""
    keeps = np.random.default_rng((seed, 0)).random() < 0.75
    return [
        photograph(image, np.random.default_rng((seed, 1, 0 if keeps else number)))
        for number, image in enumerate(images)
    ]
