"""Commands of the export tier without what they need: one line that says how to get it."""

from __future__ import annotations

import pytest

from sam3_ros.cli import needs
from sam3_ros.cli.main import main


@pytest.mark.parametrize(
    "arguments", [["inspect", "model.pth"], ["slim", "model.pth", "--out", "slim.safetensors"]]
)
def test_without_the_extra_it_says_how_to_get_it(
    arguments: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(needs, "find_spec", lambda name: None if name == "torch" else name)

    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith("sam3-ros: error: this command needs torch, which is not here: ")
    assert needs.HOW_TO_GET_EXPORT in error
    assert error.count("\n") == 1


def test_an_environment_that_transformers_cannot_read_is_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(needs, "find_spec", lambda name: name)
    monkeypatch.setenv("HF_ENDPOINT", "http://[::1")

    assert main(["inspect", "model.pth"]) == 2
    assert capsys.readouterr().err.startswith("sam3-ros: error: HF_ENDPOINT is 'http://[::1': ")


@pytest.mark.parametrize("module", ["rclpy", "sam3_ros.msg", "sam3_ros.srv"])
def test_ask_without_a_part_of_ros_says_how_to_get_it(
    module: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(needs, "find_spec", lambda name: None if name == module else name)

    assert main(["ask", "cube"]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"sam3-ros: error: this command needs {module}, which is not here: ")
    assert error.count("\n") == 1


@pytest.mark.parametrize("command", ["inspect", "slim"])
def test_help_has_examples(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main([command, "--help"])

    assert f"examples:\n  sam3-ros {command} " in capsys.readouterr().out
