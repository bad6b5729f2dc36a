from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path

import pytest
import rclpy
import yaml
from rcl_interfaces.msg import ParameterType
from rclpy.context import Context
from rclpy.exceptions import InvalidParameterTypeException
from rclpy.node import Node
from rclpy.parameter import Parameter
from ros_domains import own_domain

from sam3_ros.core.tracking.settings import TrackingSettings
from sam3_ros.ros.node.rclpy_internals import declared_parameters, parameter_overrides
from sam3_ros.ros.parameters.configuration import (
    NodeConfiguration,
    configuration,
    declare_parameters,
    known_values,
    read_configuration,
    taken_updates,
    unknown_parameters,
    updated_configuration,
)
from sam3_ros.ros.parameters.specs import DEFAULTS, SPECS, Changes
from sam3_ros.ros.parameters.values import ParameterError, mistyped

CONFIG = Path(__file__).parents[3] / "config" / "segmentation.yaml"


def test_the_file_in_config_is_the_declarations():
    written = yaml.safe_load(CONFIG.read_text())["/**"]["ros__parameters"]
    assert list(written) == [spec.name for spec in SPECS]
    assert configuration(written) == configuration({})


def test_the_file_in_config_has_a_comment_for_every_parameter():
    lines = CONFIG.read_text().splitlines()
    for spec in SPECS:
        line = next(n for n, text in enumerate(lines) if text.startswith(f"    {spec.name}:"))
        comment = lines[line - 1]
        assert comment.startswith("    # "), spec.name
        paragraph = "\n".join(lines[max(0, line - 4) : line])
        if spec.changes is not Changes.ANY_TIME:
            assert {Changes.UNCONFIGURED: "while unconfigured", Changes.AT_START: "at the start"}[
                spec.changes
            ] in paragraph


def test_the_configuration_has_every_parameter_and_the_defaults_are_good():
    assert [field.name for field in fields(NodeConfiguration)] == list(DEFAULTS)
    assert configuration({}).bundle == "tabletop"
    assert configuration({}).prompt_entries().texts == ()


def test_tracking_is_told_what_the_parameters_say():
    given = {"memory_frames": 2, "redetect_every": 7, "max_objects": 3, "keep_apart": False}
    told = configuration({**given, "tracking_least_score": 0.25}).tracking_settings()
    assert told == TrackingSettings(**given, least_score=0.25)


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_descriptors(spec):
    descriptor = spec.descriptor()
    assert descriptor.description == spec.description
    assert descriptor.read_only == (spec.changes is Changes.AT_START)
    ranges = [*descriptor.integer_range, *descriptor.floating_point_range]
    assert len(ranges) == (spec.limits is not None)
    for choice in spec.choices:
        assert choice in descriptor.additional_constraints


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"backend": "gpu"}, r"'backend' is one of cpu, .*, tensorrt_rtx, openvino; got 'gpu'"),
        ({"threads": -1}, r"'threads' lies in 0..256; got -1"),
        ({"threads": True}, r"'threads' expects a whole number, got True \(true or false\)"),
        ({"bit_depth": 7}, r"'bit_depth' is 0 or lies in 8..16; got 7"),
        ({"bit_depth": 17}, r"'bit_depth' lies in 0..16; got 17"),
        ({"score_threshold": float("nan")}, r"'score_threshold' lies in 0..1; got nan"),
        ({"bundle": None}, r"'bundle' expects a text, got nothing"),
        ({"prompts": ["x" * 1001]}, r"'prompts': .* at most 1000 characters, got 1001"),
        ({"prompts": ["{point: [1]}"]}, r"'prompts': entry '{point: \[1\]}', .*, got \['1'\]"),
    ],
)
def test_bad_values_are_refused_with_the_reason(values, reason):
    with pytest.raises(ParameterError, match=reason):
        configuration(values)


def test_texts_are_tidied():
    values = {"prompts": [" red  cube", "", "mug", "red cube"]}
    texts = configuration(values).prompt_entries().texts
    assert [request.prompt.text for request in texts] == ["red cube", "mug"]


@contextmanager
def node_with(params_file: Path) -> Iterator[Node]:
    """Yield a node in a namespace that was started with the file."""
    context = Context()
    arguments = ["--ros-args", "--params-file", str(params_file)]
    with own_domain() as domain:
        rclpy.init(args=arguments, context=context, domain_id=domain)
        node = Node("segmentation_node", namespace="robot", context=context)
        try:
            yield node
        finally:
            node.destroy_node()
            context.try_shutdown()


def test_the_file_in_config_serves_a_node_in_a_namespace(tmp_path):
    mine = tmp_path / "mine.yaml"
    mine.write_text(CONFIG.read_text().replace("threads: 0", "threads: 3"))
    with node_with(mine) as node:
        declare_parameters(node, parameter_overrides(node))
        assert read_configuration(node) == configuration({"threads": 3})


def written(folder: Path, line: str) -> Path:
    path = folder / "params.yaml"
    path.write_text(f"/**:\n  ros__parameters:\n    {line}\n")
    return path


def test_an_empty_list_of_texts_in_a_file_asks_nothing(tmp_path):
    with node_with(written(tmp_path, "prompts: []")) as node:
        declare_parameters(node, parameter_overrides(node))
        assert read_configuration(node).prompt_entries().texts == ()
        assert node.get_parameter("prompts").value == [""]


def test_a_prompt_in_yaml_goes_through_a_file(tmp_path):
    line = """prompts: [red, "{point: [3, 4], id: it}"]"""
    with node_with(written(tmp_path, line)) as node:
        declare_parameters(node, parameter_overrides(node))
        (it,) = read_configuration(node).prompt_entries().others
        assert (it.prompt.id, it.prompt.points) == ("it", ((3.0, 4.0),))


@pytest.mark.parametrize(
    ("line", "name", "value"),
    [
        ("max_rate: 5", "max_rate", 5.0),
        ("score_threshold: 0", "score_threshold", 0.0),
        ("threads: 3.0", "threads", 3),
        ("prompts: red cube", "prompts", ["red cube"]),
        ("prompts: []", "prompts", [""]),
        ("outputs: []", "outputs", [""]),
        ("cameras: front", "cameras", ["front"]),
    ],
)
def test_what_is_clearly_meant_is_taken_from_a_file(tmp_path, line, name, value):
    with node_with(written(tmp_path, line)) as node:
        declare_parameters(node, parameter_overrides(node))
        taken = node.get_parameter(name).value
        assert (taken, type(taken)) == (value, type(value))
        read_configuration(node)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("threads: []", "'threads' expects a whole number, got nothing, or an empty list"),
        ("threads: 2.5", "'threads' expects a whole number, got 2.5 .a number."),
        ("threads: two", "'threads' expects a whole number, got 'two' .a text."),
        ("threads: 1000", "'threads' lies in 0..256; got 1000"),
        ("max_rate: 2000", "'max_rate' lies in 0..1000; got 2000"),
        ("max_rate: true", "'max_rate' expects a number, got True .true or false."),
        ("autostart: 1", "'autostart' expects true or false, got 1 .a whole number.: write true"),
        ('autostart: "true"', "'autostart' expects true or false, got 'true' .a text."),
        ("bundle: 7", "'bundle' expects a text, got 7 .a whole number.: put it into quotes"),
        ("prompts: [1, 2]", r"'prompts' expects a list of texts, got \[1, 2\] .a list of whole"),
        ("prompts: yes", "'prompts' expects a list of texts, got True .true or false."),
        ("click_frames: 2", "no parameter 'click_frames' any more: set click_seconds"),
        ("sticky_clicks: true", "no parameter 'sticky_clicks' any more: set tracking"),
        ("sticky_least_score: 0.5", "'sticky_least_score' any more: set tracking_least_score"),
    ],
)
def test_a_wrong_value_in_a_file_is_refused_by_name(tmp_path, line, reason):
    with node_with(written(tmp_path, line)) as node, pytest.raises(ParameterError, match=reason):
        declare_parameters(node, parameter_overrides(node))


@pytest.mark.parametrize(
    ("update", "value"),
    [
        (Parameter("max_rate", value=5), 5.0),
        (Parameter("threads", value=2.0), 2),
        (Parameter("prompts", value=[]), [""]),  # rclpy makes bytes of it
        (Parameter("prompts", Parameter.Type.BOOL_ARRAY, []), [""]),  # as ros2 param set does
        (Parameter("prompts", Parameter.Type.STRING_ARRAY, []), [""]),
        (Parameter("prompts", Parameter.Type.NOT_SET, None), [""]),
        (Parameter("prompts", value="mug"), ["mug"]),
        (Parameter("use_sim_time", value=True), True),
    ],
    ids=lambda each: str(each)[:40],
)
def test_what_is_clearly_meant_is_taken_from_an_update(tmp_path, update, value):
    with node_with(written(tmp_path, "threads: 1")) as node:
        declare_parameters(node, parameter_overrides(node))
        (taken,) = taken_updates(node, [update])
        assert (taken.value, type(taken.value)) == (value, type(value))
        assert node.set_parameters_atomically([taken]).successful


@pytest.mark.parametrize(
    ("update", "reason"),
    [
        (Parameter("max_rate", value="5"), "'max_rate' expects a number, got '5' .a text."),
        (Parameter("max_rate", value=-1), "'max_rate' lies in 0..1000; got -1"),
        (Parameter("prompts", value=[True]), "'prompts' expects a list of texts, got .True. .a li"),
        (Parameter("max_rat", value=5), "no parameter 'max_rat'; did you mean 'max_rate'"),
        (Parameter("\x1b[31m" + "a" * 200, value=5), r"no parameter '\\x1b\[31ma{75}'"),
        (
            Parameter("max_rate", value="\x1b" * 10**6),
            r"number, got '(\\x1b){99}\\x1\.\.\. \(a text\)",
        ),
        (Parameter("max_rate", value=["a"] * 10**5), r"got \[('a', ){9}'a'\]\.\.\. \(a list of te"),
        (Parameter("click_frames", value=1), "no parameter 'click_frames' any more: set click_s"),
        (Parameter("use_sim_time", value=1), "'use_sim_time' expects true or false, got 1"),
        (Parameter("autostart", value=False), "'autostart' may change only when the node starts"),
        (Parameter("max_rate", Parameter.Type.NOT_SET, None), "expects a number, got nothing"),
    ],
    ids=lambda each: str(each)[:40],
)
def test_a_wrong_update_is_refused_by_name(tmp_path, update, reason):
    with node_with(written(tmp_path, "threads: 1")) as node:
        declare_parameters(node, parameter_overrides(node))
        with pytest.raises(ParameterError, match=reason):
            taken_updates(node, [Parameter("threads", value=2), update])


@pytest.mark.parametrize(
    ("line", "warnings"),
    [
        ("score_treshold: 0.5", ["no parameter 'score_treshold', so it is ignored; did you mean "]),
        ("zzz: [1]", ["no parameter 'zzz', so it is ignored"]),
        ("score_threshold: 0.5", []),
        ("use_sim_time: true", []),
        ("qos_overrides./image.subscription.depth: 5", []),
    ],
)
def test_a_parameter_that_nobody_reads_gives_a_warning(tmp_path, line, warnings):
    with node_with(written(tmp_path, line)) as node:
        declare_parameters(node, parameter_overrides(node))
        found = unknown_parameters(declared_parameters(node), parameter_overrides(node))
        assert len(found) == len(warnings)
        for each, beginning in zip(found, warnings, strict=True):
            assert each.startswith(beginning)


def test_what_rclpy_says_of_its_own_parameters_is_put_in_plain_words():
    error = InvalidParameterTypeException(Parameter("use_sim_time", value=1), "BOOL")
    assert str(mistyped(error)) == (
        "parameter 'use_sim_time' expects true or false, got 1: write true or false, without quotes"
    )
    assert str(mistyped(ValueError("another text"))) == "another text"


def test_an_update_is_taken_whole():
    updated = updated_configuration(
        configuration({}),
        [Parameter("click_seconds", value=3.0), Parameter("prompts", value=["mug"])],
    )
    assert (updated.click_seconds, updated.prompts) == (3, ("mug",))


def test_a_bad_update_is_refused_whole():
    updates = [Parameter("click_seconds", value=3.0), Parameter("mask_encoding", value="png")]
    with pytest.raises(ParameterError, match="mask_encoding"):
        updated_configuration(configuration({}), updates)


def test_what_the_model_was_loaded_with_stays_while_configured():
    with pytest.raises(ParameterError, match="clean up first"):
        updated_configuration(configuration({}), [Parameter("backend", value="cuda")])
    same = updated_configuration(configuration({}), [Parameter("backend", value="cpu")])
    assert same == configuration({})


def test_parameters_of_rclpy_are_not_ours():
    assert known_values([Parameter("use_sim_time", value=True)]) == {}


def test_types_are_those_that_ros_will_see():
    types = {
        spec.name: Parameter(
            spec.name,
            value=list(spec.default) if isinstance(spec.default, tuple) else spec.default,
        )
        .to_parameter_msg()
        .value.type
        for spec in SPECS
    }
    assert types["prompts"] == ParameterType.PARAMETER_STRING_ARRAY
    assert types["score_threshold"] == ParameterType.PARAMETER_DOUBLE
    assert types["autostart"] == ParameterType.PARAMETER_BOOL


def test_of_a_value_of_megabytes_the_beginning_is_shown():
    with pytest.raises(ParameterError, match=r"; got 'a{200}'\.\.\.$"):
        configuration({"image_transport": "a" * 10**6})
