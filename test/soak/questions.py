"""Prompts, calls and parameters that keep changing, each of which must get its answer."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from geometry_msgs.msg import Point, PointStamped
from rcl_interfaces.srv import SetParametersAtomically
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.qos import QoSProfile
from sam3_ros.msg import Box, Prompt, Prompts, PromptStatus
from sam3_ros.srv import Segment
from sensor_msgs.msg import Image, RegionOfInterest
from std_msgs.msg import Header, String

from sam3_ros.ros.stamps import nanoseconds, time_message
from sam3_ros.tabletop_words import COLOUR_NAMES, SHAPE_NAMES
from soak.cameras import SoakCamera
from soak.receiver import NODE

#: Seconds to wait for the last answers.
PATIENCE = 30.0
# A key of a status: who knows it by the id, by its stamp, or by being the next of its camera.
_Key = tuple[str, str, int]
# Each is set to one of these now and then; none keeps the node from answering at full rate.
_PARAMETERS: Mapping[str, Sequence[Any]] = {
    "score_threshold": (0.0, 0.3, 0.6),
    "mask_encoding": ("mono8", "mono16"),
    "click_seconds": (0.5, 1.0, 2.0),
    "tracking": (True, False),
    "redetect_every": (1, 5, 12),
    "max_objects": (2, 64),
    "memory_frames": (1, 6),
    "keep_apart": (True, False),
    "frame_memory": (4, 8, 16),
    "prompts": (["red cube"], ["ball", "{box: [200, 150, 320, 260], id: area}"], [""]),
    "silence_warn_s": (1.0, 2.0),
}


class ChangingQuestions:
    """Asks one thing after another, chosen by a seed; ask() at any pace."""

    def __init__(
        self, node: Node, cameras: Mapping[str, SoakCamera], image: Image, seed: int
    ) -> None:
        """image: what calls of ~/segment bring along."""
        self._cameras, self._image = cameras, image
        self._random = random.Random(seed)
        self._number = 0
        self._pending: dict[_Key, tuple[int, float]] = {}
        self._calls: dict[int, tuple[str, float]] = {}
        #: What was asked, by kind.
        self.asked: Counter[str] = Counter()
        #: Responses, by kind and whether it was a success.
        self.responses: Counter[tuple[str, bool]] = Counter()
        qos = QoSProfile(depth=50)
        self._set = node.create_publisher(Prompts, f"{NODE}/prompts", qos)
        self._text = node.create_publisher(String, f"{NODE}/prompt/text", qos)
        self._point = node.create_publisher(PointStamped, f"{NODE}/prompt/point", qos)
        self._clicks = {
            name: node.create_publisher(Point, f"{NODE}/{name}/prompt/click", qos)
            for name in cameras
        }
        self._boxes = {
            name: node.create_publisher(RegionOfInterest, f"{NODE}/{name}/prompt/box", qos)
            for name in cameras
        }
        # Deeper than by default: on a busy machine this process may be behind by more than ten
        # responses, of which DDS would drop the oldest here.
        deep = QoSProfile(depth=1000)
        self._segment = node.create_client(Segment, f"{NODE}/segment", qos_profile=deep)
        self._parameters = node.create_client(
            SetParametersAtomically, f"{NODE}/set_parameters_atomically", qos_profile=deep
        )
        self._kinds: tuple[Callable[[], None], ...] = (
            *(self._ask_text, self._ask_text, self._ask_point, self._ask_click, self._ask_box),
            *(self._put_set, self._put_set, self._replace_set, self._remove_set),
            *(self._call_with_image, self._call_for_newest, self._set_parameter),
        )

    @property
    def is_heard(self) -> bool:
        publishers = [self._set, self._text, self._point, *self._clicks.values()]
        publishers += self._boxes.values()
        clients = (self._segment, self._parameters)
        return all(each.get_subscription_count() for each in publishers) and all(
            client.service_is_ready() for client in clients
        )

    @property
    def open(self) -> int:
        """How many messages and calls have no answer yet."""
        return len({number for number, _ in self._pending.values()}) + len(self._calls)

    def unanswered(self) -> list[str]:
        """Return what has no answer yet."""
        prompts = {number: key for key, (number, _) in self._pending.items()}
        return [f"prompt {key}" for key in prompts.values()] + [w for w, _ in self._calls.values()]

    def ask(self) -> None:
        """Ask the next thing."""
        self._number += 1
        kind = self._random.choice(self._kinds)
        self.asked[kind.__name__.lstrip("_").replace("_", " ")] += 1
        kind()

    def settle(self, status: PromptStatus) -> None:
        """Note a status: the message that it is of has its answer."""
        frame_id, prompt_id = status.header.frame_id, status.prompt_id
        keys: list[_Key] = [("id", prompt_id, 0), (prompt_id, status.camera, 0)]
        if frame_id:  # of a click that named its image, or of an image that ended a prompt
            keys = [("stamp", frame_id, nanoseconds(status.header.stamp))]
        for key in keys:
            if (found := self._pending.get(key)) is not None:
                self._pending = {k: v for k, v in self._pending.items() if v[0] != found[0]}
                return

    def _expect(self, *keys: _Key) -> None:
        for key in keys:
            self._pending.setdefault(key, (self._number, time.monotonic()))

    def _phrase(self) -> str:
        words = f"{self._random.choice(COLOUR_NAMES)} {self._random.choice(SHAPE_NAMES)}"
        # Mostly texts that were never asked before, so that what is kept of texts keeps changing.
        return self._random.choice((words, f"{words} {self._number}", f"{words} no {self._number}"))

    def _camera(self) -> SoakCamera:
        return self._random.choice(tuple(self._cameras.values()))

    def _place(self, camera: SoakCamera) -> Point:
        width, height = camera.size
        return Point(x=self._random.uniform(0, width), y=self._random.uniform(0, height))

    def _ask_text(self) -> None:
        phrases = list(dict.fromkeys(self._phrase() for _ in range(self._random.randint(1, 3))))
        self._expect(*(("id", phrase, 0) for phrase in phrases))
        self._text.publish(String(data="; ".join(phrases)))

    def _ask_point(self) -> None:
        camera = self._camera()
        stamp_ns = camera.last_stamp_ns
        header = Header(frame_id=camera.frame_id, stamp=time_message(stamp_ns))
        self._expect(("stamp", camera.frame_id, stamp_ns))
        self._point.publish(PointStamped(header=header, point=self._place(camera)))

    def _ask_click(self) -> None:
        camera = self._camera()
        self._expect(("point", camera.name, 0))
        self._clicks[camera.name].publish(self._place(camera))

    def _ask_box(self) -> None:
        camera = self._camera()
        box = self._box(camera)
        self._expect(("box", camera.name, 0))
        self._boxes[camera.name].publish(
            RegionOfInterest(
                x_offset=int(box.x_min),
                y_offset=int(box.y_min),
                width=int(box.x_max - box.x_min) + 1,
                height=int(box.y_max - box.y_min) + 1,
            )
        )

    def _box(self, camera: SoakCamera) -> Box:
        width, height = camera.size
        x, y = self._random.uniform(0, 0.7 * width), self._random.uniform(0, 0.7 * height)
        return Box(x_min=x, y_min=y, x_max=x + width / 4, y_max=y + height / 4)

    def _prompt(self, part: int) -> Prompt:
        """Return a prompt of any kind; its id is unique."""
        camera = self._camera()
        prompt = Prompt(
            id=f"set {self._number}.{part}",
            camera=camera.name,
            # Most end by themselves: each one that is asked takes its time of every frame.
            frames=self._random.randint(1, 40),
            tracking=self._random.random() < 0.5,
        )
        kind = self._random.randrange(5)
        if kind == 0:
            prompt.text = self._phrase()
        elif kind == 1:
            prompt.boxes = [self._box(camera), self._box(camera)]
        elif kind == 2:
            prompt.boxes = [self._box(camera)]
        else:
            prompt.positive_points = [self._place(camera)]
            prompt.negative_points = [self._place(camera)] if kind == 3 else []
        return prompt

    def _send_set(self, action: int, prompts: list[Prompt]) -> None:
        self._expect(*(("id", prompt.id, 0) for prompt in prompts))
        self._set.publish(Prompts(action=action, prompts=prompts))

    def _put_set(self) -> None:
        self._send_set(Prompts.PUT, [self._prompt(n) for n in range(self._random.randint(1, 2))])

    def _replace_set(self) -> None:
        self._send_set(Prompts.REPLACE, [self._prompt(n) for n in range(2)])

    def _remove_set(self) -> None:
        self._send_set(Prompts.REMOVE, [Prompt(id=f"set {self._number}.0")])

    def _call_with_image(self) -> None:
        self._call(
            "segment",
            self._segment,
            Segment.Request(image=self._image, prompts=[Prompt(text=self._phrase())]),
        )

    def _call_for_newest(self) -> None:
        camera = self._camera()
        self._call(
            "segment",
            self._segment,
            Segment.Request(
                camera=camera.name, prompts=[Prompt(positive_points=[self._place(camera)])]
            ),
        )

    def _set_parameter(self) -> None:
        name = self._random.choice(tuple(_PARAMETERS))
        value = self._random.choice(_PARAMETERS[name])
        message = Parameter(name, value=value).to_parameter_msg()
        request = SetParametersAtomically.Request(parameters=[message])
        self._call(f"parameter {name}", self._parameters, request)

    def _call(self, what: str, client: Any, request: Any) -> None:
        number = self._number
        self._calls[number] = what, time.monotonic()

        def answered(future: Any) -> None:
            del self._calls[number]
            response = future.result()
            success = response.success if what == "segment" else response.result.successful
            self.responses[what.split()[0], success] += 1

        client.call_async(request).add_done_callback(answered)
