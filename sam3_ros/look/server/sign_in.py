"""The page that asks for the token, and the answer to it.

A link has the token behind `#`: browsers do not send that part, so that it gets into no log of a
server or proxy. A script of the page sends it once, and takes it out of the address.
"""

from __future__ import annotations

import base64
import hashlib
from http import HTTPStatus

from sam3_ros.look.server.access import LookAccess
from sam3_ros.look.server.asgi import Scope, Send, answer, header

SIGN_IN_PATH = "/sign-in"
#: What stands behind # in a link, before the token.
FRAGMENT = "token="

_STYLE = """
:root { color-scheme: light dark; }
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 30rem; margin: 15vh auto; padding: 0 1rem; }
label, input, button { display: block; font: inherit; margin-top: .5rem; }
input { width: 100%; box-sizing: border-box; padding: .5rem; }
button { padding: .5rem 1.5rem; }
"""
_SCRIPT = """
const said = document.querySelector("output");
async function signIn(token) {
  said.textContent = "";
  try {
    const answer = await fetch("/sign-in", { method: "POST", body: token });
    if (answer.ok) location.reload();
    else said.textContent = await answer.text();
  } catch {
    said.textContent = "The server does not answer.";
  }
}
function signInByLink() {
  const given = location.hash.startsWith("#token=") ? location.hash.slice(7) : "";
  if (!given) return;
  history.replaceState(null, "", location.pathname);
  signIn(given);
}
document.querySelector("form").addEventListener("submit", (event) => {
  event.preventDefault();
  signIn(document.querySelector("input").value.trim());
});
addEventListener("hashchange", signInByLink);
signInByLink();
"""
_PAGE = f"""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>sam3_ros: sign in</title>
<style>{_STYLE}</style>
<h1>sam3_ros look</h1>
<p>Open the link that <code>sam3-ros look</code> has printed, or give its token.</p>
<form method="post" action="/sign-in">
<label for="token">Token</label>
<input id="token" type="password" autocomplete="off" required autofocus>
<button>Sign in</button>
</form>
<p><output role="alert"></output></p>
<script>{_SCRIPT}</script>
</html>
"""


def _hash(text: str) -> str:
    return "'sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() + "'"


_POLICY = (
    f"default-src 'none'; script-src {_hash(_SCRIPT)}; style-src {_hash(_STYLE)}; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


async def sign_in_page(scope: Scope, send: Send) -> None:
    """Answer somebody who has not signed in: browsers with the page, others in a line."""
    if "text/html" not in header(scope, "accept"):
        words = "Sign in first: open the link that sam3-ros look has printed.\n"
        return await answer(scope, send, HTTPStatus.UNAUTHORIZED, words)
    await answer(
        scope,
        send,
        HTTPStatus.UNAUTHORIZED,
        _PAGE,
        "text/html; charset=utf-8",
        [(b"content-security-policy", _POLICY.encode())],
    )


async def sign_in(scope: Scope, body: bytes, send: Send, access: LookAccess) -> None:
    """Take a token, which is the whole body, and give a browser its cookie."""
    if scope["method"] != "POST":
        return await answer(scope, send, HTTPStatus.METHOD_NOT_ALLOWED, "POST the token here.\n")
    if not access.is_token(body.decode("utf-8", "replace").strip()):
        words = "That is not the token. A new start has a new one, unless --token-file keeps it.\n"
        return await answer(scope, send, HTTPStatus.FORBIDDEN, words)
    over_tls = header(scope, "origin").startswith("https://")
    cookie = access.set_cookie(over_tls).encode()
    await answer(scope, send, HTTPStatus.NO_CONTENT, headers=[(b"set-cookie", cookie)])
