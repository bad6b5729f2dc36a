"""Taking a port, and the rules of who may come."""

from __future__ import annotations

import os
import socket
from contextlib import closing
from pathlib import Path

import pytest

from sam3_ros.look.server.access import LookAccess, checked_public_url, new_token
from sam3_ros.look.server.allowance import Allowance, AllowanceOfEach
from sam3_ros.look.server.listening import LookServerError, listen
from sam3_ros.look.server.token_file import token_in


def test_a_port_in_use_is_refused_with_what_to_do() -> None:
    taken = listen("127.0.0.1", 0)
    with closing(taken.socket), pytest.raises(LookServerError, match=r"in use.*--port 0"):
        listen("127.0.0.1", taken.port)


@pytest.mark.parametrize("host", ["192.0.2.7", "no such name", "no-such-name.invalid", "x" * 300])
def test_an_address_that_this_machine_has_not_is_refused(host: str) -> None:
    with pytest.raises(LookServerError, match=r"0\.0\.0\.0"):
        listen(host, 0)


def test_all_addresses_are_not_this_machine_alone() -> None:
    everywhere, here = listen("0.0.0.0", 0), listen("localhost", 0)
    with closing(everywhere.socket), closing(here.socket):
        assert here.is_local
        assert not everywhere.is_local
        assert "0.0.0.0" not in everywhere.url

        access = LookAccess.of(everywhere, new_token())
        own = socket.gethostname()
        for host in (
            "192.168.1.5:8383",
            "[fe80::1]:8383",
            own.upper(),
            f"{own}.local",
            "localhost",
        ):
            assert access.is_own_host(host), host
        assert not access.is_own_host("evil.example")


def test_a_public_url_is_scheme_and_host() -> None:
    assert checked_public_url("https://Robot.example:8443/") == "https://robot.example:8443"
    for wrong in ("robot.example", "ftp://a", "https://a/b", "https://u@a", "https://a:x", "//a"):
        with pytest.raises(LookServerError, match="--public-url"):
            checked_public_url(wrong)


def test_a_token_stays_in_a_file_that_only_its_owner_reads(tmp_path: Path) -> None:
    file = tmp_path / "token"

    token = token_in(file)

    assert len(token) > 40
    assert file.stat().st_mode & 0o777 == 0o600
    assert token_in(file) == token


@pytest.mark.parametrize(("text", "mode"), [("x" * 40, 0o644), ("short", 0o600), ("ü" * 40, 0o600)])
def test_a_token_file_that_is_none_is_refused(tmp_path: Path, text: str, mode: int) -> None:
    file = tmp_path / "token"
    file.write_text(text, encoding="utf-8")
    file.chmod(mode)

    with pytest.raises(LookServerError, match="--token-file") as refused:
        token_in(file)
    assert text not in str(refused.value)


def test_tokens_are_never_the_same_and_not_shown() -> None:
    token = new_token()
    assert token != new_token()

    listener = listen("127.0.0.1", 0)
    with closing(listener.socket):
        assert token not in repr(LookAccess.of(listener, token))


def test_an_allowance_fills_with_time() -> None:
    now = 0.0
    allowance = Allowance(2.0, 3, lambda: now)

    assert [allowance.take() for _ in range(4)] == [True, True, True, False]
    now = 0.5
    assert [allowance.take() for _ in range(2)] == [True, False]
    now = 100.0
    assert [allowance.owe() for _ in range(5)] == [0.0, 0.0, 0.0, 0.5, 1.0]


def test_of_many_only_so_many_allowances_are_kept() -> None:
    each = AllowanceOfEach(lambda: Allowance(0.001, 1), most=2)

    assert each.take("a")
    assert not each.take("a")
    assert each.take("b")
    assert each.take("c")  # "a" is forgotten
    assert not each.take("c")
    assert each.take("a")


def test_a_port_below_1024_says_so() -> None:
    if os.geteuid() == 0:
        pytest.skip("root may listen on every port")
    with pytest.raises(LookServerError, match="1024"):
        listen("127.0.0.1", 1)
