"""The shipped bag with its camera's images under a second name too."""

from __future__ import annotations

from pathlib import Path

from rosbags.rosbag2 import Reader, StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore

FRONT, SIDE = "/camera/image/compressed", "/side/image/compressed"


def write_two_views(source: Path, target: Path) -> Path:
    store = get_typestore(Stores.ROS2_HUMBLE)
    with (
        Reader(source) as reader,
        Writer(target, version=9, storage_plugin=StoragePlugin.MCAP) as writer,
    ):
        names = {c.topic: c.msgtype for c in reader.connections if c.topic.startswith("/camera")}
        connections = {
            topic: writer.add_connection(topic, kind, typestore=store)
            for topic, kind in {**names, SIDE: names[FRONT]}.items()
        }
        for connection, time, data in reader.messages():
            if connection.topic in names:
                writer.write(connections[connection.topic], time, data)
            if connection.topic == FRONT:
                writer.write(connections[SIDE], time, data)
    return target
