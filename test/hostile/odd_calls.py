"""Requests to every service that a node of rclpy has, and to ~/segment."""

from __future__ import annotations

import random
from typing import Any

from lifecycle_msgs.srv import GetAvailableStates, GetAvailableTransitions, GetState
from rcl_interfaces.msg import Parameter, ParameterValue
from rcl_interfaces.srv import (
    DescribeParameters,
    GetParameters,
    GetParameterTypes,
    ListParameters,
    SetParameters,
    SetParametersAtomically,
)
from sam3_ros.msg import Prompt
from sam3_ros.srv import Segment
from sensor_msgs.msg import Image

from hostile.odd_images import good_image, odd_image
from hostile.odd_prompts import odd_prompt
from hostile.odd_values import NUMBERS, odd_text
from sam3_ros.ros.parameters.specs import SPECS

KINDS: dict[str, Any] = {
    "set_parameters": SetParameters,
    "set_parameters_atomically": SetParametersAtomically,
    "get_parameters": GetParameters,
    "get_parameter_types": GetParameterTypes,
    "describe_parameters": DescribeParameters,
    "list_parameters": ListParameters,
    "get_state": GetState,
    "get_available_states": GetAvailableStates,
    "get_available_transitions": GetAvailableTransitions,
    "get_transition_graph": GetAvailableTransitions,
    "segment": Segment,
}
_SHARES = (40, 20, 8, 8, 8, 8, 2, 2, 2, 2)
_NAMES = (
    *(spec.name for spec in SPECS),
    *("use_sim_time", "start_type_description_service", "qos_overrides./image.subscription.depth"),
    *("qos_overrides", "bundel", ".", "..", "a.b.c", ".prompts", "prompts.", "/prompts", "~"),
)
# Those that rcl_interfaces has are 0 to 9.
_TYPES = (*range(10), *range(10), *range(10), 10, 11, 77, 127, 128, 254, 255)


def odd_call(chance: random.Random) -> tuple[str, Any]:
    """Return a service's name and a request for it."""
    (name,) = chance.choices(tuple(KINDS)[:-1], _SHARES)
    kind = KINDS[name]
    request = kind.Request()
    if name.startswith("set_parameters"):
        count = chance.choice((0, 1, 1, 1, 1, 2, 5, 2000))
        request.parameters = [_parameter(chance) for _ in range(min(count, 5))]
        if count > 5:
            short = ParameterValue(type=chance.choice(_TYPES), integer_value=1)
            request.parameters = [Parameter(name=_short_name(chance), value=short)] * count
    elif name in ("get_parameters", "get_parameter_types", "describe_parameters"):
        request.names = [_name(chance) for _ in range(chance.choice((0, 1, 1, 2, 5)))]
        if chance.random() < 0.2:
            request.names = [_short_name(chance) for _ in range(5)] * 1000
    elif name == "list_parameters":
        request.prefixes = [_name(chance) for _ in range(chance.choice((0, 1, 2, 10)))]
        request.depth = chance.choice((0, 1, 2, 2**31, 2**63, 2**64 - 1))
    return name, request


def odd_segment(
    chance: random.Random, near_ns: int, cameras: tuple[str, ...]
) -> tuple[str, Segment.Request]:
    """Return a request to ~/segment, by its description."""
    request = Segment.Request()
    kind = chance.randrange(4)
    what, request.image = "the newest image", Image()
    if kind == 0:
        what, request.image = "a sound image", good_image()
    elif kind < 3:
        what, request.image = odd_image(chance, near_ns)
    request.camera = chance.choice(("", *cameras, odd_text(chance)))
    count = chance.choice((0, 1, 1, 1, 2, 3, 300))
    request.prompts = [odd_prompt(chance, cameras) for _ in range(min(count, 3))]
    if chance.random() < 0.5:  # or no image would be looked at
        request.camera, request.prompts = cameras[0], [Prompt(text="red cube")]
    elif count > 3:
        request.prompts = [Prompt(id=f"{number}", text="red cube") for number in range(count)]
    return what, request


def is_refused_without_reason(response: Any) -> bool:
    """Return whether a response says no and does not say why."""
    results = getattr(response, "results", None)
    if results is None and hasattr(response, "result"):
        results = [response.result]
    if results and hasattr(results[0], "successful"):
        return any(not each.successful and not each.reason for each in results)
    return hasattr(response, "warnings") and not response.success and not response.reason


def is_refused(response: Any) -> bool:
    """Return whether a response says no."""
    results = getattr(response, "results", None) or [getattr(response, "result", response)]
    if hasattr(results[0], "successful"):
        return not all(each.successful for each in results)
    return hasattr(response, "success") and not response.success


def _parameter(chance: random.Random) -> Parameter:
    return Parameter(name=_name(chance), value=_value(chance))


def _name(chance: random.Random) -> str:
    return chance.choice(_NAMES) if chance.random() < 0.8 else odd_text(chance)


def _short_name(chance: random.Random) -> str:
    return chance.choice(_NAMES)


def _value(chance: random.Random) -> ParameterValue:
    count = chance.choice((0, 1, 2, 5, 5000))
    return ParameterValue(
        type=chance.choice(_TYPES),
        bool_value=chance.random() < 0.5,
        integer_value=chance.choice((0, 1, -1, 5, 255, 2**31, 2**63 - 1, -(2**63))),
        double_value=chance.choice((*NUMBERS, 0.25, 1.0)),
        string_value=odd_text(chance),
        byte_array_value=[bytes([n % 256]) for n in range(count)],
        bool_array_value=[True] * count,
        integer_array_value=[2**63 - 1] * count,
        double_array_value=[float("nan")] * count,
        string_array_value=[odd_text(chance) for _ in range(min(count, 5))] + ["a"] * count,
    )
