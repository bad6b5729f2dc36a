"""What the page sees of whatever answers: a running node, or the library on pictures of its own.

The page, its server and the sources know each other by this module alone, so it is above 300 lines.
It has neither rclpy nor NiceGUI.

Threads. The server calls every method of Viewing and HeldPicture from its one event loop. None of
them blocks: what is known already is returned at once, as a copy that never changes; all else is a
Future, which the source completes on a thread of its own. A source calls a receiver from a thread
of its own too, one picture at a time; a receiver only hands the picture over and returns. Nothing
raises for what a viewer asked: a refusal is a Verdict with its reason in words.

Costs. What nobody watches is not subscribed to, not drawn and not encoded. Watches of the same View
share one subscription and one encoding.

Coordinates are pixels of the source image (sam3_ros.core.geometry).
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple, Protocol

from sam3_ros.core.geometry import Box, Point

#: Seconds without an image of a camera from which on a source tells of it as a trouble.
SILENCE_SECONDS = 3.0
#: Share of a camera's images lost on the way from which on a source tells of it as a trouble.
LOST_SHARE = 0.5


class PictureStamp(NamedTuple):
    """The stamp of an image: what tells one of a camera's images from its others."""

    seconds: int
    nanoseconds: int


class PictureLayer(Enum):
    """What a picture shows."""

    OVERLAY = "overlay"  # the image with masks, boxes and captions
    MASKS = "masks"  # the masks alone, in the colours of their prompts; transparent elsewhere


@dataclass(frozen=True)
class View:
    """What a viewer wants to see; watches of equal views share their costs."""

    #: ViewedCamera.name.
    camera: str
    layer: PictureLayer = PictureLayer.OVERLAY
    #: Whether the image without anything drawn on it comes along, to be blended with (opacity).
    with_plain: bool = False


@dataclass(frozen=True)
class ViewedCamera:
    """A camera, or what stands in for one: a photo, a video, a bag's topic."""

    #: As in `Prompt.camera`; empty for the only camera of a node without names.
    name: str
    #: For people: "front", "table.jpg". Never empty.
    title: str


@dataclass(frozen=True)
class EncodedImage:
    """An image file in memory."""

    data: bytes
    #: "image/jpeg" or "image/png".
    media_type: str


@dataclass(frozen=True)
class SeenSegment:
    """One object of a picture, without its mask."""

    #: Its number in the picture: that of the overlay's and the masks' answers.
    id: int
    prompt_id: str
    label: str
    #: 0 to 1; 0 where it is not seen.
    score: float
    #: Where it is, or was seen last.
    box: Box
    #: None where it is not tracked.
    track_id: int | None = None
    #: "tentative", "confirmed", "occluded" or "lost"; empty where it is not tracked.
    state: str = ""


@dataclass(frozen=True)
class ViewedPicture:
    """A picture of a view with what it shows."""

    camera: str
    stamp: PictureStamp
    #: Of the source image, px, whatever the size of the encoded one.
    width: int
    height: int
    image: EncodedImage
    #: Best first; None where the source does not know them yet.
    segments: tuple[SeenSegment, ...] | None
    #: The image of the same stamp without anything drawn on it, if the view asks for it.
    plain: EncodedImage | None = None


class Watch(Protocol):
    """A receiver at its view."""

    def close(self) -> None:
        """Stop; the receiver is called at most once more. Twice is no error."""


Receiver = Callable[[ViewedPicture], None]


@dataclass(frozen=True)
class Marks:
    """Points and at most one box that show one object; at least one of them."""

    positive: tuple[Point, ...] = ()
    negative: tuple[Point, ...] = ()
    box: Box | None = None


@dataclass(frozen=True)
class Verdict:
    """What became of a request."""

    accepted: bool
    #: Why not, and what to do. Empty if accepted.
    reason: str = ""
    #: What to know although it was accepted, such as a word that the model does not know.
    warnings: tuple[str, ...] = ()
    #: Ids of the prompts that it made or changed.
    prompt_ids: tuple[str, ...] = ()


@dataclass(frozen=True)
class ListedPrompt:
    """A prompt in use, or a frozen one."""

    id: str
    label: str
    #: "text", "click" or "box"; "other" for what came another way, such as exemplars.
    kind: str
    #: RGB, as the overlay and the masks draw it.
    colour: tuple[int, int, int]
    #: Of the camera's newest answer; None before the first.
    count: int | None
    #: The best of that answer; None where it found nothing.
    score: float | None
    #: Whether its objects keep their ids from image to image.
    followed: bool
    #: Not asked any more, but kept, to be asked again.
    frozen: bool
    #: Empty: it is asked of every camera.
    camera: str = ""
    #: The text that is asked; empty for a click or box.
    text: str = ""


@dataclass(frozen=True)
class Trouble:
    """Something that is wrong, in plain words for somebody who knows neither ROS nor models."""

    #: "No images for 5 s."
    what: str
    #: "Is the camera plugged in, and its driver running?"
    remedy: str
    #: A red banner; otherwise a remark.
    serious: bool = True


@dataclass(frozen=True)
class ViewedHealth:
    """How the source is, of one camera where figures are of a camera."""

    #: One word: "active", "inactive", "loading", "gone", "ended".
    state: str
    #: Such as "node /segmentation_node" or "video drive.mp4".
    source: str
    #: The bundle's name, backend and precision as they run; empty where unknown.
    model: str = ""
    backend: str = ""
    precision: str = ""
    #: Answered images a second; None where unknown, as all figures.
    frames_per_second: float | None = None
    latency_median_ms: float | None = None
    latency_p95_ms: float | None = None
    #: Since the start; reasons in words, without those of no frames.
    drops: tuple[tuple[str, int], ...] = ()
    last_error: str = ""
    troubles: tuple[Trouble, ...] = ()
    #: Lowest score of a text's answers; 0 is the bundle's own.
    threshold: float = 0.0


@dataclass(frozen=True)
class FrameFiles:
    """A frame to keep: files that a viewer downloads."""

    #: Without ending, safe as a file's name: "front_1700000000_123456789".
    name: str
    #: The image with its masks, boxes and captions, as PNG.
    overlay_png: bytes
    #: The label image as PNG: 0 nothing, from 1 on the place of the prompt in the JSON.
    mask_png: bytes
    #: UTF-8 JSON: camera, stamp, size, prompts, segments with masks as COCO's RLE.
    json: bytes


class Askable(Protocol):
    """What can be asked and changed, the same for live pictures and for a held one.

    A source that cannot do one of these refuses it with the reason.
    """

    def ask_texts(self, phrases: tuple[str, ...], camera: str = "") -> Future[Verdict]:
        """Ask these phrases beside what is asked, each as a prompt of its own.

        camera: empty asks every camera.
        """

    def ask_marks(
        self,
        camera: str,
        stamp: PictureStamp,
        marks: Marks,
        prompt_id: str = "",
        follow: bool = True,
    ) -> Future[Verdict]:
        """Ask for the object at these marks on the picture with this stamp.

        prompt_id: adds the marks to those of this prompt; empty makes a new one.
        follow: its object is followed from there on; otherwise the marks stay where they are.
        """

    def rename(self, prompt_id: str, camera: str, label: str) -> Future[Verdict]:
        """Change what people read; what it asks stays."""

    def remove(self, prompt_id: str, camera: str) -> Future[Verdict]:
        """Stop asking it. camera: ListedPrompt.camera, as in all that name a prompt."""

    def set_threshold(self, score: float) -> Future[Verdict]:
        """Set the lowest score of texts' answers, 0 to 1; 0 takes the bundle's own."""


class HeldPicture(Askable, Protocol):
    """A picture that stays, with its prompts: those in use when it was held, and what came since.

    What is asked of it does not reach the live pictures. Its camera and stamp are those of
    `picture`; `follow` and `freeze` mean nothing here.
    """

    @property
    def picture(self) -> ViewedPicture:
        """Return the picture as it is answered now; the same stamp for ever."""

    def prompts(self) -> tuple[ListedPrompt, ...]:
        """Return its prompts, oldest first."""

    def show(self, view: View) -> Future[ViewedPicture]:
        """Draw it another way; `picture` is so from then on."""

    def files(self) -> Future[FrameFiles]:
        """Return what a viewer downloads of it."""

    def release(self) -> None:
        """Let go of it. Twice is no error."""


@dataclass(frozen=True)
class Holding:
    """Whether a picture could be held."""

    verdict: Verdict
    #: None if it was refused.
    held: HeldPicture | None = field(default=None, compare=False)


class Viewing(Askable, Protocol):
    """A source: cameras with their pictures, prompts and health."""

    def cameras(self) -> tuple[ViewedCamera, ...]:
        """Return the cameras, which may change; none while nothing is known of the source."""

    def watch(self, view: View, receiver: Receiver) -> Watch:
        """Have every picture of a view, the newest known one first.

        A camera that is not there, or not yet, brings no pictures.
        """

    def prompts(self, camera: str) -> tuple[ListedPrompt, ...]:
        """Return what is asked of a camera, frozen prompts included, oldest first."""

    def health(self, camera: str) -> ViewedHealth:
        """Return how the source is."""

    def follow(self, prompt_id: str, camera: str, on: bool) -> Future[Verdict]:
        """Let what it finds keep its ids from image to image, or not any more."""

    def freeze(self, prompt_id: str, camera: str, on: bool) -> Future[Verdict]:
        """Stop asking it but keep it in the list, or ask it again."""

    def hold(self, view: View) -> Future[Holding]:
        """Hold the newest picture of a view, or the next one if that is not kept in full.

        Each viewer that pauses has its own.
        """

    def close(self) -> None:
        """End the source; every watch ends, futures that wait are refused."""
