"""Where the page is served: an address of this machine, taken before anything slow begins."""

from __future__ import annotations

import errno
import ipaddress
import socket
from contextlib import closing
from dataclasses import dataclass, field

from sam3_ros.core.errors import Sam3RosError

DEFAULT_PORT = 8383
LOOPBACK = "127.0.0.1"
_WAITING_CONNECTIONS = 128
# Of a block that is for documentation: nothing is sent there, the system only chooses a way out.
_ELSEWHERE = {socket.AF_INET: "192.0.2.1", socket.AF_INET6: "2001:db8::1"}


class LookServerError(Sam3RosError):
    """The page cannot be served as it was asked."""


@dataclass(frozen=True)
class Listener:
    """A socket that browsers can reach from now on."""

    socket: socket.socket = field(compare=False)
    #: As it was asked: an address or a name.
    host: str
    port: int
    #: Whether only this machine reaches it.
    is_local: bool

    @property
    def url(self) -> str:
        """The page's address as a person types it; of all addresses the one that others use."""
        host = self.host
        if ipaddress.ip_address(_bound_address(self.socket)).is_unspecified:
            host = _address_for_others(self.socket.family)
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}/"


def listen(host: str = LOOPBACK, port: int = DEFAULT_PORT) -> Listener:
    """Take an address. Raises LookServerError, in words for who has typed it.

    host: an address or a name of this machine, or 0.0.0.0 for all of its addresses. port: 0 takes
    one that is free.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except (OSError, UnicodeError) as error:
        raise LookServerError(
            f"--host {host}: there is no such name or address; 127.0.0.1 is this machine alone, "
            "0.0.0.0 all of its addresses"
        ) from error
    listening = socket.socket(family, kind, protocol)
    try:
        # So that it can be taken again at once after an end.
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen(_WAITING_CONNECTIONS)
    except OSError as error:
        listening.close()
        raise LookServerError(_refusal(host, port, error)) from error
    listening.setblocking(False)
    is_local = ipaddress.ip_address(_bound_address(listening)).is_loopback
    return Listener(listening, host, listening.getsockname()[1], is_local)


def _refusal(host: str, port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return (
            f"port {port} of {host} is in use, perhaps by another `sam3-ros look`: --port 0 takes "
            "a free one"
        )
    if error.errno == errno.EADDRNOTAVAIL:
        return f"--host {host} is no address of this machine; 0.0.0.0 means all that it has"
    if error.errno in (errno.EACCES, errno.EPERM):
        return f"you may not listen on port {port}: take one from 1024 on, such as {DEFAULT_PORT}"
    return f"cannot listen on port {port} of {host}: {error.strerror}"


def _bound_address(listening: socket.socket) -> str:
    return str(listening.getsockname()[0]).partition("%")[0]


def _address_for_others(family: int) -> str:
    """Return the address by which others most likely reach this machine, else its name."""
    with closing(socket.socket(family, socket.SOCK_DGRAM)) as probe:
        try:
            probe.connect((_ELSEWHERE[socket.AddressFamily(family)], 9))
        except OSError:
            return socket.gethostname()
        return _bound_address(probe)
