"""Who may see the page: names under which it may be asked for, origins, and the token."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import re
import secrets
import socket
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from sam3_ros.look.server.listening import Listener, LookServerError

_LEAST_TOKEN = 16
_TOKEN = re.compile(r"[A-Za-z0-9_.~-]+")
# A name or an address, and perhaps a port.
_HOST = re.compile(r"([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]*)?")
_COOKIE_PURPOSE = b"sam3_ros look: signed in"


def new_token() -> str:
    """Return a token that nobody guesses: 256 bits, as letters that a link can hold."""
    return secrets.token_urlsafe(32)


def checked_token(text: str, where: str) -> str:
    """Return a token of the user's own. Raises LookServerError; `where` it came from is named."""
    if len(text) < _LEAST_TOKEN or not _TOKEN.fullmatch(text):
        raise LookServerError(
            f"{where}: expected a token of at least {_LEAST_TOKEN} letters, digits, '-', '_', '.' "
            f"or '~', got {len(text)} characters; `openssl rand -hex 32` makes one"
        )
    return text


def checked_public_url(text: str) -> str:
    """Return scheme and host of the address that browsers use, such as "https://robot.example".

    Raises LookServerError.
    """
    try:
        parts = urlsplit(text)
        valid = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        valid = None
    if not valid or parts.path.strip("/") or parts.query or parts.fragment or "@" in parts.netloc:
        raise LookServerError(
            "--public-url: expected scheme, host and perhaps a port, such as "
            f"https://robot.example; got {text!r}"
        )
    return f"{parts.scheme}://{parts.netloc.lower()}"


@dataclass(frozen=True)
class LookAccess:
    """The rules by which every request is judged."""

    #: None: whoever reaches the page may see it.
    token: str | None = field(repr=False)
    #: Part of the cookie's name: browsers share cookies between the ports of a host.
    port: int
    #: Names that a request may be for, in lower case.
    names: frozenset[str]
    #: Whether a request may be for any IP address; otherwise for those of the loopback alone.
    any_address: bool
    #: The address in front of a proxy, such as "https://robot.example"; empty for none.
    public_url: str = ""

    @classmethod
    def of(cls, listener: Listener, token: str | None, public_url: str = "") -> LookAccess:
        """Return the rules for a page that is served there."""
        names = {"localhost"}
        if not listener.is_local:
            own = socket.gethostname().lower()
            names |= {own, f"{own}.local", listener.host.lower()}
        if public_url:
            names.add(str(urlsplit(public_url).hostname))
        return cls(token, listener.port, frozenset(names), not listener.is_local, public_url)

    @property
    def cookie_name(self) -> str:
        return f"sam3_ros_look_{self.port}"

    @property
    def cookie(self) -> str:
        """The cookie of who has signed in: made of the token, without giving it away."""
        assert self.token is not None
        return hmac.new(self.token.encode(), _COOKIE_PURPOSE, hashlib.sha256).hexdigest()

    def set_cookie(self, over_tls: bool) -> str:
        """Return the header that gives a browser the cookie."""
        secure = "; Secure" if over_tls else ""
        return f"{self.cookie_name}={self.cookie}; Path=/; HttpOnly; SameSite=Strict{secure}"

    def is_token(self, text: str) -> bool:
        """Return whether it is the token, in a time that does not tell how much of it is right."""
        assert self.token is not None
        return hmac.compare_digest(text.encode(), self.token.encode())

    def is_signed_in(self, cookies: str) -> bool:
        """Return whether a request with these cookies, its header's text, may see the page."""
        if self.token is None:
            return True
        wanted = self.cookie.encode()
        # SimpleCookie takes none of a header in which one is odd, and of one host all ports share
        # their cookies.
        given = [each.strip().partition("=") for each in cookies.split(";")]
        return any(
            name == self.cookie_name and hmac.compare_digest(value.encode(), wanted)
            for name, _, value in given
        )

    def is_own_host(self, host: str) -> bool:
        """Return whether the header Host names this page.

        A page elsewhere whose name is pointed at this address (DNS rebinding) asks under its own
        name. It cannot ask under an IP address.
        """
        if not _HOST.fullmatch(host):
            return False
        try:
            parts = urlsplit(f"//{host}")
            name, _ = parts.hostname, parts.port
        except ValueError:
            return False
        if not name:
            return False
        if name.rstrip(".") in self.names:
            return True
        try:
            address = ipaddress.ip_address(name)
        except ValueError:
            return False
        return self.any_address or address.is_loopback

    def is_own_origin(self, origin: str, host: str) -> bool:
        """Return whether a request comes from a page that this server has served.

        origin: the header Origin; host: the header Host, which is_own_host() has accepted.
        """
        origin, host = origin.lower(), host.lower()
        if self.public_url and origin == self.public_url:
            return True
        return origin in (f"http://{host}", f"https://{host}")
