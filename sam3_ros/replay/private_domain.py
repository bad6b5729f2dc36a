"""A ROS domain that nobody else on this machine is in."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from socket import AF_INET, SOCK_DGRAM, socket

from sam3_ros.replay.ask.settings import ReplayError

#: People use the low domains; on Linux the ports of those above 101 are ephemeral ones.
FIRST_DOMAIN, LAST_DOMAIN = 60, 101

# DDS-RTPS 2.5, 9.6.2.3: a domain's ports begin at 7400 + 250 x domain. There is its multicast, and
# from the tenth on each participant takes two. None takes the ninth.
_FIRST_PORT, _PORTS = 7400, 250
_OF_THE_CLAIM = 9
_OF_PARTICIPANTS = (0, *range(10, 10 + 2 * 32, 2))


@contextmanager
def private_domain() -> Iterator[int]:
    """Yield a ROS domain that no process of this machine is in, and claim it until the block ends.

    The claim is a port: it goes with the process, however that ends, and other users see it too.
    Raises ReplayError if every domain from FIRST_DOMAIN to LAST_DOMAIN is in use.
    """
    domains = range(FIRST_DOMAIN, LAST_DOMAIN + 1)
    for number in range(len(domains)):
        # Not the same one after the other: for 20 s DDS takes a node that was killed for a living
        # one.
        domain = domains[(os.getpid() + number) % len(domains)]
        first = _FIRST_PORT + _PORTS * domain
        with socket(AF_INET, SOCK_DGRAM) as claim:
            if not _binds(claim, first + _OF_THE_CLAIM) or _has_participants(first):
                continue
            yield domain
            return
    raise ReplayError(
        f"each of the ROS domains {FIRST_DOMAIN} to {LAST_DOMAIN} is in use on this machine; stop "
        "what runs there, or name another one: --domain N"
    )


def _has_participants(first_port: int) -> bool:
    for offset in _OF_PARTICIPANTS:
        with socket(AF_INET, SOCK_DGRAM) as one:
            if not _binds(one, first_port + offset):
                return True
    return False


def _binds(one: socket, port: int) -> bool:
    try:
        one.bind(("", port))
    except OSError:
        return False
    return True
