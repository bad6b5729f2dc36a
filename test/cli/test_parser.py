"""The command line as it is typed: what is mistyped, negative, or missing."""

from __future__ import annotations

from pathlib import Path

import pytest

from sam3_ros.cli.main import _parser, main


def refusal(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Return the one row that these arguments are refused with."""
    try:
        status = main(arguments)
    except SystemExit as stopped:
        status = int(str(stopped.code))
    assert status == 2
    output = capsys.readouterr()
    assert output.out == ""
    (row,) = output.err.splitlines()
    return row


@pytest.mark.parametrize(
    ("arguments", "meant"),
    [
        (("segmnt", "table.jpg"), "segment"),
        (("bundle", "lst"), "list"),
        (("topic", "ecko", "/scores"), "echo"),
        (("segment", "table.jpg", "--txt", "ball"), "--text"),
        (("segment", "table.jpg", "--negativ-point=1,2"), "--negative-point"),
        (("bench", "--bakend", "cpu"), "--backend"),
        (("completion", "bahs"), "bash"),
        (("bundle", "verify", "tabeltop"), "tabletop"),
        (("segment", "x.jpg", "--text", "ball", "--out", "o", "--backend", "cdua"), "cuda"),
        (("segment", "x.jpg", "--text", "ball", "--out", "o", "--precision", "fp23"), "fp32"),
        (("bundle", "inspect", "tabletop", "--precision", "fp23"), "fp32"),
        (("node", "bundel:=tabletop"), "bundle"),
        (("node", "transport:=comprest"), "compressed"),
        (("replay", "bag", "-p", "bundel:=tabletop"), "bundle"),
        (("replay", "bag", "--param", "max_raet:=5"), "max_rate"),
    ],
)
def test_what_is_mistyped_is_told_with_what_was_meant(
    arguments: tuple[str, ...],
    meant: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert f"did you mean {meant!r}?" in refusal(capsys, *arguments)


def test_a_bundle_beside_the_one_that_was_named_is_told(
    sam3_bundle_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "my_bundle").symlink_to(sam3_bundle_path)

    meant = str(tmp_path / "my_bundle")
    assert f"did you mean {meant!r}?" in refusal(
        capsys, "bundle", "verify", str(tmp_path / "my_bundel")
    )


@pytest.mark.parametrize("arguments", [(), ("bundle",), ("topic",)], ids=" ".join)
def test_a_command_without_its_sub_command_prints_its_help(
    arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(arguments)

    assert stopped.value.code == 2
    output = capsys.readouterr()
    assert output.out.startswith(" ".join(("usage: sam3-ros", *arguments)))
    assert "list" in output.out or "segment" in output.out
    assert output.err == ""


@pytest.mark.parametrize(
    ("arguments", "where"),
    [
        (("--point", "-5,-5"), {"point": [(-5.0, -5.0)]}),
        (("--point", "-.5,3"), {"point": [(-0.5, 3.0)]}),
        (("--point", "-1e1,3"), {"point": [(-10.0, 3.0)]}),
        (("--point=-5,-5",), {"point": [(-5.0, -5.0)]}),
        (
            ("--negative-point", "-5,-5", "--point", "4,4"),
            {"negative_point": [(-5.0, -5.0)], "point": [(4.0, 4.0)]},
        ),
        (("--box", "-5,-5,90,110"), {"box": [(-5.0, -5.0, 90.0, 110.0)]}),
        (("--exemplar", "-5,0,9,9"), {"exemplar": [(-5.0, 0.0, 9.0, 9.0)]}),
    ],
    ids=str,
)
def test_negative_coordinates_are_values(
    arguments: tuple[str, ...], where: dict[str, object]
) -> None:
    options = _parser().parse_args(["segment", "table.jpg", *arguments, "--out", "answers"])

    assert {name: getattr(options, name) for name in where} == where


def test_options_may_stand_between_the_images() -> None:
    words = ["segment", "a.jpg", "--text", "ball", "b.jpg", "--out", "answers", "c.jpg"]

    assert _parser().parse_args(words).images == ["a.jpg", "b.jpg", "c.jpg"]


def test_an_option_that_is_unknown_is_told_before_what_is_missing(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert "no option --ot" in refusal(capsys, "segment", "table.jpg", "--text", "ball", "--ot")
    assert "no option --jsno" in refusal(capsys, "--jsno", "bundle", "list")
    missing = refusal(capsys, "segment", "table.jpg")
    assert "required: --out (see sam3-ros segment --help)" in missing


def test_a_file_that_begins_with_a_minus_follows_two() -> None:
    options = _parser().parse_args(["segment", "--text=ball", "--out=o", "--", "-a.jpg", "b.jpg"])

    assert options.images == ["-a.jpg", "b.jpg"]
    assert options.text == ["ball"]


def test_a_name_that_a_shell_brings_in_is_shown_and_not_obeyed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    told = refusal(capsys, "bundle", "list", "--json", "--odd\x1b[2J")
    assert "\x1b" not in told
    told = refusal(capsys, "bench", "\x1b[31m\u202ea.jpg")
    assert r"\x1b[31m\u202ea.jpg" in told
