"""README.md and docs/ say what the code does: tables, links, commands and examples are held to it.

A table that fails prints the rows it should have; paste them.
"""

from __future__ import annotations

import contextlib
import io
import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from launch_stand_ins import LaunchFile
from listed_topics import (
    INTERFACE,
    NodeTopics,
    listed_topics,
    rows_after,
    settled_topics,
)
from node_under_test import running_node

from sam3_ros.cli import main as cli
from sam3_ros.core.bundle.bundle import embedded_bundles
from sam3_ros.core.bundle.manifest_yaml import parse_manifest
from sam3_ros.core.stages.tensor_names import RANKS
from sam3_ros.ros.answers.vision_msgs import find_vision_messages
from sam3_ros.ros.frames.ledger import DropReason
from sam3_ros.ros.parameters.specs import SPECS, ParameterSpec

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = sorted(
    [
        *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")),
        *(ROOT / "docs").rglob("*.md"),
    ]
)


def text_of(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def code_blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page, re.MULTILINE | re.DOTALL)


def commands_named(program: str) -> list[list[str]]:
    """Return the arguments of each use of a program in the README's shell blocks."""
    lines = "\n".join(code_blocks(README, "sh")).splitlines()
    words = [shlex.split(line, comments=True) for line in lines]
    return [arguments[1:] for arguments in words if arguments[:1] == [program]]


def parameter_row(spec: ParameterSpec) -> str:
    default = spec.default
    if isinstance(default, tuple):
        shown = json.dumps(list(default))
    else:
        shown = json.dumps(default) if isinstance(default, bool) else str(default)
    allowed = ", ".join(f"`{choice}`" for choice in spec.choices)
    if spec.limits is not None:
        allowed = "{:,.15g} to {:,.15g}".format(*spec.limits)
    return f"| `{spec.name}` | `{shown}` | {allowed} | {spec.changes.value} | {spec.description} |"


def test_the_parameter_table_is_the_declarations() -> None:
    expected = [parameter_row(spec) for spec in SPECS]

    assert rows_after("parameters") == expected, "expected\n" + "\n".join(expected)


def published_here() -> frozenset[tuple[str, str]]:
    """Return the listed topics out without those whose messages are not installed."""
    # test/ros/test_vision_msgs.py builds them.
    vision = find_vision_messages()
    absent = {
        ("~/label_info", "vision_msgs/msg/LabelInfo"): vision.label_info is None,
        ("~/detections", "vision_msgs/msg/Detection2DArray"): vision.detections is None,
    }
    listed = listed_topics("topics out")
    assert set(absent) <= listed
    return frozenset(topic for topic in listed if not absent.get(topic))


def topics_with(transport: str) -> NodeTopics:
    """Return the topics that a node has by the page; of the images only those it takes."""
    images = {
        "raw": ("/image", "sensor_msgs/msg/Image"),
        "compressed": ("/image/compressed", "sensor_msgs/msg/CompressedImage"),
    }
    return NodeTopics(
        frozenset(listed_topics("topics in") - {*images.values()} | {images[transport]}),
        published_here(),
        frozenset(listed_topics("services")),
    )


@pytest.fixture(scope="module")
def node_topics(tmp_path_factory: pytest.TempPathFactory, sam3_bundle_path: Path) -> NodeTopics:
    """Return the topics of the running node, of both image transports together."""
    seen: list[NodeTopics] = []
    for transport in ("raw", "compressed"):
        folder = tmp_path_factory.mktemp(transport)
        parameters = {"bundle": sam3_bundle_path, "image_transport": transport}
        with running_node(folder, **parameters) as (_, client):
            client.connected()
            client.diagnosed(lambda values, _: values["state"] == "active")
            seen.append(settled_topics(client.node, topics_with(transport).__eq__))
    return NodeTopics(
        frozenset().union(*(each.subscribed for each in seen)),
        frozenset().union(*(each.published for each in seen)),
        frozenset().union(*(each.services for each in seen)),
    )


def test_the_topics_in_are_those_of_the_running_node(node_topics: NodeTopics) -> None:
    assert listed_topics("topics in") == node_topics.subscribed


def test_the_topics_out_are_those_of_the_running_node(node_topics: NodeTopics) -> None:
    assert published_here() == node_topics.published


def test_the_services_are_those_of_the_running_node(node_topics: NodeTopics) -> None:
    assert listed_topics("services") == node_topics.services


@pytest.mark.parametrize("kind", ["msg", "srv"])
def test_every_message_and_service_is_listed(kind: str) -> None:
    listed = set(re.findall(rf"\]\(\.\./{kind}/(\w+)\.{kind}\)", INTERFACE))

    assert listed == {path.stem for path in (ROOT / kind).glob(f"*.{kind}")}


def links() -> Iterator[tuple[Path, str]]:
    for page in PAGES:
        text = re.sub(r"^```.*?^```", "", page.read_text("utf-8"), flags=re.M | re.S)
        for target in re.findall(r"\]\(([^)\s]+)\)", text):
            if not target.startswith(("http://", "https://", "mailto:")):
                yield page, target


@pytest.mark.parametrize(
    ("page", "target"),
    [pytest.param(page, target, id=f"{page.name}-{target}") for page, target in links()],
)
def test_every_relative_link_leads_somewhere(page: Path, target: str) -> None:
    name, _, anchor = target.partition("#")
    linked = (page.parent / name).resolve() if name else page

    assert linked.exists()
    if anchor:
        headings = re.findall(r"^#+ (.+)$", linked.read_text(encoding="utf-8"), re.MULTILINE)
        assert anchor in [re.sub(r"[^\w -]", "", h.lower()).replace(" ", "-") for h in headings]


def test_every_make_target_that_is_named_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", text_of("Makefile"), re.MULTILINE))
    pages = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
    named = set(re.findall(r"(?:`|^\s*)make ([a-z-]+)", pages, re.MULTILINE))

    assert {"demo", "test", "check", "tabletop"} <= named
    assert named <= targets


@pytest.mark.parametrize("arguments", commands_named("sam3-ros"), ids=" ".join)
def test_every_command_of_the_readme_is_understood(arguments: list[str]) -> None:
    # The command line is parsed and not run; argparse ends the process where it does not fit.
    assert callable(cli._parser().parse_args(arguments).run)


def test_every_sub_command_is_in_the_readme() -> None:
    shown = {arguments[0] for arguments in commands_named("sam3-ros")}

    assert shown == set(cli.COMMANDS)


def launches(page: Path) -> list[list[str]]:
    """Return the arguments of each `ros2 launch sam3_ros` in the page's shell blocks."""
    blocks = "\n".join(code_blocks(page.read_text(encoding="utf-8"), "sh")).replace("\\\n", " ")
    lines = [line for line in blocks.splitlines() if line.startswith("ros2 launch sam3_ros ")]
    return [shlex.split(line, comments=True)[3:] for line in lines]


def test_the_launch_arguments_that_are_shown_are_declared(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = [found for page in PAGES for found in launches(page)]

    assert shown
    for file, *given in shown:
        names = {word.split(":=")[0] for word in given if ":=" in word}
        assert names <= set(LaunchFile(file, monkeypatch).arguments), file


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_sub_commands_that_are_named_in_passing_exist(page: Path) -> None:
    named = re.findall(r"`(?:\.venv/bin/)?sam3-ros ([a-z]+)", page.read_text(encoding="utf-8"))

    assert set(named) <= set(cli.COMMANDS)


@pytest.fixture
def at_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


def run_example(number: int, names: dict[str, Any]) -> str:
    """Run a Python block of the README; return what it printed."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(code_blocks(README, "python")[number], "README.md", "exec"), names)
    return printed.getvalue()


@pytest.mark.usefixtures("at_root")
def test_the_library_example_finds_the_red_cube_in_five_lines() -> None:
    printed = run_example(0, {})

    assert len(code_blocks(README, "python")[0].splitlines()) == 5
    assert len(printed.splitlines()) == 1, "there is one red cube on this table"
    assert printed.startswith("red cube ")
    assert printed.endswith("(480, 640)\n")


@pytest.mark.usefixtures("at_root")
def test_the_second_library_example_goes_on_from_the_first() -> None:
    names: dict[str, Any] = {}
    run_example(0, names)
    run_example(1, names)
    names["segmenter"].close()

    assert [ball.label for ball in names["balls"]] == ["ball", "ball"]
    assert [segment.label for segment in names["this"]] == ["point"]
    assert [segment.label for segment in names["that"]] == ["box"]
    assert "visual" in [segment.label for segment in names["alike"]]


@pytest.mark.usefixtures("at_root")
def test_the_third_library_example_tells_the_ids_of_what_is_tracked() -> None:
    names: dict[str, Any] = {}
    run_example(0, names)
    run_example(1, names)
    table = names["cv2"].imread("sam3_ros/demo_data/table.jpg")[..., ::-1]
    printed = run_example(2, names | {"images": [table, table]}).splitlines()
    names["segmenter"].close()

    assert {line.split(" Box")[0] for line in printed} == {
        "1 tentative red cube",
        "2 tentative ball",
        "3 tentative ball",
    }
    assert len(printed) == 6


@pytest.mark.usefixtures("at_root")
def test_the_segment_command_of_the_readme_answers_all_it_asks(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (arguments,) = (found for found in commands_named("sam3-ros") if found[0] == "segment")
    arguments[arguments.index("--out") + 1] = str(tmp_path)

    assert cli.main([*arguments, "--json"]) == 0
    (answer,) = json.loads(capsys.readouterr().out)["images"]
    assert {s["prompt_id"] for s in answer["segments"]} == {"red cube", "point", "box"}


def test_the_embedded_bundle_that_the_readme_names_is_there() -> None:
    assert "`tabletop`" in README
    assert "tabletop" in embedded_bundles()


@pytest.mark.parametrize("number", range(len(code_blocks(text_of("docs/bundles.md"), "yaml"))))
def test_the_manifests_of_the_docs_are_sound(number: int) -> None:
    text = code_blocks(text_of("docs/bundles.md"), "yaml")[number]
    manifest = parse_manifest(text.replace("SHA256", f"'{'0' * 64}'"))

    assert manifest.capabilities


def test_the_docs_list_the_canonical_tensor_names() -> None:
    section = text_of("docs/bundles.md").split("## Canonical tensor names", 1)[1]
    listed = re.findall(r"^\| `(\w+)` \|", section.split("\n## ", 1)[0], re.MULTILINE)

    assert sorted(listed) == sorted(RANKS)


def test_the_docs_list_every_reason_to_drop_a_frame() -> None:
    section = text_of("docs/architecture.md").split("## Where a frame can be dropped", 1)[1]
    listed = re.findall(r"^\| `([\w ]+)` \|", section.split("\n## ", 1)[0], re.MULTILINE)

    assert listed == [reason.value for reason in DropReason]


def test_modules_that_the_docs_name_exist() -> None:
    pages = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
    ours = "bench|cli|config|core|export|launch|replay|ros|test|topics|training"
    named = set(re.findall(rf"`((?:{ours})/[\w./]+)`", pages))

    missing = [
        name
        for name in named
        if not any(
            (base / f"{name}{suffix}").exists()
            for base in (ROOT, ROOT / "sam3_ros")
            for suffix in ("", ".py")
        )
    ]
    assert sorted(missing) == []
