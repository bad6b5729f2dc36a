"""Whether a bundle and the reference were made from the same weights.

With other weights no number agrees, which says nothing about the conversion. A case holds the seed
of the checkpoint that answered, or the sha256 of its file; a bundle's manifest says where its own
come from.
"""

from __future__ import annotations

from collections.abc import Mapping

from sam3_ros.core.bundle.manifest import Manifest
from sam3_ros.core.errors import ExportError
from sam3_ros.core.stages.session import Array
from sam3_ros.export.weights_identity import (
    CHECKPOINT,
    CHECKPOINT_SHA256,
    RANDOM_SEED,
    WEIGHTS_SAMPLES,
    Adjustment,
    filled_by_rule,
    parsed_samples,
    shows_adjustment,
)

#: Keys of a case.
_SEED, _SHA256 = "weights_seed", "checkpoint_sha256"


def require_same_weights(manifest: Manifest, name: str, case: Mapping[str, Array]) -> bool:
    """Return whether it is known that the case was made with the bundle's weights.

    False where case or bundle do not say which they were made from. Raises ExportError where they
    differ.
    """
    if _SEED not in case and _SHA256 not in case:
        return False
    source = manifest.source
    if RANDOM_SEED in source:  # by a rule of its own, which no reference has
        raise _other(manifest, name, case, f"random ones of seed {source[RANDOM_SEED]}")
    ours = f"those of {source.get(CHECKPOINT, 'a file that it does not name')}"
    if _SHA256 in case and CHECKPOINT_SHA256 in source:
        if str(case[_SHA256]) == source[CHECKPOINT_SHA256]:
            return True
        raise _other(manifest, name, case, f"{ours} (sha256 {source[CHECKPOINT_SHA256][:12]}...)")
    samples = parsed_samples(source.get(WEIGHTS_SAMPLES, ""))
    if _SEED not in case or not samples:
        return False
    if not filled_by_rule(samples, int(case[_SEED])):
        raise _other(manifest, name, case, ours)
    return True


def other_video_weights(
    manifest: Manifest, seed: int, adjustment: Adjustment, checkpoint_sha256: str = ""
) -> str:
    """Say why a video case was not answered with the bundle's weights; empty if it was, or may be.

    seed, adjustment: of the case's checkpoint, a random one; checkpoint_sha256 instead, of a file.
    """
    source = manifest.source
    ours = f"the bundle has those of {source.get(CHECKPOINT, 'a file that it does not name')}"
    if RANDOM_SEED in source:
        return f"other weights: the bundle has random ones of seed {source[RANDOM_SEED]}"
    if checkpoint_sha256 and CHECKPOINT_SHA256 in source:
        same = checkpoint_sha256 == source[CHECKPOINT_SHA256]
        return "" if same else f"other weights: {ours}, not of {checkpoint_sha256[:12]}..."
    samples = parsed_samples(source.get(WEIGHTS_SAMPLES, ""))
    if not samples or filled_by_rule(samples, seed, adjustment):
        return ""
    if not shows_adjustment(samples) and filled_by_rule(samples, seed):
        return ""
    bias = ", ".join(f"{each:g}" for each in adjustment.iou_bias)
    return (
        f"other weights: {ours}, the case those of seed {seed} with score_shift "
        f"{adjustment.score_shift:g} and iou_bias [{bias}]"
    )


def _other(manifest: Manifest, name: str, case: Mapping[str, Array], ours: str) -> ExportError:
    theirs = [f"seed {int(case[_SEED])}"] if _SEED in case else []
    theirs += [f"the file of sha256 {str(case[_SHA256])[:12]}..."] if _SHA256 in case else []
    return ExportError(
        f"other weights: {name} of the reference was answered with those of "
        f"{' and '.join(theirs) or 'its own checkpoint'}, bundle {manifest.name!r} has {ours}; "
        f"nothing was compared. Export the reference's checkpoint, or give this one's reference"
    )
