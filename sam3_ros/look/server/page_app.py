"""The page as an application: NiceGUI's, one page for each browser tab, with the feed beside it.

NiceGUI keeps its state in its modules, so there is one page in a process.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from sam3_ros.look.rights import ViewerRights
from sam3_ros.look.server.asgi import AsgiApp, Receive, Scope, Send
from sam3_ros.look.server.feed import feed
from sam3_ros.look.server.guarded import GuardedViewing
from sam3_ros.look.server.newest import NewestPictures
from sam3_ros.look.server.sign_in import FRAGMENT
from sam3_ros.look.viewing import Viewing

FEED_PATH = "/feed"
#: Builds the page of one browser tab: its source, its rights, the path of its feed.
BuildPage = Callable[[Viewing, ViewerRights, str], None]

_TITLE = "sam3-ros look"
_ICON = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16">'
    '<rect width="16" height="16" rx="3" fill="#1d3557"/>'
    '<path d="M4 11 8 3l4 8z" fill="#f4a261"/></svg>'
)
# Who has signed in before comes here by the link too, and shows the address to others.
_FORGET_TOKEN = (
    f'<script>if (location.hash.startsWith("#{FRAGMENT}")) '
    'history.replaceState(null, "", location.pathname);</script>'
)
#: Seconds for which a tab whose line is cut keeps its page.
_RECONNECT_SECONDS = 10.0
#: NiceGUI sends again what a tab has missed; of what is shown the newest is enough.
_MESSAGE_HISTORY = 100
#: Of 1 to 9: a third of the time that 9 takes for a page, whose files are 5 % larger then.
_GZIP_LEVEL = 4
# NiceGUI looks into a folder for what it has stored. Nothing is stored here, and what lies in the
# current folder may be a stranger's.
_NO_STORAGE = ("NICEGUI_STORAGE_PATH", os.path.join(os.devnull, "none"))  # noqa: PTH118


class FeedBeside:
    """An ASGI application: the feed at its path, the page everywhere else."""

    def __init__(self, app: AsgiApp, viewing: Viewing) -> None:
        # By this name NiceGUI finds its own server.
        self.app = app
        self._viewing = viewing
        self._pictures: NewestPictures | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] == "websocket" and scope["path"] == FEED_PATH:
            if self._pictures is None:
                self._pictures = NewestPictures(self._viewing)
            return await feed(self._pictures, receive, send)
        await self.app(scope, receive, send)


def _nothing_here(request: Request, error: Exception) -> Response:
    del request, error
    return PlainTextResponse("There is nothing here; the page is at /.\n", 404)


def page_app(viewing: Viewing, rights: ViewerRights, build_page: BuildPage) -> AsgiApp:
    """Return the application; it may be made once in a process."""
    os.environ[_NO_STORAGE[0]] = _NO_STORAGE[1]
    from fastapi import FastAPI
    from fastapi.middleware.gzip import GZipMiddleware
    from nicegui import app as nicegui_app
    from nicegui import core, ui

    # NiceGUI's own answer is a page, which is kept for a minute for each path that somebody tries.
    nicegui_app.add_exception_handler(404, _nothing_here)

    @ui.page("/", title=_TITLE, favicon=_ICON)
    def page() -> None:
        of_viewer = GuardedViewing(viewing, rights)
        ui.add_head_html(_FORGET_TOKEN)
        ui.context.client.on_delete(of_viewer.close)
        build_page(of_viewer, rights, FEED_PATH)

    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    ui.run_with(
        app,
        title=_TITLE,
        dark=None,
        language="en-US",
        tailwind=False,
        binding_refresh_interval=None,
        reconnect_timeout=_RECONNECT_SECONDS,
        message_history_length=_MESSAGE_HISTORY,
        gzip_middleware_factory=partial(GZipMiddleware, compresslevel=_GZIP_LEVEL),
        show_welcome_message=False,
    )
    # What goes over websockets is judged message by message; polling is another way for the same.
    nicegui_app.config.socket_io_js_transports = ["websocket"]
    core.sio.eio.transports = ["websocket"]
    nicegui_app.storage.max_tab_storage_age = _RECONNECT_SECONDS
    return FeedBeside(app, viewing)
