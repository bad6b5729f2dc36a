"""An mcap file as a recording: by its index, or by a scan where it has none."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Collection, Iterator
from pathlib import Path

import mcap.records
from mcap.summary import Summary

from sam3_ros.replay.bag.mcap_records import (
    MAGIC,
    ChunkPlace,
    Contents,
    McapDamageError,
    ScanEnd,
    has_its_end,
    read_at,
    read_summary,
    read_times,
    scan,
)
from sam3_ros.replay.bag.recording import (
    BagRemarks,
    Channel,
    RecordedMessage,
    TimeWindow,
    full_type_name,
)

_RECOVER = "`mcap recover` writes what is sound to a whole file"

_PROMISED = f"promised by the file's index and not in it, or not whole; {_RECOVER}"


class McapFile:
    """A recording in an mcap file, also one that was cut off."""

    def __init__(self, path: Path, name: str) -> None:
        """Read the index, or all of the file where it has none. name: for remarks."""
        self.remarks = BagRemarks()
        self._name = name
        self._file = path.open("rb")
        self._schemas: dict[int, mcap.records.Schema] = {}
        self._channels: dict[int, mcap.records.Channel] = {}
        self._counts: Counter[int] = Counter()
        self._places: list[ChunkPlace] = []
        self._cut_at: int | None = None  # where the file breaks off, if it does
        self.span: tuple[int, int] | None = None
        try:
            summary = read_summary(self._file)
        except McapDamageError as error:
            summary = None
            self.remarks.add(name, f"{error}: what can be found without it is played; {_RECOVER}")
        if summary is None or not _is_complete(summary):
            self._scan(path)
        else:
            self._take(summary)
        self._places.sort(key=lambda place: place[:2])

    @property
    def channels(self) -> tuple[Channel, ...]:
        """The channels by their topics in the file."""
        return tuple(self._described(channel) for channel in self._channels.values())

    def messages(
        self, topics: Collection[str], window: TimeWindow | None = None
    ) -> Iterator[RecordedMessage]:
        """Yield the messages of these topics in time order; those in the window alone, if any."""
        wanted = {number: c.topic for number, c in self._channels.items() if c.topic in topics}
        waiting: list[tuple[int, int, RecordedMessage]] = []  # of chunks that overlap in time
        number = 0
        promised = sum(self._counts[channel] for channel in wanted) if window is None else 0
        for place in self._places:
            if window is not None and place.start_ns > window.last:
                break
            if window is not None and 0 < place.end_ns < window.first:
                continue
            while waiting and waiting[0][0] < place.start_ns:
                yield heapq.heappop(waiting)[2]
            for message in self._read(place).messages:
                time_ns = message.log_time
                is_inside = window is None or window.first <= time_ns <= window.last
                if is_inside and message.channel_id in wanted:
                    topic = wanted[message.channel_id]
                    recorded = RecordedMessage(time_ns, topic, message.data)
                    heapq.heappush(waiting, (time_ns, number, recorded))
                    number += 1
        if number < promised:
            self.remarks.add(self._name, _PROMISED, promised - number)
        while waiting:
            yield heapq.heappop(waiting)[2]

    def times(self, topic: str) -> list[int]:
        """Return when the messages of a topic were recorded, ns, in order."""
        channels = {number for number, channel in self._channels.items() if channel.topic == topic}
        found: list[int] = []
        for place in self._places:
            found += self._times_in(place, channels)
        return sorted(found)

    def close(self) -> None:
        self._file.close()

    def _described(self, channel: mcap.records.Channel) -> Channel:
        schema = self._schemas.get(channel.schema_id)
        return Channel(
            channel.topic,
            "" if schema is None else full_type_name(schema.name),
            channel.message_encoding.lower(),
            self._counts[channel.id],
        )

    def _times_in(self, place: ChunkPlace, channels: Collection[int]) -> list[int]:
        try:
            return [t for each in channels for t in read_times(self._file, place, each)]
        except McapDamageError:
            messages = self._read(place).messages
            return [each.log_time for each in messages if each.channel_id in channels]

    def _read(self, place: ChunkPlace) -> Contents:
        contents = read_at(self._file, place.offset)
        if contents.damage and place.offset != self._cut_at:
            self._remark_chunk(place.offset, contents)
        return contents

    def _remark_chunk(self, offset: int, contents: Contents) -> None:
        rest = f"{len(contents.messages)} messages of it can be played, and are"
        self.remarks.add(
            self._name, f"its chunk at byte {offset} {contents.damage}: {rest}; {_RECOVER}"
        )

    def _take(self, summary: Summary) -> None:
        statistics = summary.statistics
        assert statistics is not None, "the summary was complete"
        self._schemas, self._channels = summary.schemas, summary.channels
        self._counts.update(statistics.channel_message_counts)
        self._places = [
            ChunkPlace(
                index.message_start_time,
                index.chunk_start_offset,
                index.message_end_time,
                index.message_index_offsets,
            )
            for index in summary.chunk_indexes
        ]
        if statistics.message_count:
            self.span = statistics.message_start_time, statistics.message_end_time

    def _scan(self, path: Path) -> None:
        times: list[int] = []
        damaged: dict[int, Contents] = {}
        for item in scan(self._file):
            if isinstance(item, ScanEnd):
                if not (item.is_whole and has_its_end(self._file)):
                    damaged.pop(item.offset, None)  # the last chunk, which is only cut off
                    self._cut_at = item.offset
                    self._remark_end(item.offset, path.stat().st_size)
                break
            contents = item.contents
            self._schemas |= {schema.id: schema for schema in contents.schemas}
            self._channels |= {channel.id: channel for channel in contents.channels}
            if contents.damage:
                damaged[item.place.offset] = contents
            if contents.messages:
                self._places.append(item.place)
                self._counts.update(message.channel_id for message in contents.messages)
                times += (m.log_time for m in (contents.messages))
                times = [min(times), max(times)]
        for offset, contents in damaged.items():
            self._remark_chunk(offset, contents)
        if times:
            self.span = times[0], times[-1]

    def _remark_end(self, offset: int, size: int) -> None:
        read = sum(self._counts.values())
        at = (
            f"it breaks off within the record at byte {offset} of {size}; " if offset < size else ""
        )
        self.remarks.add(
            self._name,
            f"the file lacks its end, as after a power cut: {at}its {read} messages that are "
            f"whole are played; {_RECOVER}",
        )


def is_mcap(begin: bytes) -> bool:
    """Return whether a file that begins so is an mcap file."""
    return begin.startswith(MAGIC)


def _is_complete(summary: Summary) -> bool:
    """Return whether a summary says all that a scan would find."""
    statistics = summary.statistics
    if statistics is None or statistics.channel_count > len(summary.channels):
        return False
    has_schemas = all(
        channel.schema_id in summary.schemas or channel.schema_id == 0
        for channel in summary.channels.values()
    )
    return (
        has_schemas
        and statistics.chunk_count == len(summary.chunk_indexes)
        and bool(statistics.chunk_count or not statistics.message_count)
    )
