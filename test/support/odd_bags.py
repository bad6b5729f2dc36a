"""Bags as the field leaves them: mcap files of chosen forms, sqlite3 files with leftovers."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
from bags import FRAME_ID, IMAGES, STORE, frame, stamp_ns
from mcap.writer import CompressionType, Writer

JPEG = "sensor_msgs/msg/CompressedImage"


@dataclass(frozen=True)
class Odd:
    """A channel beside the camera, with one message."""

    topic: str
    type_name: str = "std_msgs/msg/String"
    encoding: str = "cdr"
    data: bytes = b"\0\1\0\0\2\0\0\0a\0"


def jpeg_cdr(number: int, stamp: int | None = None, *, kept: float = 1.0) -> bytes:
    """Return a CompressedImage; its stamp is the frame's if it is None. kept: of the JPEG."""
    sec, nanosec = divmod(stamp_ns(number) if stamp is None else stamp, 1_000_000_000)
    time = STORE.types["builtin_interfaces/msg/Time"](sec, nanosec)
    header = STORE.types["std_msgs/msg/Header"](time, FRAME_ID)
    data = cv2.imencode(".jpg", frame(number)[0][..., ::-1])[1].ravel()
    data = data[: int(data.size * kept)]
    return bytes(STORE.serialize_cdr(STORE.types[JPEG](header, "jpeg", data), JPEG))


def write_mcap(
    path: Path,
    images: Sequence[bytes],
    *,
    topic: str = IMAGES,
    type_name: str = JPEG,
    profile: str = "ros2",
    encoding: str = "cdr",
    beside: Sequence[Odd] = (),
    compression: CompressionType = CompressionType.ZSTD,
    chunk_size: int = 1,
    chunked: bool = True,
    summary: bool = True,
    first: int = 0,
) -> Path:
    """Write an mcap file, by default with a chunk for each message; no metadata.yaml."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        writer = Writer(
            file,
            chunk_size=chunk_size,
            compression=compression,
            use_chunking=chunked,
            use_statistics=summary,
            use_summary_offsets=summary,
            repeat_channels=summary,
            repeat_schemas=summary,
        )
        writer.start(profile=profile, library="test")

        def channel(name: str, kind: str, form: str) -> int:
            schema = writer.register_schema(kind, "ros2msg", b"") if kind else 0
            return writer.register_channel(name, form, schema)

        camera = channel(topic, type_name, encoding)
        for odd in beside:
            number = channel(odd.topic, odd.type_name, odd.encoding)
            writer.add_message(number, stamp_ns(first), odd.data, stamp_ns(first))
        for number, data in enumerate(images, start=first):
            writer.add_message(camera, stamp_ns(number), data, stamp_ns(number))
        writer.finish()
    return path


def write_sqlite(path: Path, images: Sequence[bytes], *, journal: str = "delete") -> None:
    """Write a rosbag2 database with the images, and keep only what a power cut leaves.

    journal: "wal" leaves a -wal with all but the first image; "journal" a hot rollback journal of a
    change that was not finished.
    """
    work = path.with_name("work.db3")
    database = sqlite3.connect(work, isolation_level=None)
    database.execute(
        "CREATE TABLE topics(id INTEGER PRIMARY KEY, name TEXT, type TEXT, "
        "serialization_format TEXT, offered_qos_profiles TEXT)"
    )
    database.execute(
        "CREATE TABLE messages(id INTEGER PRIMARY KEY, topic_id INTEGER, timestamp INTEGER, "
        "data BLOB)"
    )
    database.execute("CREATE INDEX timestamp_idx ON messages(timestamp)")
    database.execute(f"INSERT INTO topics VALUES(1, '{IMAGES}', '{JPEG}', 'cdr', '')")

    def insert(number: int) -> None:
        row = (number + 1, 1, stamp_ns(number), images[number])
        database.execute("INSERT INTO messages VALUES(?, ?, ?, ?)", row)

    insert(0)
    if journal == "wal":
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("PRAGMA wal_autocheckpoint=0")
    for number in range(1, len(images)):
        insert(number)
    if journal == "journal":
        database.execute("PRAGMA cache_size=1")  # changed pages go to the file before the commit
        database.execute("BEGIN")
        database.execute("UPDATE messages SET data = zeroblob(length(data)), topic_id = 7")
    for suffix in ("", "-wal", "-journal"):
        left = work.with_name(work.name + suffix)
        if left.exists():
            shutil.copyfile(left, path.with_name(path.name + suffix))
    database.close()
    for left in path.parent.glob("work.db3*"):
        left.unlink()


def metadata(folder: Path, names: Sequence[str], messages: int) -> None:
    """Write a metadata.yaml."""
    information = {
        "version": 9,
        "storage_identifier": "mcap",
        "relative_file_paths": list(names),
        "message_count": messages,
        "compression_mode": "",
        "compression_format": "",
    }
    text = json.dumps({"rosbag2_bagfile_information": information})  # JSON is YAML
    (folder / "metadata.yaml").write_text(text)
