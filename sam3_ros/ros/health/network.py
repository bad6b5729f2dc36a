"""Whether this machine has a network at all, its own loopback included."""

from __future__ import annotations

import socket
import struct
from contextlib import suppress

_SIOCGIFFLAGS, _IFF_UP = 0x8913, 1  # <linux/sockios.h>, <linux/if.h>


def has_network() -> bool:
    """Return whether an interface is up; true where the system cannot be asked."""
    try:
        import fcntl  # not on Windows

        names = [name for _, name in socket.if_nameindex()]
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
            for name in names:
                request = struct.pack("256s", name.encode()[:15])
                with suppress(OSError):  # it has gone
                    answer = fcntl.ioctl(any_socket, _SIOCGIFFLAGS, request)
                    if struct.unpack_from("H", answer, 16)[0] & _IFF_UP:
                        return True
    except (ImportError, OSError):
        return True
    return False
