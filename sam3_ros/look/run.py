"""Serves a source's page until Ctrl-C or SIGTERM."""

from __future__ import annotations

import threading
import webbrowser
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from sam3_ros.core.signals import ended_by_signals
from sam3_ros.look.rights import ViewerRights
from sam3_ros.look.server.access import LookAccess, checked_public_url, new_token
from sam3_ros.look.server.guard import Guard
from sam3_ros.look.server.listening import DEFAULT_PORT, LOOPBACK, Listener, listen
from sam3_ros.look.server.sign_in import FRAGMENT
from sam3_ros.look.server.token_file import token_in
from sam3_ros.look.viewing import Viewing

Write = Callable[[str], object]

_LATER_SECONDS = 5.0


@dataclass(frozen=True)
class LookSettings:
    """How the page is served."""

    host: str = LOOPBACK
    #: 0 takes one that is free.
    port: int = DEFAULT_PORT
    view_only: bool = False
    #: Scheme and host that browsers use, where a proxy is in front; empty for none.
    public_url: str = ""
    #: Where the token stays from start to start; None for a new one each time.
    token_file: Path | None = None
    #: Whether to open the page in this machine's browser.
    open_browser: bool = False


def run(
    settings: LookSettings,
    open_source: Callable[[], Viewing],
    write: Write,
    once_ready: Callable[[Write], None] | None = None,
) -> None:
    """Serve until the end, which a signal is.

    open_source: is called once the port is taken. once_ready: is called on a thread of its own some
    seconds after the page can be had, when browsers have it. Raises LookServerError, and what
    open_source raises.
    """
    public_url = checked_public_url(settings.public_url) if settings.public_url else ""
    with ended_by_signals(write):
        listener = listen(settings.host, settings.port)
        with closing(listener.socket):
            token = _token(settings, listener)
            access = LookAccess.of(listener, token, public_url)
            with closing(open_source()) as viewing, _later(once_ready, write) as begin:
                _serve(settings, listener, access, viewing, write, begin)
        write("ended")


def _serve(
    settings: LookSettings,
    listener: Listener,
    access: LookAccess,
    viewing: Viewing,
    write: Write,
    begin: Callable[[], None],
) -> None:
    # Only now: they take a second to import, in which the source's model loads.
    from sam3_ros.look.page.page import build_page
    from sam3_ros.look.server.page_app import page_app
    from sam3_ros.look.server.serving import serve

    def ready() -> None:
        _introduce(settings, listener, access, write)
        begin()

    rights = ViewerRights(may_change=not settings.view_only)
    serve(Guard(page_app(viewing, rights, build_page), access), listener, ready)


@contextmanager
def _later(
    once_ready: Callable[[Write], None] | None, write: Write
) -> Iterator[Callable[[], None]]:
    """Give what begins once_ready, some seconds later, on a thread that ends with the block."""
    has_ended = threading.Event()

    def wait_and_run() -> None:
        if once_ready is not None and not has_ended.wait(_LATER_SECONDS):
            once_ready(write)

    thread = threading.Thread(target=wait_and_run)
    try:
        yield thread.start
    finally:
        has_ended.set()
        if thread.ident is not None:
            thread.join()


def _token(settings: LookSettings, listener: Listener) -> str | None:
    """Return the token, or None where only this machine's users reach the page."""
    if settings.token_file is not None:
        return token_in(settings.token_file)
    return None if listener.is_local and not settings.public_url else new_token()


def _introduce(
    settings: LookSettings, listener: Listener, access: LookAccess, write: Write
) -> None:
    url = f"{access.public_url}/" if access.public_url else listener.url
    is_printed = access.token is not None and settings.token_file is None
    write(f"page       {url}{f'#{FRAGMENT}{access.token}' if is_printed else ''}")
    if access.public_url:
        write(f"           by way of the proxy, which asks {listener.url}")
    may = "see all pictures" if settings.view_only else "see all pictures, and ask"
    if is_printed:
        write(f"           whoever has this link may {may}; it is printed only here")
    elif access.token is not None:
        write(f"token      in {settings.token_file}; whoever has it may {may}")
    if not listener.is_local and not access.public_url:
        write("           not encrypted: others on this network can read along; see docs/look.md")
    write("end        Ctrl-C")
    if settings.open_browser:
        # Without the token, which every user of this machine could read among its processes.
        threading.Thread(target=webbrowser.open, args=(url,), daemon=True).start()
