"""Packets that are no DDS, or nearly, to the ports on which the node listens."""

from __future__ import annotations

import random
import socket
import struct
from pathlib import Path

# Of the discovery of participants, publishers and subscribers; DDSI-RTPS 2.3, 9.3.1.3.
_ENTITIES = (0x000100C2, 0x000100C7, 0x000003C2, 0x000003C7, 0x000004C2, 0x000004C7, 0)
_SUBMESSAGES = (0x01, 0x06, 0x07, 0x08, 0x09, 0x0C, 0x0D, 0x0E, 0x0F, 0x12, 0x13, 0x15, 0x16, 0x80)
_PARAMETERS = (0x0001, 0x0005, 0x0007, 0x0015, 0x0016, 0x002C, 0x0031, 0x0050, 0x0058, 0x0070)


def udp_ports(pid: int) -> list[int]:
    """Return the UDP ports that a process has open on IPv4."""
    inodes = set()
    for link in Path(f"/proc/{pid}/fd").iterdir():
        try:
            target = link.readlink().name
        except OSError:  # closed since
            continue
        if target.startswith("socket:["):
            inodes.add(target[8:-1])
    ports = []
    lines = Path(f"/proc/{pid}/net/udp").read_text(encoding="ascii").splitlines()[1:]
    for line in lines:
        fields = line.split()
        if fields[9] in inodes:
            ports.append(int(fields[1].rpartition(":")[2], 16))
    return sorted(set(ports))


def odd_packet(chance: random.Random) -> bytes:
    """Return random bytes, or a message of RTPS with random parts."""
    kind = chance.randrange(5)
    if kind == 0:
        return chance.randbytes(chance.choice((0, 1, 4, 20, 100, 1400, 60_000)))
    head = b"RTPS" + bytes((2, chance.choice((0, 1, 2, 3, 4, 255)))) + b"\x01\x0f"
    head += chance.randbytes(12)
    if kind == 1:
        return head[: chance.randrange(len(head) + 1)]
    parts = [_submessage(chance) for _ in range(chance.choice((1, 1, 2, 5, 60)))]
    return (head + b"".join(parts))[:65_000]


def send(ports: list[int], packet: bytes) -> None:
    """Send a packet to each port on this machine."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
        for port in ports:
            out.sendto(packet, ("127.0.0.1", port))


def _submessage(chance: random.Random) -> bytes:
    kind, flags = chance.choice(_SUBMESSAGES), chance.choice((1, 1, 1, 5, 7, 0, 255))
    content = _data(chance) if kind == 0x15 else chance.randbytes(chance.choice((0, 4, 24, 200)))
    length = len(content)
    if chance.random() < 0.2:
        length = chance.choice((0, 1, length // 2, 0xFFFF))
    return struct.pack("<BBH", kind, flags, length & 0xFFFF) + content


def _data(chance: random.Random) -> bytes:
    """Return a DATA submessage as discovery sends it: entities, a number, a list of parameters."""
    reader, writer = (chance.choice(_ENTITIES) for _ in range(2))
    head = struct.pack("<HH", 0, chance.choice((16, 16, 0, 0xFFFF)))
    head += struct.pack(">II", reader, writer)
    head += struct.pack("<iI", chance.choice((0, -1, 2**31 - 1)), chance.randrange(2**32))
    head += chance.choice((b"\0\3\0\0", b"\0\2\0\0", chance.randbytes(4)))
    for _ in range(chance.randrange(8)):
        value = chance.randbytes(chance.choice((0, 4, 16, 24, 300)))
        length = chance.choice((len(value), len(value), 0xFFFC, 3))
        head += struct.pack("<HH", chance.choice(_PARAMETERS), length) + value
    return head + chance.choice((b"\1\0\0\0", b"", chance.randbytes(9)))
