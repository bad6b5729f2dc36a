"""Which of a node's answers is the one to a question."""

from __future__ import annotations

from collections.abc import Sequence, Set

from sam3_ros.msg import SegmentScores

# The answer to a click comes at once, right behind that of the frame that was in work.
_SETTLED_SECONDS = 0.5
# The frame that was in work when the question came is answered without it.
_SURE_AFTER = 2


class AnswerChoice:
    """Chooses among the answers that have come since the node took the question.

    The first of them may be of a frame that was in work: it lacks the question, or has a click that
    this one has replaced. But where images come seldom there is one alone before a click ends.
    """

    def __init__(self) -> None:
        self._answers: list[SegmentScores] = []
        self._latest = 0.0
        self._is_taken = False
        self._unsure = 0

    def question_taken(self) -> None:
        """Note that the node has taken a message of the question, the first or another one."""
        if not self._is_taken:
            self._answers.clear()
        self._is_taken = True
        self._unsure = len(self._answers)

    def note(self, answer: SegmentScores, now: float) -> None:
        """Note an answer that comes. now: time.monotonic() s."""
        self._answers.append(answer)
        self._latest = now

    def settled(self, asked: Sequence[Set[str]], now: float) -> SegmentScores | None:
        """Return the answer to the question; None while a better one may come.

        asked: for each message, the ids of its prompts that are in use. now: time.monotonic() s.
        """
        sure = self._answers[self._unsure + 1 :]
        complete = next((each for each in sure if _found(each, asked) == len(asked)), None)
        if complete is not None:
            return complete
        is_quiet = now - self._latest >= _SETTLED_SECONDS
        has_sure = len(self._answers) - self._unsure >= _SURE_AFTER
        is_settled = has_sure or (self.is_complete(asked) and is_quiet)
        return self.best(asked) if is_settled else None

    def is_complete(self, asked: Sequence[Set[str]]) -> bool:
        """Return whether an answer has found something of each message."""
        best = self.best(asked)
        return best is not None and _found(best, asked) == len(asked)

    def best(self, asked: Sequence[Set[str]]) -> SegmentScores | None:
        """Return the answer that has found the most of it, the latest of several; None of none."""
        return max(reversed(self._answers), key=lambda each: _found(each, asked), default=None)


def _found(answer: SegmentScores, asked: Sequence[Set[str]]) -> int:
    """Return of how many messages something was found."""
    ids = {segment.prompt_id for segment in answer.segments}
    return sum(bool(each & ids) for each in asked)
