"""A rosbag2 file in sqlite3 as a recording, also one that a power cut or a bad disk left."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Collection, Iterator
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import quote

from sam3_ros.replay.bag.recording import (
    CDR,
    BagError,
    BagRemarks,
    Channel,
    RecordedMessage,
    TimeWindow,
    full_type_name,
)

MAGIC = b"SQLite format 3\0"
# The second where SQLite's own message holds a damaged name.
_DAMAGE = (sqlite3.DatabaseError, UnicodeDecodeError)
# What a process that died leaves beside its database: the last transactions, or how to undo them.
_BESIDE = ("-wal", "-journal")
_RECOVER = "`sqlite3 FILE .recover | sqlite3 NEW` may find more"
# Rows are looked for by their numbers where the table cannot be walked.
_GAP = 1000


class SqliteFile:
    """A recording in a sqlite3 file."""

    def __init__(self, path: Path, name: str) -> None:
        """Open the file without changing anything beside it. name: for remarks.

        Raises BagError for another database than rosbag2's.
        """
        self.remarks = BagRemarks()
        self._name = name
        self._copy: TemporaryDirectory[str] | None = None
        self._rows: list[tuple[int, int, int]] | None = None
        self._database = self._opened(path)
        # Names that are damaged must not hide the others.
        self._database.text_factory = lambda text: text.decode(errors="replace")
        try:
            self._topics = self._read_topics()
            self._count()
        except BaseException:
            self.close()
            raise

    @property
    def channels(self) -> tuple[Channel, ...]:
        """The channels by their topics in the file."""
        return tuple(
            Channel(topic, full_type_name(kind), encoding, self._counts.get(number, 0))
            for number, (topic, kind, encoding) in self._topics.items()
        )

    def messages(
        self, topics: Collection[str], window: TimeWindow | None = None
    ) -> Iterator[RecordedMessage]:
        """Yield the messages of these topics in time order; those in the window alone, if any."""
        wanted = {number: topic for number, (topic, *_) in self._topics.items() if topic in topics}
        damaged = 0
        for row, topic_id, time_ns in self._places(wanted, window):
            data = self._data(row)
            if data is None:
                damaged += 1
            else:
                yield RecordedMessage(time_ns, wanted[topic_id], data)
        if damaged:
            self.remarks.add(self._name, f"unreadable, left out; {_RECOVER}", damaged)

    def times(self, topic: str) -> list[int]:
        """Return when the messages of a topic were recorded, ns, in order."""
        wanted = [number for number, (name, *_) in self._topics.items() if name == topic]
        return [time_ns for _, _, time_ns in self._places(wanted, None)]

    def close(self) -> None:
        self._database.close()
        if self._copy is not None:
            self._copy.cleanup()

    def _opened(self, path: Path) -> sqlite3.Connection:
        beside = _beside(path)
        if not beside:
            # Immutable: no lock and no file beside it, so that a folder may be read-only.
            return sqlite3.connect(
                f"file:{quote(str(path.absolute()))}?mode=ro&immutable=1",
                uri=True,
                check_same_thread=False,
            )
        self._copy = TemporaryDirectory(prefix="sam3_ros_bag_")
        copy = Path(self._copy.name) / path.name
        # Into a copy, because SQLite brings the database up to date when it opens it.
        shutil.copyfile(path, copy)
        for suffix, file in beside.items():
            shutil.copyfile(file, copy.with_name(copy.name + suffix))
        names = ", ".join(file.name for file in beside.values())
        self.remarks.add(
            self._name, f"was not closed: what its recorder left in {names} is taken into account"
        )
        return sqlite3.connect(copy, check_same_thread=False)

    def _read_topics(self) -> dict[int, tuple[str, str, str]]:
        try:
            return self._query_topics()
        except sqlite3.OperationalError as error:
            raise BagError(
                f"{self._name} is a sqlite3 database, but not of rosbag2: {error}"
            ) from error
        except _DAMAGE:
            # A file that is shorter than its header says is refused unless this is set.
            self._database.execute("PRAGMA writable_schema=ON")
        try:
            return self._query_topics()
        except _DAMAGE as error:
            raise BagError(f"{self._name} is damaged from its beginning: {error}") from error

    def _query_topics(self) -> dict[int, tuple[str, str, str]]:
        with closing(self._database.execute("SELECT * FROM topics ORDER BY id")) as rows:
            names = [column[0] for column in rows.description]
            found = [dict(zip(names, row, strict=True)) for row in rows]
        if not {"id", "name", "type"} <= set(names):
            raise BagError(f"{self._name} is a sqlite3 database, but not of rosbag2")
        return {
            row["id"]: (row["name"], row["type"], str(row.get("serialization_format") or CDR))
            for row in found
            if isinstance(row["name"], str) and isinstance(row["type"], str)
        }

    def _count(self) -> None:
        """Count the messages of each topic; of a damaged file, find those that are there."""
        self._counts: dict[int, int] = {}
        self.span: tuple[int, int] | None = None
        query = "SELECT topic_id, count(*), min(timestamp), max(timestamp) FROM messages GROUP BY 1"
        try:
            with closing(self._database.execute(query)) as rows:
                found = rows.fetchall()
            if any(not isinstance(number, int) for row in found for number in row):
                raise sqlite3.DatabaseError("a topic or a time is no number")
        except _DAMAGE as error:
            self._rows = sorted(self._salvaged(), key=lambda row: row[2])
            self.remarks.add(
                self._name,
                f"is damaged ({error}): the {len(self._rows)} messages that can be found are "
                f"played; {_RECOVER}",
            )
            found = [(topic_id, 1, time_ns, time_ns) for _, topic_id, time_ns in self._rows]
        for topic_id, count, first, last in found:
            self._counts[topic_id] = self._counts.get(topic_id, 0) + count
            begin, end = self.span or (first, last)
            self.span = min(begin, first), max(end, last)

    def _places(
        self, topics: Collection[int], window: TimeWindow | None
    ) -> Iterator[tuple[int, int, int]]:
        """Yield id, topic and time of the messages of these topics in the order of time."""
        if self._rows is None:
            yield from self._ordered(topics, window)
            return
        for row in self._rows:
            if row[1] in topics and (window is None or window.first <= row[2] <= window.last):
                yield row

    def _ordered(
        self, topics: Collection[int], window: TimeWindow | None
    ) -> Iterator[tuple[int, int, int]]:
        marks = ", ".join("?" * len(topics))
        within = "" if window is None else "AND timestamp BETWEEN ? AND ? "
        # Without the index, which may be damaged where the table is not.
        query = (
            "SELECT id, topic_id, timestamp FROM messages NOT INDEXED "
            f"WHERE topic_id IN ({marks}) {within}ORDER BY timestamp, id"
        )
        with closing(self._database.execute(query, (*topics, *(window or ())))) as rows:
            yield from rows

    def _data(self, row: int) -> bytes | None:
        try:
            query = "SELECT data FROM messages WHERE id = ?"
            with closing(self._database.execute(query, (row,))) as rows:
                found = rows.fetchone()
        except _DAMAGE:
            return None
        return bytes(found[0]) if found is not None and isinstance(found[0], bytes) else None

    def _salvaged(self) -> Iterator[tuple[int, int, int]]:
        """Yield id, topic and time of the rows that can be read one by one."""
        number, missed = 1, 0
        while missed < _GAP:
            query = "SELECT id, topic_id, timestamp, data FROM messages WHERE id = ?"
            try:
                with closing(self._database.execute(query, (number,))) as rows:
                    row = rows.fetchone()
            except _DAMAGE:
                row = None
            if row is not None and row[1] in self._topics and isinstance(row[2], int):
                yield row[:3]
                missed = 0
            else:
                missed += 1
            number += 1


def is_sqlite(begin: bytes) -> bool:
    """Return whether a file that begins so is a sqlite3 database."""
    return begin.startswith(MAGIC)


def _beside(path: Path) -> dict[str, Path]:
    """Return by suffix what has been left beside the database, or beside what a link leads to."""
    found: dict[str, Path] = {}
    for suffix in _BESIDE:
        for database in (path, path.resolve()):
            file = database.with_name(database.name + suffix)
            if file.is_file() and file.stat().st_size:
                found.setdefault(suffix, file)
    return found
