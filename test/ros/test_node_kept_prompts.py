"""keep_prompts over ends of the node, the hardest too, and where nothing can be kept."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from geometry_msgs.msg import Point
from node_client import NODE, NodeClient
from node_under_test import ENVIRONMENT, THE_NODE, NodeProcess
from ros_domains import own_domain
from sam3_ros.msg import ActivePrompt, ActivePrompts, Prompt, Prompts, PromptStatus
from std_msgs.msg import String

from sam3_ros.ros.qos import LATCHED

ON_IT = [Point(x=25.0, y=25.0)]


class Keeper:
    """Nodes one after the other on one ROS domain, and a client that outlives them."""

    def __init__(self, folder: Path, domain: int, bundle: Path) -> None:
        self._folder, self._domain, self._bundle = folder, domain, bundle
        self.client = NodeClient(domain)
        self._lists: list[ActivePrompts] = []
        self.client.node.create_subscription(
            ActivePrompts, f"{NODE}/active_prompts", self._lists.append, LATCHED
        )
        self.file = folder / "home" / "sam3_ros" / f"segmentation_node.domain_{domain}.json"

    @contextmanager
    def node(self, number: int = signal.SIGKILL, **parameters: str) -> Iterator[NodeProcess]:
        """Run a node that ends by this signal."""
        self._lists.clear()
        self.client.statuses.clear()
        words = {"bundle": str(self._bundle), "diagnostics_period": "0.2", "keep_prompts": "true"}
        process = NodeProcess(
            self._domain, self._folder / "node.log", THE_NODE, {**words, **parameters}
        )
        try:
            self.client.spin_until(lambda: self._lists, "the node")
            self.client.connected()
            yield process
        except BaseException:
            print(process.log)
            raise
        finally:
            process.stop(number)

    def asked(self, *expected: tuple[str, str]) -> None:
        """Wait until exactly these (id, source) pairs are asked."""

        def found() -> bool:
            now = [(each.prompt.id, each.source) for each in self._lists[-1].prompts]
            return sorted(now) == sorted(expected)

        self.client.spin_until(lambda: self._lists and found(), f"the list {expected}")

    def listed(self) -> list[ActivePrompt]:
        return list(self._lists[-1].prompts)

    def put(self, *prompts: Prompt) -> None:
        statuses = self.client.prompt("set", Prompts(action=Prompts.PUT, prompts=list(prompts)))
        assert all(status.accepted for status in statuses), statuses

    def clear(self) -> None:
        """Ask nothing any more."""

        def cleared() -> bool:
            # DDS takes a killed node for alive for a while, so nobody knows who hears a message.
            self.client.publish("set", Prompts())
            self.client.executor.spin_once(timeout_sec=0.1)
            return not self._lists[-1].prompts

        self.client.spin_until(cleared, "the end of all prompts")

    def told(self, prompt_id: str) -> PromptStatus:
        """Wait for the status of a prompt."""
        return self.client.spin_until(
            lambda: next((s for s in self.client.statuses if s.prompt_id == prompt_id), None),
            f"a status of {prompt_id}",
        )

    def diagnosed(self, beginning: str) -> str:
        """Wait until /diagnostics says so of the kept prompts; return the summary."""
        summary: list[str] = []

        def found(values: dict[str, str], status: object) -> bool:
            summary.append(status.message)  # type: ignore[attr-defined]
            return values.get("kept prompts", "").startswith(beginning)

        self.client.diagnosed(found)
        return summary[-1]

    def ids(self) -> list[str]:
        return [each["id"] for each in json.loads(self.file.read_text())["prompts"]]


@pytest.fixture
def keeper(tmp_path, monkeypatch, sam3_bundle_path) -> Iterator[Keeper]:
    monkeypatch.setenv("ROS_HOME", str(tmp_path / "home"))
    with ExitStack() as stack:
        domain = stack.enter_context(own_domain())
        os.environ.update(ENVIRONMENT)
        made = Keeper(tmp_path, domain, sam3_bundle_path)
        stack.callback(made.client.close)
        yield made


def test_what_was_asked_is_asked_again_after_the_node_was_killed(keeper: Keeper) -> None:
    with keeper.node(prompts="['red']"):
        keeper.client.prompt("text", String(data="red; blue"))
        keeper.put(
            Prompt(id="place", positive_points=ON_IT, label="here"),
            Prompt(id="ends", positive_points=ON_IT, frames=1_000_000),
            Prompt(id="followed", positive_points=ON_IT, tracking=True),
            Prompt(id="tracked", text="blue", tracking=True),
        )
        assert keeper.client.set_parameters(prompts=["green"]).successful
        keeper.diagnosed("4 in ")
    with keeper.node(signal.SIGTERM, prompts="['blue']") as process:
        # By the parameter, as it is now, and what was set while the node ran.
        keeper.asked(
            ("blue", "~/prompt/text"),
            ("green", "~/prompt/text"),
            ("place", "~/prompts"),
            ("tracked", "~/prompts"),
        )
        assert keeper.told("place").accepted
        assert keeper.told("tracked").accepted
        assert [each.prompt.id for each in keeper.listed() if each.prompt.tracking] == ["tracked"]
        refused = keeper.told("followed")
        assert not refused.accepted
        assert "click again" in refused.reason
        assert "asked again, as kept in" in process.log
        keeper.diagnosed("3 in ")
        assert sorted(keeper.ids()) == ["green", "place", "tracked"]
        keeper.clear()
    assert keeper.ids() == []  # written at the end of a node that may end in peace


def test_cleanup_keeps_them_and_a_damaged_file_is_set_aside(keeper: Keeper) -> None:
    keeper.file.parent.mkdir(parents=True)
    keeper.file.write_text("[" * 100_000)
    with keeper.node() as process:
        assert "are not asked again" in process.log
        assert keeper.file.with_name(f"{keeper.file.name}.refused").exists()
        keeper.put(Prompt(id="it", text="red"))
        for label in ("deactivate", "cleanup", "configure", "activate"):
            assert keeper.client.transition(label)
        keeper.asked(("it", "~/prompts"))


def test_where_nothing_can_be_kept_the_node_says_so_and_goes_on(keeper: Keeper) -> None:
    keeper.file.parent.parent.mkdir(exist_ok=True)
    keeper.file.parent.write_text("a file where the folder should be")
    with keeper.node() as process:
        assert "prompts cannot be kept" in keeper.diagnosed("not kept: ")
        keeper.put(Prompt(id="it", text="red"))
        keeper.put(Prompt(id="that", text="blue"))
        keeper.asked(("it", "~/prompts"), ("that", "~/prompts"))
        assert process.log.count("after a restart they are not asked again") == 1
