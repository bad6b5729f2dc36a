"""The files of a bundle beside its graphs: the tokenizer and the recorded answers."""

from __future__ import annotations

from sam3_ros.core.bundle.bundle import Bundle
from sam3_ros.core.precision.recording import recorded_in
from sam3_ros.core.segmenter.text import ClipTokenizer


def check_other_files(bundle: Bundle) -> None:
    """Read both, so that a fault is told before minutes of work. Raises BundleError."""
    if bundle.manifest.concept is not None:
        ClipTokenizer(bundle.tokenizer_file, bundle.manifest.concept.tokenizer)
    recorded_in(bundle)
