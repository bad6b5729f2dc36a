"""What is known of a published model before its file is fetched."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sam3_ros.core.errors import HubError
from sam3_ros.hub.address import HubAddress


@dataclass(frozen=True)
class ExportCost:
    """What an export in fp32 takes on two cores of a shared machine."""

    minutes: float
    #: At its peak.
    memory_gb: float
    #: Measured with this architecture; else estimated from one of about its size.
    measured: bool = False

    def __str__(self) -> str:
        """Return both figures, with a mark where they are estimates."""
        about = "" if self.measured else "~"
        return f"{about}{self.minutes:g} min, {about}{self.memory_gb:g} GB"


@dataclass(frozen=True)
class KnownModel:
    """A published checkpoint that can become a bundle."""

    name: str
    #: One of the families that `sam3-ros export` knows.
    family: str
    #: In words: image encoder and text encoder.
    variant: str
    asked_by: Literal["words, clicks, boxes", "clicks, boxes"]
    #: That the bundle's stages use, in millions; the file may hold more, such as a teacher.
    parameters: float
    #: As its authors state it; docs/models.md says what it means.
    licence: str
    address: HubAddress
    #: Whether its authors give access to people who ask for it.
    gated: bool = False
    #: Of the file, in MB; None where its authors do not say.
    download_mb: float | None = None
    #: None where it was not measured, nor anything like it.
    cost: ExportCost | None = None
    #: The sha256 of the file, or its beginning, where its authors name it.
    sha256: str = ""

    @property
    def command(self) -> str:
        """What makes a bundle of it."""
        return f"sam3-ros export --model {self.name} --out {self.name}"

    @property
    def page(self) -> str:
        """The web page of its repository."""
        return f"https://huggingface.co/{self.address.repository}"

    def require_sum(self, sha256: str) -> None:
        """Raise HubError where a file's sum is not the one that the model's authors name."""
        if not sha256.startswith(self.sha256):
            raise HubError(
                f"{self.address} has sha256 {sha256}, and the authors of {self.name} name "
                f"{self.sha256}: it is another file; see {self.page}"
            )
