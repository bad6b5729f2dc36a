"""keep_prompts: what is asked is written down, and asked again after a restart.

Not kept: what ends by itself, such as a click that lasts a second, and what the parameter `prompts`
asked at the start, which asks it at the next one too. A click or box that is tracked is written
down only so that a word can be said on it: nobody saw where its object went.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from rclpy.clock import Clock, ClockType
from rclpy.node import Node

from sam3_ros.core.errors import PromptError
from sam3_ros.core.visible_text import visible
from sam3_ros.msg import Prompts
from sam3_ros.ros.prompts.active import ActivePrompt, ActivePrompts, Snapshot
from sam3_ros.ros.prompts.inbox import PromptInbox
from sam3_ros.ros.prompts.kept_file import KeptFile, KeptFileError, KeptPrompt, kept_path
from sam3_ros.ros.prompts.messages import requests_from_set
from sam3_ros.ros.prompts.requests import PromptRefusedError, PromptRequest, shortened
from sam3_ros.ros.prompts.rules import PromptRules

_WAS_FOLLOWED = "no longer tracked: the node was started anew in between: click again"
# A disk that was full is tried again.
_SECONDS_BETWEEN_TRIES = 10.0
# A burst of prompts is not a burst of files.
_SECONDS_BETWEEN_WRITES = 0.2
# The process has two seconds to end.
_SECONDS_TO_END = 0.5
_SECONDS_BETWEEN_LOOKS = 0.1
_SECONDS_FOR_A_LISTENER = 10.0


@dataclass(frozen=True)
class Keeping:
    """Whether prompts are kept."""

    #: Where, and how many; empty if they are not to be kept.
    where: str = ""
    #: Why they are not, although they are to be; empty if they are.
    failure: str = ""

    def value(self) -> str:
        """Return it for /diagnostics."""
        return f"not kept: {self.failure}" if self.failure else self.where or "off"


class PromptKeeping:
    """Asks what was kept, then keeps what is asked, in a thread of its own.

    A disk may take a second for a file, and neither images nor prompts wait for it.
    """

    def __init__(
        self,
        node: Node,
        prompts: ActivePrompts,
        rules: PromptRules,
        inbox: PromptInbox,
        at_start: Snapshot,
    ) -> None:
        """Read the file and ask what is in it. at_start: what the parameter asked."""
        self._node, self._prompts, self._rules, self._inbox = node, prompts, rules, inbox
        self._name = node.get_fully_qualified_name()
        self._at_start = frozenset(at_start)
        self._file: KeptFile | None = None
        self._written: tuple[object, ...] | None = None
        self.state = Keeping()
        #: What became of the kept prompts, to be published once somebody listens.
        self._reports: list[Callable[[], None]] = []
        try:
            self._file = KeptFile(kept_path(os.environ, self._name, node.context.get_domain_id()))
        except KeptFileError as error:
            self._fail(str(error))
            return
        self._ask_again(self._file)
        self._has_changed, self._ends = threading.Event(), threading.Event()
        self._has_changed.set()
        self._thread = threading.Thread(target=self._keep, name="keep_prompts", daemon=True)
        prompts.on_change(self._has_changed.set)
        self._thread.start()
        self._listens_until = time.monotonic() + _SECONDS_FOR_A_LISTENER
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self._timer = node.create_timer(_SECONDS_BETWEEN_LOOKS, self._publish_reports, clock=steady)

    def destroy(self) -> None:
        """Keep what is asked now, and nothing that comes later."""
        if self._file is None:
            return
        self._node.destroy_timer(self._timer)
        self._ends.set()
        self._has_changed.set()
        self._thread.join(_SECONDS_TO_END)

    def _ask_again(self, file: KeptFile) -> None:
        logger = self._node.get_logger()
        file.remove_unfinished()
        try:
            kept = file.read()
        except KeptFileError as error:
            logger.warning(f"the kept prompts in {file.path} are not asked again: {error}")
            return
        asked: list[str] = []
        for each in kept:
            request: PromptRequest | None = None
            try:
                (request,) = requests_from_set(Prompts(prompts=[each.message]), self._rules.cameras)
                name = shortened(request.prompt.id)
                if self._is_asked(request):  # by the parameter
                    continue
                if request.tracking and request.has_position:
                    raise PromptRefusedError(request.prompt.id, _WAS_FOLLOWED)
                (active,), _ = self._prompts.put(self._rules.accepted([request]), each.source)
                asked.append(repr(visible(name)))
                self._reports.append(partial(self._confirm, active))
            except PromptError as error:
                refused = each.message.id or each.message.text
                logger.warning(f"not asked again: {visible(str(error))}")
                self._reports.append(
                    partial(self._inbox.status.refuse_now, refused, str(error), each.message.camera)
                )
        if asked:
            logger.info(f"asked again, as kept in {file.path}: {', '.join(asked)}")

    def _is_asked(self, request: PromptRequest) -> bool:
        key = request.camera, request.prompt.id
        return any(active.key == key for active in self._prompts.all())

    def _confirm(self, active: ActivePrompt) -> None:
        if active in self._prompts.all():  # and nobody has removed it since
            self._inbox.confirm(active)

    def _publish_reports(self) -> None:
        """Publish what became of the kept prompts once somebody listens, who comes later."""
        if not self._inbox.status.is_heard and time.monotonic() < self._listens_until:
            return
        self._timer.cancel()
        for report in self._reports:
            report()
        self._reports.clear()

    def _keep(self) -> None:
        while not self._ends.is_set():
            self._has_changed.wait(_SECONDS_BETWEEN_TRIES if self.state.failure else None)
            self._has_changed.clear()
            self._write()
            self._ends.wait(_SECONDS_BETWEEN_WRITES)
        self._write()

    def _write(self) -> None:
        assert self._file is not None, "the thread starts with a file"
        asked = [a for a in self._prompts.all() if a not in self._at_start and not a.has_end]
        if self._written == tuple(asked):
            return
        try:
            self._file.write(self._name, [KeptPrompt.of(active) for active in asked])
        except Exception as error:  # of whatever kind: the next change is kept again
            self._fail(str(error))
            return
        if self.state.failure:
            self._node.get_logger().info(f"prompts are kept again in {self._file.path}")
        self._written = tuple(asked)
        self.state = Keeping(f"{len(asked)} in {self._file.path}")

    def _fail(self, reason: str) -> None:
        where = f" in {self._file.path}" if self._file is not None else ""
        failure = f"prompts cannot be kept{where}: {reason}"
        if failure != self.state.failure:
            self._node.get_logger().warning(f"{failure}; after a restart they are not asked again")
        self.state = Keeping(failure=failure)
