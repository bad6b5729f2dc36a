"""Who is let in, and what may come in: a real server, asked by real clients."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator

import httpx
import pytest
from served import FILE, TOKEN, Served, served
from websockets.exceptions import ConnectionClosed, InvalidStatus

from sam3_ros.look.server.body import MOST_BODY
from sam3_ros.look.server.guard import AllowedPace, Paces
from sam3_ros.look.server.patient_http import PatientHttp
from sam3_ros.look.server.serving import MOST_MESSAGE

TEN_MEGABYTES = "x" * 10_000_000
BROWSER = "text/html,application/xhtml+xml"


@pytest.fixture(scope="module")
def local() -> Iterator[Served]:
    with served() as server:
        yield server


@pytest.fixture(scope="module")
def guarded() -> Iterator[Served]:
    """Return a server that wants a token, and stands behind a proxy."""
    with served(token=TOKEN, public_url="https://robot.example") as server:
        yield server


def test_on_this_machine_the_page_needs_no_token(local: Served) -> None:
    assert local.get().status_code == 200
    assert local.get(Host=f"localhost:{local.listener.port}").status_code == 200
    assert local.get(Host="[::1]:9999").status_code == 200  # a forwarded port


def test_files_come_whole(local: Served) -> None:
    """What sends them listens meanwhile whether the browser has gone."""
    assert local.get("/file").content == FILE.read_bytes()


@pytest.mark.parametrize(
    "host",
    [
        *("evil.example", "evil.example:8383", "127.0.0.1.evil.example", "localhost.evil.example"),
        *("192.168.1.5:8383", "127.0.0.1@evil.example", "127.0.0.1:x", "", "[::1", "localhost#"),
        *("localhost?", "localhost/", "local\thost", "localhost; script-src *", "localhost:80:80"),
    ],
)
def test_a_name_that_is_not_the_pages_is_refused(local: Served, host: str) -> None:
    answer = local.get(Host=host)

    assert answer.status_code == 421
    assert "sam3-ros look" in answer.text


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:1", "file://"])
def test_a_page_of_another_site_may_not_ask(local: Served, origin: str) -> None:
    assert local.get(Origin=origin).status_code == 403
    assert local.post("/", "x", Origin=origin).status_code == 403
    with pytest.raises(InvalidStatus) as refused, local.websocket(origin=origin):
        pass
    assert refused.value.response.status_code == 403


def test_a_websocket_without_an_origin_is_refused(local: Served) -> None:
    with pytest.raises(InvalidStatus) as refused, local.websocket(origin=None):
        pass
    assert refused.value.response.status_code == 403
    assert b"Origin" in (refused.value.response.body or b"")


def test_a_websocket_for_another_name_is_refused(local: Served) -> None:
    headers = {"Host": "evil.example"}
    with (
        pytest.raises(InvalidStatus) as refused,
        local.websocket(origin="http://evil.example", additional_headers=headers),
    ):
        pass
    assert refused.value.response.status_code in (400, 421)


def test_without_the_token_nothing_is_seen(guarded: Served) -> None:
    assert guarded.get().status_code == 401
    assert guarded.get("/_nicegui/anything").status_code == 401
    page = guarded.get(Accept=BROWSER)
    assert page.status_code == 401
    assert "Token" in page.text
    with pytest.raises(InvalidStatus) as refused, guarded.websocket():
        pass
    assert refused.value.response.status_code == 401


@pytest.mark.parametrize("token", ["", "wrong", TOKEN[:-1], TOKEN + "x", "\udcff", "ü" * 9000])
def test_a_wrong_token_is_refused_in_words(guarded: Served, token: str) -> None:
    answer = guarded.post("/sign-in", token.encode("utf-8", "surrogateescape"))

    assert answer.status_code == 403
    assert "not the token" in answer.text
    assert "set-cookie" not in answer.headers


def test_the_token_gives_a_cookie_that_no_script_reads(guarded: Served) -> None:
    answer = guarded.post("/sign-in", TOKEN + "\n")
    cookie = answer.headers["set-cookie"]

    assert answer.status_code == 204
    assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= set(cookie.split("; "))
    assert "Secure" not in cookie
    assert TOKEN not in cookie
    name_and_value = cookie.partition(";")[0]
    assert guarded.get(Cookie=name_and_value).status_code == 200
    assert guarded.get(Cookie=f"other=1; {name_and_value}").status_code == 200
    # Of one host all ports share their cookies, and other programs' may be odd.
    assert guarded.get(Cookie=f'a={{"x": 1}}; b; {name_and_value}').status_code == 200
    assert guarded.get(Cookie=name_and_value[:-1]).status_code == 401
    with guarded.websocket("/echo", additional_headers={"Cookie": name_and_value}) as echo:
        echo.send("four")
        assert echo.recv(10) == "4"


def test_behind_a_proxy_with_tls_the_cookie_goes_over_tls_alone(guarded: Served) -> None:
    headers = {"Host": "robot.example", "Origin": "https://robot.example"}
    answer = guarded.post("/sign-in", TOKEN, **headers)

    assert answer.status_code == 204
    assert "; Secure" in answer.headers["set-cookie"]
    assert guarded.get(Host="other.example").status_code == 421


def test_the_sign_in_page_runs_its_own_script_alone(guarded: Served) -> None:
    policy = guarded.get(Accept=BROWSER).headers["content-security-policy"]

    assert "default-src 'none'" in policy
    assert "unsafe" not in policy


@pytest.mark.parametrize("path", ["/", "/sign-in"])
def test_every_answer_has_the_headers_of_safety(guarded: Served, path: str) -> None:
    headers = guarded.get(path).headers

    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "no-referrer"
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert "server" not in headers


def test_a_large_request_is_refused_in_words_and_the_server_lives_on(local: Served) -> None:
    answer = local.post("/", TEN_MEGABYTES)

    assert answer.status_code == 413
    assert f"{MOST_BODY // 1024} KiB" in answer.text
    assert local.post("/", "x" * MOST_BODY).text == str(MOST_BODY)


def test_a_large_request_of_unknown_length_is_refused(local: Served) -> None:
    def pieces() -> Iterator[bytes]:
        for _ in range(100):
            yield b"x" * 10_000

    answer = httpx.post(local.origin, content=pieces(), headers={"Origin": local.origin})

    assert answer.status_code == 413


def test_a_large_message_closes_its_websocket_and_the_server_lives_on(local: Served) -> None:
    with local.websocket("/echo") as echo:
        echo.send("x" * (MOST_MESSAGE - 1))
        assert echo.recv(10) == str(MOST_MESSAGE - 1)
        with pytest.raises(ConnectionClosed) as closed:
            echo.send(TEN_MEGABYTES)
            echo.recv(10)
    # The network may throw the reason away while the sender is still at it.
    assert closed.value.rcvd is None or closed.value.rcvd.code == 1009
    assert local.get().status_code == 200


def test_headers_without_an_end_are_refused(local: Served) -> None:
    with socket.create_connection(("127.0.0.1", local.listener.port), 10) as raw:
        raw.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 100_000)
        assert b" 400 " in raw.recv(1000)
    assert local.get().status_code == 200


def test_whoever_sends_no_whole_request_does_not_keep_the_connection(
    local: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else some hundred of them would lock out everybody."""
    monkeypatch.setattr(PatientHttp, "patience", 0.3)
    for sent in (b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\nGET /"):
        with socket.create_connection(("127.0.0.1", local.listener.port), 10) as raw:
            raw.sendall(sent)
            while raw.recv(4000):  # until the server closes it, not before a whole answer
                pass
    with local.websocket("/echo") as echo:
        time.sleep(0.6)
        echo.send("x")
        assert echo.recv(10) == "1"


@pytest.fixture(scope="module")
def strict() -> Iterator[Served]:
    """Return a server that takes little, and of that hardly more with time."""
    slow = 0.001
    with served(
        paces=Paces(AllowedPace(slow, 30), AllowedPace(slow, 5), AllowedPace(20.0, 5))
    ) as server:
        yield server


def test_what_comes_too_fast_by_a_websocket_waits_its_turn(strict: Served) -> None:
    with strict.websocket("/echo") as echo:
        before = time.monotonic()
        for number in range(15):
            echo.send("x" * number)
        assert [echo.recv(30) for _ in range(15)] == [str(number) for number in range(15)]
        assert time.monotonic() - before > 9 / 20  # the ten after the burst, but for the clock


def test_too_many_pages_and_then_requests_are_refused_in_words(strict: Served) -> None:
    with httpx.Client(base_url=strict.origin) as client:
        codes = [client.get("/").status_code for _ in range(6)]
        assert codes == [200] * 5 + [429]
        assert client.get("/picture.js").status_code == 200
        answers = [client.get("/picture.js") for _ in range(30)]

    assert answers[-1].status_code == 429
    assert "wait" in answers[-1].text
