"""The table of published models, as `sam3-ros models` shows it and `export --model` reads it."""

from __future__ import annotations

import json

import pytest

from sam3_ros.cli.main import _parser, main
from sam3_ros.core.errors import HubError
from sam3_ros.hub.address import parsed_address
from sam3_ros.hub.published import PUBLISHED, published_model


def test_every_model_is_shown_with_what_a_person_chooses_by(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["models"]) == 0
    lines = capsys.readouterr().out.splitlines()
    for model in PUBLISHED:
        (row,) = (line for line in lines if line.split()[:1] == [model.name])
        assert model.variant in row
        assert f"{model.parameters:.0f} M" in row
        assert row.endswith(model.address.file)
        heading = next(
            line for line in lines if line.startswith(f"hf://{model.address.repository}")
        )
        assert model.licence in heading
        assert model.asked_by in heading
        assert model.gated == ("gated" in heading)


def test_the_json_has_a_command_for_each_that_is_understood(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["models", "--json", "--family", "sam3"]) == 0
    documents = json.loads(capsys.readouterr().out)["models"]

    assert [each["name"] for each in documents] == [m.name for m in PUBLISHED if m.family == "sam3"]
    for each in documents:
        options = _parser().parse_args(each["command"].split()[1:])
        assert published_model(options.model).name == each["name"]
        assert str(parsed_address(each["address"])) == each["address"]
    sam3 = documents[0]
    assert (sam3["gated"], sam3["page"]) == (True, "https://huggingface.co/facebook/sam3")
    assert sam3["export"] == {"seconds": 2100, "memory_bytes": 12_000_000_000, "measured": False}


def test_names_are_of_one_model_each() -> None:
    assert len({model.name for model in PUBLISHED}) == len(PUBLISHED)
    assert len({str(model.address) for model in PUBLISHED}) == len(PUBLISHED)
    assert published_model("SAM3").family == "sam3"


def test_an_unknown_name_is_told_with_one_that_was_meant(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(HubError, match=r"no known model 'mobile-sam'.*did you mean 'mobilesam'"):
        published_model("mobile-sam")
    assert main(["models", "--family", "sam5"]) == 2
    assert "there are sam3, efficientsam3" in capsys.readouterr().err


def test_a_file_with_another_sum_than_the_authors_name_is_refused() -> None:
    model = published_model("sam-vit-b")
    model.require_sum("01ec64" + "0" * 58)
    with pytest.raises(HubError, match=r"has sha256 0000.* name 01ec64: it is another file"):
        model.require_sum("0" * 64)


@pytest.mark.parametrize("command", [["inspect"], ["slim", "--out", "x.safetensors"]])
def test_a_web_address_and_a_wrong_one_are_told_before_anything_is_loaded(
    command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    for text, words in (
        ("https://huggingface.co/a/b/resolve/main/c.pt", "write hf://ORG/REPO/FILE"),
        ("hf://a", "names no repository"),
    ):
        with pytest.raises(SystemExit) as ended:
            main([command[0], text, *command[1:]])
        assert ended.value.code == 2
        assert words in capsys.readouterr().err
