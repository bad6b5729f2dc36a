"""What rcl leaves out without a word; which patterns it takes was tried with rclpy 9.1.2."""

from __future__ import annotations

import pytest

from sam3_ros.ros.parameters.params_files import left_out


def warnings(tmp_path, text: str, node: str = "/segmentation_node") -> list[str]:
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    return left_out(["program", "--ros-args", "--params-file", str(path)], node)


@pytest.mark.parametrize(
    ("pattern", "node"),
    [
        ("/**", "/n"),
        ("/**", "/robot/n"),
        ("/*", "/n"),
        ("/**/n", "/n"),
        ("/**/n", "/a/b/n"),
        ("n", "/n"),
        ("/n", "/n"),
        ("robot/n", "/robot/n"),
        ("/robot/*", "/robot/n"),
        ("/robot/**", "/robot/n"),
        ("/*/n", "/robot/n"),
        ("/a/**/n", "/a/b/n"),
    ],
)
def test_a_file_for_this_node_is_no_warning(tmp_path, pattern, node):
    text = f"another:\n  ros__parameters: {{x: 1}}\n{pattern}:\n  ros__parameters: {{x: 1}}\n"
    assert warnings(tmp_path, text, node) == []


def test_nested_keys_are_one_name(tmp_path):
    text = "robot:\n  n:\n    ros__parameters: {x: 1}\n"
    assert warnings(tmp_path, text, "/robot/n") == []


@pytest.mark.parametrize(
    ("pattern", "node"),
    [
        ("segmenter", "/segmentation_node"),
        ("segmentation_node", "/robot/segmentation_node"),
        ("/robot/segmentation_node", "/segmentation_node"),
        ("Segmentation_node", "/segmentation_node"),
        ("/*", "/robot/n"),
        ("/*/n", "/n"),
        ("/**/b/n", "/a/n"),
    ],
)
def test_a_file_for_other_nodes_is_told(tmp_path, pattern, node):
    (warning,) = warnings(tmp_path, f"{pattern}:\n  ros__parameters: {{x: 1}}\n", node)
    assert f"they are for '{pattern}', and this node is '{node}'" in warning
    assert "mine.yaml are ignored" in warning


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "mine.yaml"),
        ("other: {x: 1}\n", "has no parameters"),
        ("/**:\n  ros__parameters: {x: 1, x: 2}\n", "twice"),
    ],
)
def test_a_file_without_parameters_or_with_one_twice_is_told(tmp_path, text, said):
    (warning,) = warnings(tmp_path, text)
    assert said in warning


def test_an_assignment_for_another_node_is_told():
    arguments = ["x", "-p", "no:a:=1", "--ros-args", "-p", "seg:a:=1", "-p", "n:a:=1", "-p", "b:=c"]
    (warning,) = left_out(arguments, "/n")
    assert "-p seg:a:=1 is ignored: it is for 'seg', and this node is '/n'" in warning
