"""A rosbag2 recording, mcap or sqlite3, as serialised messages in time order."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rosbags.highlevel import AnyReader, AnyReaderError
from rosbags.typesys import Stores, get_typestore

from sam3_ros.core.errors import Sam3RosError

IMAGE, COMPRESSED_IMAGE = "sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage"
IMAGE_TYPES = (IMAGE, COMPRESSED_IMAGE)


class BagError(Sam3RosError):
    """A bag that cannot be read, or that lacks what was asked for."""


@dataclass(frozen=True)
class BagTopic:
    name: str
    #: Such as "sensor_msgs/msg/Image".
    type_name: str
    message_count: int


@dataclass(frozen=True, eq=False)
class BagMessage:
    """A serialised message."""

    topic: str
    type_name: str
    #: Seconds since the bag's first message.
    at: float
    #: The message as it is sent over the wire.
    cdr: bytes


class Bag:
    """An open bag, from open_bag."""

    def __init__(self, path: Path, reader: AnyReader) -> None:
        self.path = path
        self._reader = reader
        self.duration = max(reader.duration, 0) / 1e9
        self.start_ns = reader.start_time  # of the first message, by the recorder's clock
        self.topics = {
            name: BagTopic(name, info.msgtype or "", info.msgcount)
            for name, info in sorted(reader.topics.items())
        }

    def messages(self, topics: Collection[str] | None = None) -> Iterator[BagMessage]:
        """Yield the messages of these topics, by default of all, in time order.

        Raises BagError where the file is damaged.
        """
        wanted = [c for c in self._reader.connections if topics is None or c.topic in topics]
        if not wanted:  # to rosbags an empty list means all topics
            return
        start = self._reader.start_time
        with _read_errors(self.path):
            for connection, time, data in self._reader.messages(wanted):
                at = (time - start) / 1e9
                yield BagMessage(connection.topic, connection.msgtype, at, bytes(data))

    def decode(self, message: BagMessage) -> Any:
        """Return the message with its fields, arrays as numpy arrays. Raises BagError."""
        with _read_errors(self.path):
            return self._reader.deserialize(message.cdr, message.type_name)

    def image_topic(self, asked: str | None = None) -> BagTopic:
        """Return the camera's topic: the one asked for, else the bag's only camera topic.

        Raises BagError.
        """
        images = {n: t for n, t in self.topics.items() if t.type_name in IMAGE_TYPES}
        if asked is not None:
            if asked in images:
                return images[asked]
            raise BagError(f"{self.path} has no images on {asked}; it has {_listed(images)}")
        cameras = self.camera_topics
        if len(cameras) != 1:
            raise BagError(
                f"expected one topic of images in {self.path}, found {_listed(cameras)}: "
                "choose one with --image-topic, or name them with --camera; with --expect, list "
                "cameras under play in its file"
            )
        return images[cameras[0]]

    @property
    def camera_topics(self) -> list[str]:
        """The topics of images that are not ground truth."""
        images = (t.name for t in self.topics.values() if t.type_name in IMAGE_TYPES)
        return [name for name in images if "/truth/" not in name]


@contextmanager
def open_bag(path: Path) -> Iterator[Bag]:
    """Open a rosbag2 folder, or a single .mcap or .db3 file. Raises BagError."""
    if not path.exists():
        raise BagError(f"there is no bag {path}")
    if path.is_dir() and not (path / "metadata.yaml").exists():
        raise BagError(f"{path} is not a rosbag2 folder: it has no metadata.yaml")
    with _read_errors(path):
        # Only bags of an old ROS need the default: newer ones contain their message definitions.
        reader = AnyReader([path], default_typestore=get_typestore(Stores.ROS2_HUMBLE))
        reader.open()
    try:
        yield Bag(path, reader)
    finally:
        reader.close()


@contextmanager
def _read_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except BagError:
        raise
    # Damaged bytes raise errors of many libraries: zstd, struct, yaml, sqlite3.
    except Exception as error:
        said = str(error) or type(error).__name__
        kind = "" if isinstance(error, AnyReaderError) else f"{type(error).__name__}: "
        raise BagError(f"cannot read the bag {path}: {kind}{said}") from error


def _listed(topics: Collection[str]) -> str:
    return ", ".join(topics) if topics else "none"
