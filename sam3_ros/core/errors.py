"""Every error that sam3_ros raises on purpose.

Sam3RosError
├── BundleError          damaged, unknown version, points outside its folder, unknown name
│   └── ChecksumError    a file's bytes are not those that the manifest states
├── BackendError         backend or provider not available, session cannot be made
│   └── PrecisionError   the bundle has no files of that precision, or the backend cannot compute so
├── ProfileError         a machine profile that is damaged, or of another machine or bundle
├── InferenceError       a session failed while it ran
├── PromptError          a prompt that cannot be answered (also a ValueError)
├── ImageError           an image that cannot be read or has the wrong form (also a ValueError)
├── SpaceError           depth, camera or transform that cannot be, or that do not fit each other
├── HubError             a file or repository of the hub that cannot be had, or is not what it says
├── AnnotationError      an annotation file that cannot be read, or has nothing to measure
└── ExportError          a model cannot be exported as asked
    ├── CheckpointError  a file that is no checkpoint, or whose tensors do not fit the model
    └── VerificationError  a bundle's answers are not those of the original model

A message says what was expected, what came, and what to do.
"""

from __future__ import annotations


class Sam3RosError(Exception):
    """Base of the tree: catch this to catch everything sam3_ros raises on purpose."""


class BundleError(Sam3RosError):
    """A bundle that is damaged, of an unknown version, unknown, or points outside its folder."""


class ChecksumError(BundleError):
    """A file of a bundle differs in size or sha256 from what its manifest says."""


class BackendError(Sam3RosError):
    """A backend is not available here, or it cannot make a session of a file."""


class PrecisionError(BackendError):
    """The bundle has no files of the precision that was asked for, or no backend computes in it."""


class ProfileError(Sam3RosError):
    """A machine profile that is damaged, or that was made for another bundle or machine."""


class InferenceError(Sam3RosError):
    """A session failed while it ran; the backend's own error is its `__cause__`."""

    def __init__(self, message: str, stage: str = "") -> None:
        """stage: the name of the stage that ran, where it is known."""
        super().__init__(message)
        self.stage = stage


class PromptError(Sam3RosError, ValueError):
    """A prompt that cannot be answered: blank, too long, outside the image, labels missing."""


class ImageError(Sam3RosError, ValueError):
    """An image that cannot be read, or whose shape or dtype is not the expected one."""


class SpaceError(Sam3RosError, ValueError):
    """A depth image, camera or transform that cannot be, or that does not fit the masks."""


class HubError(Sam3RosError):
    """A file or a repository of the hub that cannot be had, or whose bytes are not what it says."""


class AnnotationError(Sam3RosError):
    """A file of annotations, or an annotation, that says nothing to compare answers with."""


class ExportError(Sam3RosError):
    """A model cannot be exported as asked: an unknown variant, a size it cannot take."""


class CheckpointError(ExportError):
    """A file that cannot be read as a checkpoint, or whose tensors do not fit the model."""


class VerificationError(ExportError):
    """A bundle's answers differ from its original model's by more than is allowed."""
