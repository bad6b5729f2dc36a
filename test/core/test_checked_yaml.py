"""Documents that fit their schema are read; all others are refused with place and reason."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from sam3_ros.core.checked_yaml import (
    MAX_CHARACTERS,
    DocumentKind,
    dump_document,
    parse_document,
    read_document,
)
from sam3_ros.core.errors import PromptError
from sam3_ros.core.strict_yaml import MAX_DEPTH, MAX_VALUES

SCHEMA = {
    "type": "array",
    "items": {
        "type": "object",
        "description": "{at: 2.5, text: red cube} or {at: 3, point: [x, y]}",
        "required": ["at"],
        "additionalProperties": False,
        "properties": {
            "at": {"type": "number", "minimum": 0},
            "text": {"type": ["string", "null"]},
            "point": {
                "type": "array",
                "items": {"type": "number"},
                "minItems": 2,
                "maxItems": 2,
                "description": "[x, y] in pixels",
            },
            "on": {"enum": ["image", "newest"]},
        },
        "oneOf": [{"required": ["text"]}, {"required": ["point"]}],
    },
}


@pytest.fixture
def kind(tmp_path: Path) -> DocumentKind:
    schema = tmp_path / "schema.json"
    schema.write_text(json.dumps(SCHEMA))
    return DocumentKind("the prompts", schema, PromptError)


def refused(text: str, kind: DocumentKind) -> str:
    with pytest.raises(PromptError) as caught:
        parse_document(text, kind, "a.yaml")
    return str(caught.value)


def test_a_sound_document_is_plain_data_with_its_keys_as_written(kind: DocumentKind) -> None:
    document = parse_document("- {at: 0, text: red}\n- {at: 1.5, point: [1, 2], on: image}", kind)
    assert document.value == [{"at": 0, "text": "red"}, {"at": 1.5, "point": [1, 2], "on": "image"}]
    assert parse_document(dump_document({"a": [1, None]}), any_kind(kind)).value == {"a": [1, None]}


def any_kind(kind: DocumentKind, only_strings: bool = False) -> DocumentKind:
    schema = kind.schema.with_name("any.json")
    schema.write_text("{}")
    return DocumentKind("anything", schema, PromptError, only_strings=only_strings)


def test_values_stay_strings_where_that_is_asked_for(kind: DocumentKind) -> None:
    strings = any_kind(kind, only_strings=True)
    assert parse_document("{text: yes, id: 007, on: [1]}", strings).value == {
        "text": "yes",
        "id": "007",
        "on": ["1"],
    }


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: 1", "a.yaml, line 1, top level: expected a list, got {'a': 1}"),
        ("- {at: 0, text: a}\n- {text: b}", "line 2, entry 2: expected the key 'at', got text"),
        ("- {at: -1, text: a}", "line 1, entry 1/at: expected 0 or more, got -1"),
        ("- {at: .nan, text: a}", "1/at: expected a finite number, got nan"),
        ("- {at: 1" + "0" * 400 + ", text: a}", "1/at: expected a finite number, got 1000"),
        ("- {at: .inf, text: a}", "1/at: expected a finite number, got inf"),
        ("- {at: 0, text: [b]}", "1/text: expected a text or null, got ['b']"),
        ("- at: 0\n  point: [1]", "line 2, entry 1/point: expected [x, y] in pixels, got [1]"),
        ("- {at: 0, text: a, on: 1}", "1/on: expected one of image, newest; got 1"),
        ("- {at: 0, text: a, x: 1}", "expected the keys at, text, point, on; got the key 'x'"),
        ("- {at: 0}", "line 1, entry 1: expected {at: 2.5, text: red cube} or {at: 3, point:"),
        ("- {at: 0, at: 1, text: a}", "a.yaml, line 1: has the key 'at' twice"),
        ("- &a {at: 0, text: a}\n- *a", "a.yaml, line 2: uses YAML aliases"),
        ("- {<<: {at: 0}, text: a}", "line 1, entry 1: expected the key"),
        ("[1", "a.yaml is not plain YAML"),
        ("- !!python/name:os.system", "a.yaml is not plain YAML"),
        (
            "- {at: !!bool x}",
            "a.yaml is not plain YAML: line 1 uses the YAML tag 'tag:yaml.org,2002:bool'",
        ),
        ("", "a.yaml, line 1, top level: expected a list, got None"),
        ("#" * (MAX_CHARACTERS + 1), f"expected at most {MAX_CHARACTERS} characters"),
    ],
)
def test_what_does_not_fit_is_told_with_place_and_reason(
    kind: DocumentKind, text: str, expected: str
) -> None:
    assert expected in refused(text, kind)


def test_a_reader_tells_its_own_faults_by_their_place(kind: DocumentKind) -> None:
    document = parse_document("- at: 0\n  text: a\n- at: 0\n  text: b", kind, "a.yaml")
    error = document.error((1, "at"), "expected more than 0")
    assert isinstance(error, PromptError)
    assert str(error) == "a.yaml, line 3, entry 2/at: expected more than 0"
    assert "line 3, entry 2/lost: gone" in str(document.error((1, "lost"), "gone"))
    nameless = parse_document("[]", kind)
    assert str(nameless.error((), "empty")) == "the prompts, line 1, top level: empty"


def test_a_file_is_named_in_its_errors(kind: DocumentKind, tmp_path: Path) -> None:
    file = tmp_path / "prompts.yaml"
    with pytest.raises(PromptError, match=r"the prompts .*prompts.yaml cannot be read: No such"):
        read_document(file, kind)
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(PromptError, match=r"prompts.yaml cannot be read: .*utf-8"):
        read_document(file, kind)
    file.write_text("- {at: 0}")
    with pytest.raises(PromptError, match=r"prompts.yaml, line 1, entry 1: expected"):
        read_document(file, kind)
    file.write_text("- {at: 0, text: a}")
    assert read_document(file, kind).value == [{"at": 0, "text": "a"}]


@pytest.mark.parametrize("character", ["\x07", "\x00"])
def test_a_character_that_yaml_does_not_allow_is_refused(
    kind: DocumentKind, character: str
) -> None:
    with pytest.raises(kind.error, match="is not plain YAML"):
        parse_document(f'- {{at: 0, text: "a{character}"}}', kind, "a.yaml")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("- " * 100, f"at most {MAX_DEPTH} levels"),
        ("[" * 100, f"at most {MAX_DEPTH} levels"),
        ("[" * 100_000, "line 1"),  # by libyaml's own limit, where it has one
        ("- 1\n" * (MAX_VALUES + 1), f"at most {MAX_VALUES} values"),
        ("- {at: " + "9" * 5000 + "}", "digits"),
        ("- {at: " + "9" * 1000 + ", text: a}", "a finite number"),
        ("- {at: 0x10, text: a}", "a finite number, got '0x10'"),
        ("- {at: 1:30, text: a}", "a finite number, got '1:30'"),
        ("- {at: 0, text: 2026-01-01, on: " + "x" * 100_000 + "}", "expected one of image"),
        ('- {at: 0, "\\e[2J": 1}', r"\x1b[2J"),
    ],
)
def test_what_a_stranger_might_write_is_refused_in_few_words(
    kind: DocumentKind, text: str, expected: str
) -> None:
    said = refused(text, kind)
    assert expected in said
    assert len(said) < 1000 and said.isprintable()


def test_a_file_that_would_never_end_is_refused(kind: DocumentKind, tmp_path: Path) -> None:
    fifo = tmp_path / "a.yaml"
    os.mkfifo(fifo)
    for file in (fifo, Path("/dev/zero")):
        with pytest.raises(PromptError, match="not a regular file"):
            read_document(file, kind)


def test_the_mark_of_utf_8_is_no_part_of_a_text(kind: DocumentKind, tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_bytes(b"\xef\xbb\xbf- {at: 0, text: a}")
    assert read_document(file, kind).value == [{"at": 0, "text": "a"}]
