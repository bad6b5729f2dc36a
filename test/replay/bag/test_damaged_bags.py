"""Bags that a power cut, a full disk or a careless copy left: the sound part is read and told."""

from __future__ import annotations

import os
import shutil
import sqlite3
import struct
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from random import Random
from types import SimpleNamespace

import pytest
import zstandard
from bags import IMAGES, write_bag
from mcap.writer import CompressionType
from odd_bags import jpeg_cdr, metadata, write_mcap, write_sqlite
from rosbags.rosbag2 import StoragePlugin

from sam3_ros.replay.bag.bag import BagError, open_bag

FRAMES = 6
JPEGS = [jpeg_cdr(number) for number in range(FRAMES)]
# Compression works in blocks of up to 128 KiB: a chunk of several messages needs more than one.
LARGE = [cdr + Random(number).randbytes(200_000) for number, cdr in enumerate(JPEGS)]


def read(path: Path) -> tuple[list[bytes], str]:
    """Return the camera's messages, and the remarks."""
    with open_bag(path) as bag:
        images = [message.cdr for message in bag.messages([IMAGES])]
        assert bag.topics[IMAGES].message_count >= len(images)
        return images, "\n".join(map(str, bag.remarks))


@pytest.mark.parametrize("compression", list(CompressionType))
@pytest.mark.parametrize("size", [1, 10**9], ids=["small chunks", "one chunk"])
@pytest.mark.parametrize("kept", [0.35, 0.7, 0.95])
def test_an_mcap_file_that_was_cut_is_read_up_to_the_cut(tmp_path, compression, size, kept):
    file = write_mcap(tmp_path / "a.mcap", LARGE, compression=compression, chunk_size=size)
    content = file.read_bytes()
    file.write_bytes(content[: int(len(content) * kept)])
    images, told = read(file)
    assert images == LARGE[: len(images)]
    assert len(images) >= int(FRAMES * kept) - 1
    assert "a.mcap: the file lacks its end" in told
    assert f"its {len(images)} messages that are whole" in told
    assert "`mcap recover`" in told


@pytest.mark.parametrize("tail", [b"", b"\0" * 5000, os.urandom(700)], ids=["", "zeros", "noise"])
@pytest.mark.parametrize("chunked", [True, False])
def test_without_its_end_all_that_was_written_is_read(tmp_path, chunked, tail):
    file = write_mcap(tmp_path / "a.mcap", JPEGS, chunked=chunked, summary=False)
    content = file.read_bytes()
    data_end = content.rindex(b"\x0f\x04\0\0\0\0\0\0\0")
    file.write_bytes(content[:data_end] + tail)
    images, told = read(file)
    assert images == JPEGS
    assert "lacks its end" in told


@pytest.mark.parametrize("chunked", [True, False])
def test_an_mcap_file_without_a_summary_is_whole(tmp_path, chunked):
    assert read(write_mcap(tmp_path / "a", JPEGS, chunked=chunked, summary=False)) == (JPEGS, "")


@pytest.mark.parametrize("compression", list(CompressionType))
def test_a_chunk_of_zeros_is_counted_by_what_the_index_promises(tmp_path, compression):
    file = write_mcap(tmp_path / "a.mcap", JPEGS, compression=compression)
    content = bytearray(file.read_bytes())
    chunks, offset = [], 8
    while content[offset] != 0x0F:  # the end of the data
        length = int.from_bytes(content[offset + 1 : offset + 9], "little")
        if content[offset] == 6:
            chunks.append((offset + 9, length))
        offset += 9 + length
    begin, length = chunks[FRAMES // 2]
    content[begin : begin + length] = bytes(length)
    file.write_bytes(content)
    images, told = read(file)
    assert len(images) == FRAMES - 1
    assert "a.mcap (1 message): promised by the file's index and not in it" in told


def test_a_damaged_index_is_told(tmp_path):
    file = write_mcap(tmp_path / "a.mcap", JPEGS)
    content = bytearray(file.read_bytes())
    (summary,) = struct.unpack_from("<Q", content, len(content) - 8 - 20)
    content[summary + 9 : summary + 40] = b"\xff" * 31
    file.write_bytes(content)
    images, told = read(file)
    assert images == JPEGS
    assert "a.mcap: its index is damaged" in told


@pytest.mark.parametrize("compression", list(CompressionType))
def test_a_damaged_chunk_hides_no_other(tmp_path, compression):
    file = write_mcap(tmp_path / "a.mcap", JPEGS, compression=compression)
    content = bytearray(file.read_bytes())
    middle = content.index(JPEGS[3][200:220]) if JPEGS[3][200:220] in content else None
    at = middle if middle is not None else len(content) // 2
    content[at : at + 8] = bytes(8)
    file.write_bytes(content)
    images, told = read(file)
    assert len(set(images) & set(JPEGS)) >= FRAMES - 1
    assert "its chunk at byte" in told


def test_of_several_files_the_others_are_played(tmp_path):
    for number in range(3):
        begin = 2 * number
        write_mcap(tmp_path / f"bag_{number}.mcap", JPEGS[begin : begin + 2], first=begin)
    metadata(tmp_path, [f"bag_{number}.mcap" for number in range(3)], FRAMES)
    assert read(tmp_path) == (JPEGS, "")
    last = tmp_path / "bag_2.mcap"
    last.write_bytes(last.read_bytes()[:300])
    images, told = read(tmp_path)
    assert images == JPEGS[:4]
    assert "bag_2.mcap: the file lacks its end" in told
    assert "promises 6 messages, 4 are there" in told
    last.write_bytes(b"")
    images, told = read(tmp_path)
    assert images == JPEGS[:4]
    assert "bag_2.mcap: left out: " in told
    last.unlink()
    images, told = read(tmp_path)
    assert images == JPEGS[:4]
    assert "bag_2.mcap: named by metadata.yaml and not there" in told


def test_files_that_overlap_in_time_are_merged(tmp_path):
    write_mcap(tmp_path / "bag_0.mcap", JPEGS)
    write_mcap(tmp_path / "bag_1.mcap", [jpeg_cdr(2)], topic="/other", first=2)
    with open_bag(tmp_path) as bag:
        topics = [message.topic for message in bag.messages()]
        times = [message.at for message in bag.messages()]
    assert topics.index("/other") in (2, 3)
    assert times == sorted(times)


@pytest.mark.parametrize("journal", ["wal", "journal"])
@pytest.mark.parametrize("read_only", [False, True])
def test_what_sqlite_left_beside_the_file_counts(tmp_path, journal, read_only):
    folder = tmp_path / "bag"
    folder.mkdir()
    write_sqlite(folder / "bag_0.db3", JPEGS, journal=journal)
    before = {file.name: file.read_bytes() for file in folder.iterdir()}
    assert f"bag_0.db3-{journal}" in before
    if read_only:
        folder.chmod(0o555)
    images, told = read(folder / "bag_0.db3")
    assert images == JPEGS
    assert f"bag_0.db3-{journal}" in told
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == before
    folder.chmod(0o755)


@pytest.mark.parametrize("journal", ["wal", "journal"])
def test_what_is_beside_the_file_that_a_link_leads_to_counts(tmp_path, journal):
    (tmp_path / "disk").mkdir()
    write_sqlite(tmp_path / "disk" / "bag_0.db3", JPEGS, journal=journal)
    link = tmp_path / "latest.db3"
    link.symlink_to(tmp_path / "disk" / "bag_0.db3")
    images, told = read(link)
    assert images == JPEGS
    assert f"bag_0.db3-{journal}" in told


def test_nothing_is_left_beside_a_sqlite_file(tmp_path):
    write_sqlite(tmp_path / "bag_0.db3", JPEGS)
    assert read(tmp_path / "bag_0.db3") == (JPEGS, "")
    assert [file.name for file in tmp_path.iterdir()] == ["bag_0.db3"]


@pytest.mark.parametrize("kept", [0.5, 0.9])
def test_a_sqlite_file_that_was_cut_is_read_as_far_as_it_goes(tmp_path, kept):
    file = tmp_path / "bag_0.db3"
    write_sqlite(file, JPEGS)
    content = file.read_bytes()
    file.write_bytes(content[: int(len(content) * kept)])
    images, told = read(file)
    assert images
    assert set(images) < set(JPEGS)
    assert "bag_0.db3" in told
    assert ".recover" in told


def test_damaged_pages_of_a_sqlite_file_hide_no_others(tmp_path):
    file = tmp_path / "bag_0.db3"
    write_sqlite(file, JPEGS)
    content = bytearray(file.read_bytes())
    at = content.index(JPEGS[3][:60])
    page = at // 4096 * 4096
    content[page : page + 4096] = b"\xff" * 4096
    file.write_bytes(content)
    images, told = read(file)
    assert set(images) <= set(JPEGS)
    assert len(images) >= 2
    assert ".recover" in told


def test_a_damaged_index_of_a_sqlite_file_hides_nothing(tmp_path):
    file = tmp_path / "bag_0.db3"
    write_sqlite(file, JPEGS)
    with closing(sqlite3.connect(file)) as database:
        query = "SELECT rootpage FROM sqlite_master WHERE name = 'timestamp_idx'"
        ((page,),) = database.execute(query)
    content = bytearray(file.read_bytes())
    content[(page - 1) * 4096 : page * 4096] = bytes(4096)
    file.write_bytes(content)
    assert read(file)[0] == JPEGS


def damaged(content: bytes, random: Random) -> bytes:
    """Return a file that is cut, has a hole, zeros or a wrong byte."""
    at = random.randrange(len(content))
    size = random.choice([1, 8, 600, 5000])
    return random.choice(
        [
            content[:at],
            content[:at] + content[at + size :],
            content[:at] + bytes(size) + content[at + size :],
            content[: at % 200] + random.randbytes(1) + content[at % 200 + 1 :],
        ]
    )


@pytest.mark.parametrize("kind", ["chunks", "one chunk", "no chunks", "sqlite3"])
def test_no_damage_ends_in_another_error(tmp_path, kind):
    file = tmp_path / "bag"
    if kind == "sqlite3":
        write_sqlite(file, JPEGS)
    else:
        size = 10**9 if kind == "one chunk" else 1
        write_mcap(file, JPEGS, chunk_size=size, chunked=kind != "no chunks")
    content, random, lengths = file.read_bytes(), Random(7), set()
    for _ in range(150):
        file.write_bytes(damaged(content, random))
        try:
            with open_bag(file) as bag:
                lengths.add(len(list(bag.messages())))
                bag.image_topic()
        except BagError:
            continue
    assert FRAMES in lengths


@pytest.mark.parametrize("kind", ["zstd", "zst"])
@pytest.mark.parametrize("storage", [StoragePlugin.MCAP, StoragePlugin.SQLITE3])
@pytest.mark.parametrize("with_metadata", [True, False])
def test_files_that_are_compressed_as_a_whole(tmp_path, storage, kind, with_metadata):
    folder = write_bag(tmp_path / "bag", frames=3, storage=storage, truth=False)
    whole, _ = read(folder)
    (file,) = (f for f in folder.iterdir() if f.suffix in (".mcap", ".db3"))
    compressed = file.with_name(f"{file.name}.{kind}")
    data = zstandard.ZstdCompressor().compress(file.read_bytes())
    compressed.write_bytes(data)
    file.unlink()
    if not with_metadata:
        (folder / "metadata.yaml").unlink()
    assert read(folder)[0] == whole
    assert read(compressed) == (whole, "")


@pytest.mark.parametrize("kept", [0.00001, 0.7])
def test_a_compressed_file_that_was_cut(tmp_path, kept):
    data = zstandard.ZstdCompressor().compress(write_mcap(tmp_path / "a", LARGE).read_bytes())
    compressed = tmp_path / "a.mcap.zstd"
    compressed.write_bytes(data[: int(len(data) * kept)])
    if kept > 0.5:
        images, told = read(compressed)
        assert images == LARGE[: len(images)]
        assert len(images) >= 2
        assert "cut off or damaged" in told
    else:
        with pytest.raises(BagError, match="nothing of it can be decompressed"):
            read(compressed)


@pytest.mark.parametrize(
    ("free", "said"), [(10**12, "2 times its size, which no recording"), (10**9 + 5000, "TMPDIR")]
)
def test_a_compressed_file_that_becomes_too_large_is_refused(tmp_path, monkeypatch, free, said):
    monkeypatch.setattr("sam3_ros.replay.bag.bag_file._ALWAYS", 100_000)
    monkeypatch.setattr("sam3_ros.replay.bag.bag_file._TIMES", 2)
    usage = SimpleNamespace(free=free)
    monkeypatch.setattr("sam3_ros.replay.bag.bag_file.shutil.disk_usage", lambda _: usage)
    content = write_mcap(tmp_path / "a", LARGE).read_bytes() + bytes(10_000_000)
    bomb = tmp_path / "a.mcap.zstd"
    bomb.write_bytes(zstandard.ZstdCompressor().compress(content))
    with pytest.raises(BagError, match=f"becomes more than .*{said}"):
        read(bomb)


def test_a_message_that_becomes_too_large_is_left_out(tmp_path, monkeypatch):
    monkeypatch.setattr("sam3_ros.replay.bag.bag._MOST_OF_A_MESSAGE", 1_000_000)
    bomb = zstandard.ZstdCompressor().compress(bytes(10_000_000))
    images, told = read(write_mcap(tmp_path / "a.mcap", [*LARGE, bomb]))
    assert images == LARGE
    assert "1 message" in told


@pytest.mark.parametrize("compression", [CompressionType.ZSTD, CompressionType.LZ4])
def test_a_chunk_that_becomes_too_large_is_told(tmp_path, monkeypatch, compression):
    monkeypatch.setattr("sam3_ros.replay.bag.mcap_records._MOST_OF_A_CHUNK", 1_000_000)
    zeros = bytes(10_000_000)
    bag = write_mcap(tmp_path / "a.mcap", [zeros, *LARGE], compression=compression)
    images, told = read(bag)
    assert images == LARGE
    assert "has more than 1000000 bytes when it is decompressed" in told


@pytest.mark.parametrize("storage", [StoragePlugin.MCAP, StoragePlugin.SQLITE3])
def test_a_folder_without_metadata_is_read(tmp_path, storage):
    folder = write_bag(tmp_path / "bag", frames=3, storage=storage)
    whole, _ = read(folder)
    (folder / "metadata.yaml").unlink()
    images, told = read(folder)
    assert images == whole
    assert "bag: no metadata.yaml" in told


@pytest.mark.parametrize(
    "text",
    [
        "rosbag2_bagfile_information: {version: 99}",
        "rosbag2_bagfile_information: {relative_file_paths: null}",
        "rosbag2_bagfile_information: [1]",
        "a: [",
        "[" * 1_000_000,
        "a: &a [1]\nb: *a",
        "",
        "- 1",
        "\0",
    ],
)
def test_metadata_that_are_damaged_are_told(tmp_path, text):
    folder = write_bag(tmp_path / "bag", frames=3)
    whole, _ = read(folder)
    (folder / "metadata.yaml").write_text(text)
    images, told = read(folder)
    assert images == whole
    assert "metadata.yaml: unreadable" in told
    assert "NoneType" not in told
    assert "indices" not in told


def test_a_file_that_metadata_name_twice_is_played_once(tmp_path):
    write_mcap(tmp_path / "bag_0.mcap", JPEGS)
    metadata(tmp_path, ["bag_0.mcap", "bag_0.mcap"], FRAMES)
    assert read(tmp_path) == (JPEGS, "")


def test_metadata_that_name_no_file(tmp_path):
    write_mcap(tmp_path / "bag_0.mcap", JPEGS)
    metadata(tmp_path, [], 0)
    images, told = read(tmp_path)
    assert images == JPEGS
    assert "metadata.yaml: names no file" in told


def test_metadata_of_files_that_were_renamed(tmp_path):
    write_mcap(tmp_path / "renamed.mcap", JPEGS)
    metadata(tmp_path, ["before.mcap"], FRAMES)
    images, told = read(tmp_path)
    assert images == JPEGS
    assert "names before.mcap, and none is there" in told


def test_a_file_that_the_metadata_do_not_name_is_told(tmp_path):
    write_mcap(tmp_path / "bag_0.mcap", JPEGS[:3])
    write_mcap(tmp_path / "bag_1.mcap", JPEGS[3:], first=3)
    metadata(tmp_path, ["bag_0.mcap"], 3)
    images, told = read(tmp_path)
    assert images == JPEGS[:3]
    assert "bag_1.mcap: not named by metadata.yaml" in told


def _database(file: Path) -> None:
    with closing(sqlite3.connect(file)) as database:
        database.execute("CREATE TABLE a(b)")


def _bags(folder: Path, *files: str) -> None:
    for file in files:
        write_mcap(folder / file, JPEGS[:1])


ROS1 = b"#ROSBAG V2.0\n" + bytes(100)
#: What is made in a folder, and what of it is given.
NO_BAGS: dict[str, tuple[Callable[[Path], object], str]] = {
    "absent": (lambda _: None, "absent"),
    "text": (lambda folder: (folder / "a.mcap").write_text("not a bag"), "a.mcap"),
    "empty file": (lambda folder: (folder / "a.mcap").touch(), "a.mcap"),
    "sqlite of another": (lambda folder: _database(folder / "a.db3"), "a.db3"),
    "ros1": (lambda folder: (folder / "a.mcap").write_bytes(ROS1), "a.mcap"),
    "ros1 without a suffix": (lambda folder: (folder / "a").write_bytes(ROS1), "a"),
    "ros1 unfinished": (lambda folder: (folder / "one.bag.active").write_bytes(ROS1), ""),
    "pipe": (lambda folder: os.mkfifo(folder / "a.mcap"), "a.mcap"),
    "one bag": (lambda folder: _bags(folder, "one/one.mcap"), ""),
    "folder of ros1": (lambda folder: (folder / "one.bag").write_bytes(ROS1), ""),
    "folder of text": (lambda folder: (folder / "notes.txt").touch(), ""),
    "several bags": (lambda folder: _bags(folder, "one/one.mcap", "two/two.mcap"), ""),
    "several files": (lambda folder: _bags(folder, "one.mcap", "two.mcap"), ""),
    "a folder in place of a file": (lambda folder: (folder / "a.mcap").mkdir(), ""),
    "empty folder": (lambda _: None, ""),
}


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("absent", "there is no bag"),
        ("text", "begins with b'not a bag'"),
        ("empty file", r"is empty \(0 bytes\)"),
        ("sqlite of another", "not of rosbag2"),
        ("ros1", "is a ROS 1 bag: .*rosbags-convert --src"),
        ("ros1 without a suffix", "rosbags-convert --src .*/a --dst a_ros2"),
        ("ros1 unfinished", "has ROS 1 bags, one.bag.active: .*--dst one"),
        ("pipe", "is a pipe or a device"),
        ("one bag", "is a folder of one bag, one: give"),
        ("folder of ros1", "has ROS 1 bags, one.bag: .*rosbags-convert"),
        ("folder of text", "expected .mcap or .db3 files in it, found notes.txt"),
        ("several bags", "is a folder of 2 bags, one, two: give one"),
        ("several files", "several bags, one.mcap, two.mcap: give one"),
        ("a folder in place of a file", "is no bag"),
        ("empty folder", "is empty"),
    ],
)
def test_what_is_no_bag_is_named(tmp_path, kind, reason):
    make, given = NO_BAGS[kind]
    make(tmp_path)
    with pytest.raises(BagError, match=reason), open_bag(tmp_path / given):
        pass


def test_a_bag_without_any_whole_message_says_why(tmp_path):
    file = tmp_path / "a.mcap"
    file.write_bytes(write_mcap(tmp_path / "whole", JPEGS).read_bytes()[:8])
    with open_bag(file) as bag, pytest.raises(BagError, match=r"found none.*lacks its end"):
        bag.image_topic()


def test_a_bag_that_may_not_be_read(tmp_path, monkeypatch):
    file = write_mcap(tmp_path / "a.mcap", JPEGS)

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied", str(file))

    monkeypatch.setattr(Path, "open", refuse)  # root may read everything
    with pytest.raises(BagError, match=r"cannot read .*a\.mcap: Permission denied"), open_bag(file):
        pass


def test_a_copy_is_deleted(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    write_sqlite(tmp_path / "bag_0.db3", JPEGS, journal="wal")
    file = write_mcap(tmp_path / "a.mcap", JPEGS)
    compressed = tmp_path / "a.mcap.zstd"
    compressed.write_bytes(zstandard.ZstdCompressor().compress(file.read_bytes()))
    for bag in (tmp_path / "bag_0.db3", compressed):
        assert read(bag)[0] == JPEGS
        assert list((tmp_path / "temporary").iterdir()) == []
    shutil.rmtree(tmp_path / "temporary")
