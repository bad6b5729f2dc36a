"""Headers that tell a browser what a page of this server may do, and who may frame it."""

from __future__ import annotations

from sam3_ros.look.server.asgi import Headers

# NiceGUI's page has scripts and styles of its own in it, and Vue compiles its templates in the
# browser: hence 'unsafe-inline' and 'unsafe-eval'. What viewers type is never a part of either.
# ws: and wss: stand for browsers in which 'self' is no websocket.
_PAGE_POLICY = "; ".join(
    (
        "default-src 'self'",
        "script-src 'self' 'unsafe-inline' 'unsafe-eval'",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' blob: data:",
        "font-src 'self' data:",
        "connect-src 'self' ws://{host} wss://{host}",
        "worker-src 'self' blob:",
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)
_FOR_ALL: Headers = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), microphone=(), geolocation=(), display-capture=()"),
    (b"x-robots-tag", b"noindex"),
)
_POLICY = b"content-security-policy"


def with_safety(headers: Headers, host: str) -> list[tuple[bytes, bytes]]:
    """Return a response's headers with those that every response has.

    host: the header Host of the request, which has been judged. A policy that is there stays.
    """
    own = {name for name, _ in _FOR_ALL}
    kept = [(name, value) for name, value in headers if name.lower() not in own]
    if not any(name.lower() == _POLICY for name, _ in kept):
        kept.append((_POLICY, _PAGE_POLICY.format(host=host).encode()))
    return [*kept, *_FOR_ALL]
