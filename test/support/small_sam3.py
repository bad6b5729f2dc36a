"""The whole of EfficientSAM3 with few, narrow layers: same code, same names, seconds."""

from __future__ import annotations

from dataclasses import replace

from sam3_ros.export.families.sam3 import EFFICIENTSAM3
from sam3_ros.export.families.sam3_family import Sam3Architecture
from sam3_ros.export.families.sam3_network import CommonSizes
from sam3_ros.export.models.sam3.sizes import DetectorSizes
from sam3_ros.export.models.sam3.tracker_sizes import TrackerSizes
from sam3_ros.export.models.text.encoder import TextArchitecture
from sam3_ros.export.models.trunks.efficientvit import EfficientVitSizes
from sam3_ros.export.models.trunks.recognise import TrunkArchitecture
from sam3_ros.export.network import Network
from sam3_ros.export.weights.batch_norms import calibrate_batch_norms
from sam3_ros.export.weights.random_weights import fill_randomly

INPUT_SIZE = 112
CHANNELS, WIDTH = 64, 64

TRUNK = TrunkArchitecture(
    "tiny", EfficientVitSizes((8, 16, 24, 32, 64), (1, 1, 1, 1, 1), 16), CHANNELS
)
TEXT = TextArchitecture("mobileclip", 64, 1, 96, 16, 16, d_model=WIDTH)
DETECTOR = DetectorSizes(
    trunk_channels=CHANNELS,
    width=WIDTH,
    feedforward=96,
    geometry_layers=1,
    fusion_layers=1,
    decoder_layers=1,
    queries=12,
    roi_size=3,
)
TRACKER = TrackerSizes(
    trunk_channels=CHANNELS,
    width=WIDTH,
    decoder_layers=1,
    decoder_feedforward=96,
    iou_hidden=48,
    mask_prompt_channels=8,
    memory_width=16,
    memory_frames=5,
    memory_layers=1,
    memory_feedforward=96,
    fuser_layers=1,
    fuser_hidden=64,
)
ARCHITECTURE = Sam3Architecture(TRUNK, CommonSizes(TEXT, DETECTOR, TRACKER))
FAMILY = replace(EFFICIENTSAM3, trunks=(TRUNK,))


def small_sam3(seed: int = 1, input_size: int = INPUT_SIZE) -> Network:
    """Return the network with random weights and calibrated batch norms."""
    network = FAMILY.build(ARCHITECTURE, input_size)
    fill_randomly(network, seed)
    calibrate_batch_norms(network, seed)
    return network
