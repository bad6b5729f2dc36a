"""What the running node listens to, and that the SROS2 policy lists what it needs of the graph."""

from __future__ import annotations

import os
import re
import stat
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
from discovery import discovered
from listed_topics import NODE
from node_client import PATIENCE, NodeClient
from node_under_test import ENVIRONMENT, THE_NODE, NodeProcess, running_node
from ros_domains import own_domain
from sam3_ros.msg import Objects3D

from sam3_ros.ros.answers.markers import find_markers
from sam3_ros.ros.answers.vision_msgs import find_detections_3d, find_vision_messages
from sam3_ros.ros.launching.dds import PROFILE_VARIABLES, profile_variable

ROOT = Path(__file__).parents[2]
POLICY = ROOT / "config" / "sros2" / "policy.xml"
LOOK_POLICY = POLICY.with_name("look_policy.xml")
COPY_OF_THE_SCHEMA = ROOT / "test" / "support" / "sros2_policy.xsd"

LOOK_FOR_THE_NODE = """
import sys, time, rclpy
rclpy.init()
node, end = rclpy.create_node("looking"), time.monotonic() + 60
while "segmentation_node" not in node.get_node_names():
    if time.monotonic() > end:
        sys.exit("not found")
    time.sleep(0.1)
node.destroy_node()
rclpy.try_shutdown()
"""
#: The kind of rule, as in the policy, and the method of rclpy that lists the same.
KINDS = {
    "subscribe": "get_subscriber_names_and_types_by_node",
    "publish": "get_publisher_names_and_types_by_node",
    "reply": "get_service_names_and_types_by_node",
    "request": "get_client_names_and_types_by_node",
}
#: With raw images, or with compressed ones and time from /clock.
RAW = {"/image", "/depth"}
COMPRESSED = {"/image/compressed", "/depth/compressedDepth", "/clock"}
Graph = dict[str, frozenset[str]]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[NodeProcess, NodeClient]]:
    with running_node(tmp_path_factory.mktemp("node"), depth="true") as (process, client):
        client.diagnosed(lambda values, _: values["state"] == "active")
        yield process, client


def graph_of_the_node(client: NodeClient, expected: Graph) -> Graph:
    """Return full names by kind of rule, once they are as expected or do not get so."""
    name = NODE.strip("/")

    def seen() -> Graph | None:
        if (name, "/") not in client.node.get_node_names_and_namespaces():
            return None
        listed = {kind: getattr(client.node, method)(name, "/") for kind, method in KINDS.items()}
        return {kind: frozenset(each for each, _ in found) for kind, found in listed.items()}

    return discovered(seen, lambda found: found == expected)


def policy_rules() -> Graph:
    """Return full names by kind of rule, as the policy allows them."""
    (profile,) = ET.parse(POLICY).getroot().iter("profile")
    assert f"{profile.get('ns')}{profile.get('node')}" == NODE
    rules: dict[str, set[str]] = {kind: set() for kind in KINDS}
    for listed in profile:
        ((kind, qualifier),) = listed.attrib.items()
        assert qualifier == "ALLOW"
        rules[kind] |= {full_name(str(entry.text)) for entry in listed}
    return {kind: frozenset(names) for kind, names in rules.items()}


def full_name(name: str) -> str:
    if name.startswith("~"):
        return NODE + name[1:]
    return name if name.startswith("/") else f"/{name}"


def absent_here() -> set[str]:
    """Return what the policy allows that this installation does not have."""
    vision = find_vision_messages()
    absent = {
        f"{NODE}/label_info": vision.label_info is None,
        f"{NODE}/detections": vision.detections is None,
        f"{NODE}/detections_3d": find_detections_3d()[0] is None,
        f"{NODE}/markers": find_markers()[0] is None,
        # Since Jazzy.
        f"{NODE}/get_type_description": find_spec("rclpy.type_description_service") is None,
    }
    return {name for name, is_absent in absent.items() if is_absent}


@pytest.mark.parametrize("policy", [POLICY, LOOK_POLICY], ids=lambda path: path.stem)
def test_the_policy_is_valid_by_the_schema_of_sros2(policy: Path) -> None:
    xmlschema = pytest.importorskip("xmlschema")
    if find_spec("sros2") is not None:
        from sros2.policy import get_policy_schema

        schema = str(get_policy_schema("policy.xsd"))
    else:
        schema = str(COPY_OF_THE_SCHEMA)
    checked = xmlschema.XMLSchema(schema, allow="local")
    checked.validate(str(policy))
    broken = policy.read_text(encoding="utf-8").replace('"ALLOW"', '"PERMIT"', 1)
    with pytest.raises(xmlschema.XMLSchemaValidationError):
        checked.validate(broken)


def test_nothing_is_listed_twice_and_nothing_has_a_wildcard() -> None:
    names = re.findall(r"<(?:topic|service)>([^<]*)<", POLICY.read_text(encoding="utf-8"))
    of_each_list = [
        [entry.text for entry in listed]
        for profile in ET.parse(POLICY).getroot().iter("profile")
        for listed in profile
    ]
    assert not [name for name in names if re.search(r"[*?\[\]\s]", name)]
    assert all(len(each) == len({*each}) for each in of_each_list)


def test_the_policy_lists_exactly_what_the_node_has(
    running: tuple[NodeProcess, NodeClient],
) -> None:
    _, client = running
    rules = {kind: names - absent_here() for kind, names in policy_rules().items()}
    both = {kind: names - RAW - COMPRESSED for kind, names in rules.items()}
    subscribed = both["subscribe"]
    as_raw = {**both, "subscribe": subscribed | RAW}
    as_compressed = {**both, "subscribe": subscribed | COMPRESSED}
    # Depth is subscribed to while somebody listens in space.
    client.node.create_subscription(Objects3D, f"{NODE}/objects", lambda _: None, 1)

    raw = graph_of_the_node(client, as_raw)
    assert client.transition("deactivate") and client.transition("cleanup")
    transports = {"image_transport": "compressed", "depth_transport": "compressedDepth"}
    assert client.set_parameters(**transports, use_sim_time=True).successful
    assert client.transition("configure") and client.transition("activate")
    compressed = graph_of_the_node(client, as_compressed)

    assert raw == as_raw
    assert compressed == as_compressed
    assert {kind: raw[kind] | compressed[kind] for kind in KINDS} == rules


def sockets_of(process: int, table: str) -> list[tuple[str, int, str]]:
    """Return address, port and state (hexadecimal) of a process's sockets, as in /proc/net."""
    links = map(link_of, Path(f"/proc/{process}/fd").iterdir())
    mine = {link[len("socket:[") : -1] for link in links if link.startswith("socket:[")}
    rows = Path(f"/proc/{process}/net/{table}").read_text(encoding="utf-8").splitlines()[1:]
    fields = [row.split() for row in rows]
    return [
        (local.split(":")[0], int(local.split(":")[1], 16), state)
        for _, local, _, state, *_, inode in (each[:10] for each in fields)
        if inode in mine
    ]


def link_of(descriptor: Path) -> str:
    try:
        return str(descriptor.readlink())
    except OSError:  # closed in between
        return ""


def domain_of(process: NodeProcess) -> int:
    environment = Path(f"/proc/{process.process.pid}/environ").read_bytes().split(b"\0")
    (found,) = (each for each in environment if each.startswith(b"ROS_DOMAIN_ID="))
    return int(found.partition(b"=")[2])


def test_kept_to_this_machine_it_does_not_listen_for_strangers(
    running: tuple[NodeProcess, NodeClient],
) -> None:
    """The port of multicast discovery is not open, though the node names a profile of its own."""
    process, _ = running
    assert "Fast DDS uses the profile" in process.log
    first = 7400 + 250 * domain_of(process)

    ports = {port for _, port, _ in sockets_of(process.process.pid, "udp")}

    assert first not in ports
    assert ports & {first + 10 + 2 * participant for participant in range(100)}


def test_it_listens_by_udp_and_shared_memory_alone(
    running: tuple[NodeProcess, NodeClient],
) -> None:
    process, _ = running
    pid = process.process.pid
    listening = "0A"
    for table in ("tcp", "tcp6"):
        assert listening not in {state for _, _, state in sockets_of(pid, table)}
    assert not sockets_of(pid, "udp6")
    mapped = re.findall(r"/dev/shm/fast(?:dds|rtps)_\S+", Path(f"/proc/{pid}/maps").read_text())
    assert mapped
    for path in {*mapped}:
        assert not stat.S_IMODE(Path(path).stat().st_mode) & 0o022, path


def test_the_profile_for_this_machine_opens_nothing_to_others() -> None:
    """Also in the widest range, and somebody on this machine still finds it."""
    profile = ROOT / "config" / "fastdds_localhost.xml"
    before = {name: os.environ[name] for name in os.environ if name not in PROFILE_VARIABLES}
    wide = {"ROS_AUTOMATIC_DISCOVERY_RANGE": "SUBNET", profile_variable(before): str(profile)}
    with own_domain() as domain:
        environment = {**before, **wide, "ROS_DOMAIN_ID": str(domain)}
        # While a model is loaded, a signal would end it at once.
        command = [sys.executable, *THE_NODE, "--ros-args", "-p", "autostart:=false"]
        node = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
        try:
            found = subprocess.run(
                [sys.executable, "-c", LOOK_FOR_THE_NODE],
                env=environment,
                capture_output=True,
                text=True,
                timeout=60,
            )
            addresses = {address for address, _, _ in sockets_of(node.pid, "udp")}
        finally:
            node.terminate()
            assert node.wait(PATIENCE) == 0
    assert found.returncode == 0, found.stderr
    # 127.0.0.1, and the multicast group on that interface.
    assert addresses <= {"0100007F", "0100FFEF"}
    assert "0100007F" in addresses


def without_keys(_: Path) -> None:
    """Make nothing: SROS2 finds no keystore."""


def with_keys_that_are_none(keystore: Path) -> None:
    enclave = keystore / "enclaves" / "segmentation_node"
    enclave.mkdir(parents=True)
    for name in (
        "identity_ca.cert.pem", "cert.pem", "key.pem", "permissions_ca.cert.pem",
        "governance.p7s", "permissions.p7s",
    ):  # fmt: skip
        (enclave / name).write_text("none")


@pytest.mark.parametrize("keys", [without_keys, with_keys_that_are_none])
def test_where_security_is_asked_for_and_cannot_be_had_the_node_does_not_start(
    tmp_path: Path, keys: Callable[[Path], None]
) -> None:
    keys(tmp_path / "keys")
    security = {
        "ROS_SECURITY_KEYSTORE": str(tmp_path / "keys"),
        "ROS_SECURITY_ENABLE": "true",
        "ROS_SECURITY_STRATEGY": "Enforce",
    }
    with own_domain() as domain:
        done = subprocess.run(
            [sys.executable, *THE_NODE, "--ros-args", "--enclave", "/segmentation_node"],
            env={**os.environ, **ENVIRONMENT, **security, "ROS_DOMAIN_ID": str(domain)},
            capture_output=True,
            text=True,
            timeout=60,
        )
    assert done.returncode == 2, done.stderr
    assert "the node cannot start" in done.stderr
    assert "security" in done.stderr.lower()
    assert "Traceback" not in done.stderr
