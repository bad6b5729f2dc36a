"""Prompts that stay in use: asked by the node's topics, with the first answer that follows."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from rclpy.qos import QoSProfile

from sam3_ros.asking.answer_choice import AnswerChoice
from sam3_ros.asking.nodes import Asker, AskError
from sam3_ros.asking.question import NodeQuestion
from sam3_ros.asking.reply import AnsweredImage, PromptReply, Reply, found_in
from sam3_ros.msg import ActivePrompt, ActivePrompts, Prompt, Prompts, PromptStatus, SegmentScores
from sam3_ros.ros.prompts.requests import UNHEARD, Source
from sam3_ros.ros.qos import LATCHED

_DEEP = QoSProfile(depth=300)
# Discovery at the other end, which cannot be queried, ends a little after ours.
_MATCHING_SECONDS = 0.5
# Fast DDS repeats what is lost of its discovery after three seconds.
_CONNECT_SECONDS = 5.0
# Until a message is published again of which nothing was said: as for discovery.
_AGAIN_SECONDS = 4.0
# A message brings several statuses, one after the other.
_MORE_STATUSES_SECONDS = 0.15
_SCORES = "/scores"


class StandingQuestions:
    """Asks a node by its topics."""

    def __init__(self, asker: Asker, node: str, patience: float) -> None:
        """node: its full name. patience: s to wait for a status, and for the answer."""
        self._asker, self._node, self._patience = asker, node, patience
        self._statuses: list[PromptStatus] = []
        self._answers = AnswerChoice()
        # For each message of the question, the ids of its prompts.
        self._asked_ids: list[set[str]] = []
        asker.node.create_subscription(
            PromptStatus, f"{node}/prompt/status", self._statuses.append, _DEEP
        )

    def ask(self, question: NodeQuestion, wait_for_answer: bool) -> Reply:
        """Ask, and return what the node said and, if it is waited for, what it found.

        Raises AskError.
        """
        self._require_one_camera(question)
        messages = question.topics()
        publishers = [
            self._publisher(type(message), source.topic(question.camera or None))
            for source, message in messages
        ]
        if wait_for_answer:
            self._listen_to_answers(question.camera)
        self._connect(publishers)
        end = time.monotonic() + _CONNECT_SECONDS
        while True:
            self._asked_ids.clear()
            for publisher, (_, message) in zip(publishers, messages, strict=True):
                self._publish(publisher, message)
            if not wait_for_answer:
                return Reply(self._node, self._asked())
            answer = self._answer() if self._ids_in_use() else None
            # The node may see later than we do that somebody listens.
            if not self._is_unheard() or time.monotonic() > end:
                break
        if answer is None:
            return Reply(self._node, self._asked())
        ids = self._ids_in_use()
        found = found_in([each for each in answer.segments if each.prompt_id in ids])
        return Reply(self._node, self._asked(), AnsweredImage.of(answer.header), found)

    def clear(self) -> Reply:
        """Stop asking anything. Raises AskError."""
        return self._change(Prompts(action=Prompts.REPLACE))

    def remove(self, ids: Sequence[str], camera: str = "") -> Reply:
        """Stop asking the prompts of these ids. Raises AskError."""
        prompts = [Prompt(id=each, camera=camera) for each in ids]
        return self._change(Prompts(action=Prompts.REMOVE, prompts=prompts))

    def in_use(self) -> list[ActivePrompt]:
        """Return the prompts in use. Raises AskError."""
        lists: list[ActivePrompts] = []
        self._asker.node.create_subscription(
            ActivePrompts, f"{self._node}/active_prompts", lists.append, LATCHED
        )
        if not self._asker.wait(self._patience, lambda: bool(lists)):
            raise self._not_configured()
        return list(lists[-1].prompts)

    def _change(self, message: Prompts) -> Reply:
        publisher = self._publisher(Prompts, Source.SET.topic())
        self._connect([publisher])
        # What is removed already cannot be removed again.
        self._publish(publisher, message, is_repeated=message.action != Prompts.REMOVE)
        return Reply(self._node, self._asked())

    def _publisher(self, kind: type[Any], topic: str) -> Any:
        return self._asker.node.create_publisher(kind, topic.replace("~", self._node, 1), _DEEP)

    def _connect(self, publishers: Sequence[Any]) -> None:
        """Wait until the node hears us and we hear it."""
        status = f"{self._node}/prompt/status"

        def is_connected() -> bool:
            heard = all(each.get_subscription_count() for each in publishers)
            return heard and self._asker.node.count_publishers(status) > 0

        if not self._asker.wait(_CONNECT_SECONDS, is_connected):
            deaf = [each.topic_name for each in publishers if not each.get_subscription_count()]
            if deaf and len(deaf) == len(publishers):
                raise AskError(
                    f"{self._node} does not listen to {', '.join(deaf)}: is there such a camera, "
                    "and is the node configured?"
                )
            raise self._not_configured()
        self._asker.wait(_MATCHING_SECONDS)

    def _not_configured(self) -> AskError:
        return AskError(
            f"{self._node} says nothing about its prompts: is it configured? "
            "`sam3-ros topic echo /diagnostics --once` shows its state"
        )

    def _publish(self, publisher: Any, message: Any, is_repeated: bool = True) -> None:
        """Publish, and wait for the statuses of what is in the message. Raises AskError.

        is_repeated: publish again if nothing comes: a busy node may see only now that we listen.
        """
        seen = before = len(self._statuses)
        left = self._patience
        wait = min(left, _AGAIN_SECONDS) if is_repeated else left
        publisher.publish(message)
        while not self._asker.wait(min(wait, left), lambda: len(self._statuses) > before):
            left -= wait
            if left <= 0:
                raise AskError(f"{self._node} has not answered for {self._patience:g} s")
            publisher.publish(message)
        self._answers.question_taken()
        while seen != len(self._statuses):
            seen = len(self._statuses)
            self._asker.wait(_MORE_STATUSES_SECONDS)
        self._asked_ids.append({each.prompt_id for each in self._statuses[before:]})

    def _asked(self) -> tuple[PromptReply, ...]:
        """Return what was said of each prompt so far; a refusal may come with the first image."""
        asked: dict[str, PromptReply] = {}
        for each in map(PromptReply.of, self._statuses):
            earlier = asked.get(each.id)
            asked[each.id] = each if earlier is None else each.after(earlier)
        return tuple(asked.values())

    def _is_unheard(self) -> bool:
        return any(each.reason == UNHEARD for each in self._asked())

    def _ids_in_use(self) -> set[str]:
        return {each.id for each in self._asked() if each.accepted and each.id}

    def _listen_to_answers(self, camera: str) -> None:
        """Subscribe to the scores of the camera, or of all: the node works only for a subscriber.

        The answers of another camera say nothing about a prompt that it is not asked.
        """
        for topic in self._score_topics():
            if not camera or topic == f"{self._node}/{camera}{_SCORES}":
                self._asker.node.create_subscription(SegmentScores, topic, self._on_scores, _DEEP)

    def _score_topics(self) -> list[str]:
        return [
            topic
            for topic, types in self._asker.node.get_topic_names_and_types()
            if topic.startswith(f"{self._node}/")
            and topic.endswith(_SCORES)
            and "sam3_ros/msg/SegmentScores" in types
        ]

    def _require_one_camera(self, question: NodeQuestion) -> None:
        """Raise AskError for a click or a box that may be of several cameras."""
        if question.camera or (question.click is None and question.box is None):
            return
        begin, end = f"{self._node}/", _SCORES
        cameras = sorted(topic[len(begin) : -len(end)] for topic in self._score_topics())
        if len(cameras) > 1:
            raise AskError(
                f"{self._node} has several cameras, and a pixel is of one: --of "
                f"{' or --of '.join(cameras)}"
            )

    def _on_scores(self, scores: SegmentScores) -> None:
        self._answers.note(scores, time.monotonic())

    def _answer(self) -> SegmentScores | None:
        """Return the answer to the question.

        None if all prompts were refused in the meantime. Raises AskError for no answer.
        """

        def asked() -> list[set[str]]:
            in_use = self._ids_in_use()
            return [ids & in_use for ids in self._asked_ids if ids & in_use]

        def is_settled() -> bool:
            return self._answers.settled(asked(), time.monotonic()) is not None

        self._asker.wait(self._patience, lambda: is_settled() or not asked())
        if not self._answers.is_complete(asked()):
            # The refusal of what lies outside the image comes by another topic than its answer.
            self._asker.wait(_MORE_STATUSES_SECONDS, lambda: not asked())
        found = self._answers.settled(asked(), time.monotonic()) or self._answers.best(asked())
        if found is None and asked():
            raise AskError(
                f"the prompt is in use, but no image was answered for {self._patience:g} s: is the "
                "node active, and does its camera run? `sam3-ros topic echo /diagnostics --once`"
            )
        return found
