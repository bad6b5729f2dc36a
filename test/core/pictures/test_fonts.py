"""Which font writes what: the package's own, the system's, or an escape."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from sam3_ros.core.pictures import fonts
from sam3_ros.core.pictures.fonts import OWN_FONT, Font, runs_of


@pytest.fixture
def no_other_fonts(monkeypatch):
    """A machine without fonts and without fontconfig."""

    def absent(*_: object, **__: object) -> None:
        raise FileNotFoundError("fc-match")

    monkeypatch.setattr(subprocess, "run", absent)
    monkeypatch.setattr(fonts, "_COMMON_FONTS", ())
    fonts._system_font.cache_clear()
    yield
    fonts._system_font.cache_clear()


def written(text: str) -> str:
    return "".join(run.text for run in runs_of(text))


@pytest.mark.parametrize(
    "text",
    [
        "red cube .87",
        "Würfel",
        "żółty łoś",
        "İğne",
        "красный куб",
        "Їжак",
        "κύβος",
        "hộp đỏ",
        "“naïve” 5 €",
    ],
)
@pytest.mark.usefixtures("no_other_fonts")
def test_latin_greek_and_cyrillic_need_no_font_of_the_system(text: str) -> None:
    (run,) = runs_of(text)
    assert (run.text, run.font) == (text, OWN_FONT)


@pytest.mark.usefixtures("no_other_fonts")
def test_what_no_font_has_is_written_as_an_escape() -> None:
    assert written("red 立方体") == r"red \u7acb\u65b9\u4f53"
    assert written("cup \U0001f375") == r"cup \U0001f375"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("  a\n\tb  ", "a b"),
        ("a\x07b", r"a\x07b"),
        ("a\u202eb", r"a\u202eb"),
        ("a\ud800b", r"a\ud800b"),
        ("u\u0308", "ü"),
        ("", ""),
    ],
)
def test_what_cannot_be_seen_is_shown_and_spaces_are_single(text: str, expected: str) -> None:
    assert written(text) == expected


@pytest.fixture
def another_font(monkeypatch, tmp_path):
    """A system whose only font, a copy of ours, is taken to have one more character."""
    copy = tmp_path / "another.ttf"
    copy.write_bytes(Path(OWN_FONT.path).read_bytes())
    font = Font(str(copy))

    def match(*_: object, **__: object) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess([], 0, f"0 {copy}")

    has = fonts._has
    monkeypatch.setattr(subprocess, "run", match)
    monkeypatch.setattr(fonts, "_has", lambda f, c: c in "立 " if f == font else has(f, c))
    fonts._system_font.cache_clear()
    yield font
    fonts._system_font.cache_clear()


def test_words_of_another_script_stay_together(another_font: Font) -> None:
    runs = runs_of("立 立 red")
    assert [(run.text, run.font) for run in runs] == [("立 立 ", another_font), ("red", OWN_FONT)]


def test_other_scripts_are_written_in_a_font_of_the_system(another_font: Font) -> None:
    runs = runs_of("red 立方")
    assert [(run.text, run.font) for run in runs] == [
        ("red ", OWN_FONT),
        ("立", another_font),
        (r"\u65b9", OWN_FONT),
    ]


@pytest.mark.parametrize("answer", ["", "0 /no/such/font.ttf", "x y"])
def test_an_answer_of_fontconfig_that_is_no_font_is_no_error(monkeypatch, answer: str) -> None:
    match = subprocess.CompletedProcess([], 0, answer)
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: match)
    monkeypatch.setattr(fonts, "_COMMON_FONTS", ())
    fonts._system_font.cache_clear()
    assert written("立") == r"\u7acb"
    fonts._system_font.cache_clear()
