"""The cameras of a bag, at its pace."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from sam3_ros.label.read_settings import ReadSettings
from sam3_ros.label.reading.bag import BagReader
from sam3_ros.look.drawing.answered_picture import Pixels
from sam3_ros.look.library.shots import Shot
from sam3_ros.look.viewing import ViewedCamera
from sam3_ros.replay.bag.bag import BagError, BagMessage
from sam3_ros.replay.bag.stamps import read_header

# What image_transport and camera drivers end their topics with.
_ENDS = ("compressed", "image_raw", "image_color", "image_rect", "image_rect_color", "image", "rgb")
_PAUSE = 0.1


class BagReel:
    """A rosbag2 recording; the stamp of a picture is that of its message."""

    is_live = False
    pause = _PAUSE

    def __init__(self, path: Path, settings: ReadSettings) -> None:
        """Open it. Raises BagError, also where it has no pictures."""
        self._reader = BagReader(str(path), settings)
        try:
            topics = _topics_with_pictures(self._reader)
        except Exception:
            self._reader.close()
            raise
        titles = camera_titles(topics)
        names = {topic: titles[topic] if len(topics) > 1 else "" for topic in topics}
        self._names = names
        self.name = f"bag {path.name}"
        self.cameras = tuple(ViewedCamera(names[topic], titles[topic]) for topic in topics)

    @property
    def remarks(self) -> tuple[str, ...]:
        """What of the bag is lost, a sentence each."""
        return self._reader.remarks()

    def lap(self) -> Iterator[Shot]:
        """Yield the pictures of all its cameras. Raises BagError."""
        for message in self._reader.bag.messages(self._names):
            stamp_ns = read_header(message.cdr).stamp_ns
            yield Shot(self._names[message.topic], stamp_ns, message.at, self._decoding(message))

    def close(self) -> None:
        self._reader.close()

    def _decoding(self, message: BagMessage) -> Callable[[], Pixels]:
        return lambda: self._reader.pixels(message)


def camera_titles(topics: Sequence[str]) -> dict[str, str]:
    """Return what people call the cameras of some topics: "front" for /front/image_raw.

    Where two would be called the same, all keep their topic.
    """
    titles = {topic: _title(topic) for topic in topics}
    if len(set(titles.values())) < len(titles):
        return {topic: topic for topic in topics}
    return titles


def _title(topic: str) -> str:
    parts = [part for part in topic.split("/") if part]
    while len(parts) > 1 and parts[-1] in _ENDS:
        parts.pop()
    return "/".join(parts) or topic


def _topics_with_pictures(reader: BagReader) -> list[str]:
    bag = reader.bag
    if not (topics := bag.camera_topics):
        bag.image_topic()  # says what there is instead
    refusals = {topic: reader.refusal(topic) for topic in topics}
    pictured = [topic for topic in topics if not refusals[topic]]
    filled = [topic for topic in pictured if bag.topics[topic].message_count]
    if not filled:
        reasons = "; ".join(
            f"{topic}: {refusals[topic] or 'it has no message'}" for topic in sorted(topics)
        )
        raise BagError(
            f"expected a topic of pictures in {bag.path}, got none that can be shown ({reasons}): "
            "name another bag"
        )
    return filled
