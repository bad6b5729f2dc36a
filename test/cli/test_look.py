"""`sam3-ros look`: what is refused in one line, and a page from its start to its end."""

from __future__ import annotations

import json
import re
import signal
import socket
import time
from contextlib import suppress
from pathlib import Path

import httpx
import pytest
from look_server import running_look
from node_client import PATIENCE
from running_command import RunningCommand
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from sam3_ros.cli import demo, needs
from sam3_ros.cli.main import _parser, main
from sam3_ros.look.server.listening import DEFAULT_PORT
from sam3_ros.ros.launching.process_arguments import process_arguments


def refusal(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Return the one line with which the command ends."""
    assert main(["look", *arguments]) == 2
    error = capsys.readouterr().err
    assert error.startswith("sam3-ros: error: ")
    assert error.count("\n") == 1
    return error


def test_without_the_extra_it_says_how_to_get_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(needs, "find_spec", lambda name: None if name == "nicegui" else name)

    assert "pip install 'sam3_ros[look]'" in refusal(capsys)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["photo.jpg", "--node"], "photo.jpg is a file"),
        (["--node", "photo.jpg"], "/segmentation_node"),
        (["photo.jpg", "--camera", "0"], "give one of them"),
        (["--node", "--ask", "cube"], "--ask is for pictures of your own"),
        (["--node", "/a", "--bundle", "other"], "--bundle is for pictures of your own"),
        (["--bundle", "tabletopp"], "tabletop"),
        (["--ask", " ; "], "blank"),
        (["absent.jpg", "--port", "0"], "absent.jpg"),
        (["--host", "192.0.2.7", "--port", "0"], "no address of this machine"),
        (["--public-url", "robot.example"], "https://robot.example"),
        (["--token-file", "/no/such/folder/token", "--port", "0"], "/no/such/folder/token"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(
    capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    assert words in refusal(capsys, *arguments)


def test_a_port_in_use_is_refused_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        error = refusal(capsys, "--port", str(taken.getsockname()[1]))

    assert "--port 0" in error


def test_the_port_is_the_same_for_the_command_and_for_launch() -> None:
    (of_launch,) = (each for each in process_arguments({}) if each.name == "look_port")

    assert _parser().parse_args(["look"]).port == DEFAULT_PORT == int(of_launch.default)


@pytest.mark.parametrize("port", ["-1", "65536", "x"])
def test_a_port_is_a_number(port: str) -> None:
    with pytest.raises(SystemExit) as refused:
        main(["look", "--port", port])
    assert refused.value.code == 2


def test_the_shipped_bag_is_shown_and_asked(tmp_path: Path) -> None:
    with running_look(tmp_path / "log") as server:
        page = httpx.get(server.link)
        assert page.status_code == 200
        assert "Phrases" in page.text
        for file in re.findall(r'(?:src|href)="(/[^"]+)"', page.text):
            assert httpx.get(server.origin + file).content, file
        absent = httpx.get(f"{server.origin}/absent")
        assert (absent.status_code, absent.text.count("<")) == (404, 0)
        found = picture_with_segments(server.origin)

        assert {each["label"] for each in found} == {"red cube"}
        send_nonsense(server.origin)
        assert httpx.get(server.link).status_code == 200
    # running_look() sees that SIGTERM ends it with 0 and without a traceback.


def picture_with_segments(origin: str) -> list[dict[str, object]]:
    """Return what is found on the first picture on which something is."""
    host = origin.removeprefix("http://")
    with connect(f"ws://{host}/feed", origin=origin, proxy=None) as line:  # type: ignore[arg-type]
        line.send(json.dumps({"camera": "camera", "layer": "overlay", "plain": False}))
        for number in range(1, 1000):
            message = line.recv(60)
            assert isinstance(message, bytes)
            head = json.loads(message[4 : 4 + int.from_bytes(message[:4], "big")])
            if head["segments"]:
                return head["segments"]
            line.send(json.dumps({"ack": number}))
    raise AssertionError("nothing was found")


def send_nonsense(origin: str) -> None:
    """Say to the page's own line what no browser says; what becomes of the line is its affair."""
    address = f"{origin.replace('http', 'ws')}/_nicegui_ws/socket.io/?EIO=4&transport=websocket"
    for message in ('42["event",{}]', '42["event",null]', '42["log",7]', "42[", "451-[", "9999"):
        with (
            suppress(ConnectionClosed, TimeoutError),
            connect(address, origin=origin, proxy=None) as line,  # type: ignore[arg-type]
        ):
            line.send("40")
            line.recv(10)
            line.send(message)
            line.recv(0.1)


def test_the_demo_ends_with_how_to_look(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(demo, "run_and_print", lambda *_: 0)
    monkeypatch.setattr("sys.argv", [".venv/bin/sam3-ros"])

    assert main(["demo"]) == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith(".venv/bin/sam3-ros look ")

    assert main(["demo", "--json"]) == 0
    assert capsys.readouterr().out == ""


def test_on_the_network_a_link_with_a_token_is_printed_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened, opener = tmp_path / "opened", tmp_path / "browser"
    opener.write_text(f'#!/bin/sh\necho "$@" > {opened}.new && mv {opened}.new {opened}\n')
    opener.chmod(0o700)
    monkeypatch.setenv("BROWSER", str(opener))
    options = ("--host", "0.0.0.0", "--port", "0", "--view-only", "--open")
    command = RunningCommand(tmp_path / "log", "look", *options)
    try:
        line = command.wait_for("http://")
        link = re.search(r"http://\S+:(\d+)/#token=(\S{40,})", line)
        assert link is not None
        origin = f"http://127.0.0.1:{link[1]}"
        assert httpx.get(origin).status_code == 401
        with httpx.Client(base_url=origin, headers={"Origin": origin}) as browser:
            assert browser.post("/sign-in", content="wrong").status_code == 403
            assert browser.post("/sign-in", content=link[2]).status_code == 204
            assert browser.get("/").status_code == 200
        end = time.monotonic() + PATIENCE
        while not opened.exists():
            assert time.monotonic() < end
            time.sleep(0.05)
        # Other users of the machine see the arguments of its processes.
        assert opened.read_text().strip() == line.split()[-1].partition("#")[0]
    finally:
        command.process.send_signal(signal.SIGINT)  # a launch file's child gets each Ctrl-C twice
        code = command.stop(signal.SIGINT)
    assert code == 0
    assert "error" not in command.text
    assert command.text.count(link[2]) == 1
    assert "Traceback" not in command.text
