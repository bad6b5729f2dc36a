"""A ROS domain that nobody else on this machine is in."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from socket import AF_INET, SOCK_DGRAM, socket

from sam3_ros.replay.ask.settings import ReplayError

#: People use the low domains; on Linux the ports of those above 101 are ephemeral ones.
FIRST_DOMAIN, LAST_DOMAIN = 60, 101

# DDS-RTPS 2.5, 9.6.2.3: a domain's ports begin at 7400 + 250 x domain. There is its multicast, and
# from the tenth on each participant takes two. None takes the ninth.
_FIRST_PORT, _PORTS, _OF_THE_CLAIM = 7400, 250, 9
#: Linux's tables of bound UDP ports, of every user.
_BOUND = (Path("/proc/net/udp"), Path("/proc/net/udp6"))


@contextmanager
def private_domain() -> Iterator[int]:
    """Yield a ROS domain without DDS participants on this machine; claim it until the block ends.

    Raises ReplayError if every domain from FIRST_DOMAIN to LAST_DOMAIN is in use.
    """
    domains = range(FIRST_DOMAIN, LAST_DOMAIN + 1)
    for number in range(len(domains)):
        # Not the same one after the other: for 20 s DDS takes a node that was killed for a living
        # one.
        domain = domains[(os.getpid() + number) % len(domains)]
        if (claimed := claim(domain)) is not None:
            with claimed:
                yield domain
            return
    raise ReplayError(
        f"each of the ROS domains {FIRST_DOMAIN} to {LAST_DOMAIN} is in use on this machine; stop "
        "what runs there, or name another one: --domain N"
    )


def claim(domain: int) -> socket | None:
    """Claim a domain until the socket is closed; None where somebody has claimed it or is in it.

    The claim is a port: it goes with the process, however that ends, and other users see it too.
    Participants are seen by the UDP ports that they have bound, on Linux.
    """
    first = _FIRST_PORT + _PORTS * domain
    claimed = socket(AF_INET, SOCK_DGRAM)
    try:
        claimed.bind(("", first + _OF_THE_CLAIM))
    except OSError:
        claimed.close()
        return None
    others = _bound_ports().intersection(range(first, first + _PORTS)) - {first + _OF_THE_CLAIM}
    if others:
        claimed.close()
        return None
    return claimed


def _bound_ports() -> set[int]:
    ports = set[int]()
    for table in _BOUND:
        with suppress(OSError):  # there is none without Linux or IPv6, or it must not be read
            rows = table.read_text(encoding="ascii").splitlines()[1:]
            # The second column is the local address, in hexadecimal: ADDRESS:PORT.
            ports |= {int(row.split()[1].rpartition(":")[2], 16) for row in rows}
    return ports
