"""Names of files and repositories on the hub, as a command line has them."""

from __future__ import annotations

import pytest

from sam3_ros.core.errors import HubError
from sam3_ros.hub.address import HubAddress, is_plain_path, parsed_address


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("hf://facebook/sam3/sam3.pt", HubAddress("facebook/sam3", "sam3.pt")),
        ("hf://a/b/c/d.e-1.pt@v2.0", HubAddress("a/b", "c/d.e-1.pt", "v2.0")),
        ("HF://a/b", HubAddress("a/b")),
        ("hf://a/b@refs/pr/3", HubAddress("a/b", "", "refs/pr/3")),
        ("hf://a/b@refs/pr/3/c/d.pt", HubAddress("a/b", "c/d.pt", "refs/pr/3")),
        ("hf://a/b@v1/c.pt", HubAddress("a/b", "c.pt", "v1")),
    ],
)
def test_an_address_is_read(text: str, address: HubAddress) -> None:
    assert parsed_address(text) == address
    assert parsed_address(str(address)) == address


@pytest.mark.parametrize(
    "text",
    [
        "hf://",
        "hf://sam3.pt",
        "hf://datasets/a/b/c.pt",
        "hf://a/b/",
        "hf://a/b/../../etc/passwd",
        "hf://a/b//c.pt",
        "hf://a/../c.pt",
        "hf://a/b/c.pt@",
        "hf://a/b/c.pt@v1..v2",
        "hf://a/b/c.pt@-x y",
        "hf://a b/c/d.pt",
        "hf://a/b/c\x1b.pt",
        "hf://a/b/c\\d.pt",
    ],
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(HubError, match=r"names no|no repository of a model"):
        parsed_address(text)


@pytest.mark.parametrize("path", ["/a", "a/../b", "..", "a//b", "C:/a", "a\\b", "", "a\0b"])
def test_paths_that_lead_out_are_not_plain(path: str) -> None:
    assert not is_plain_path(path)
    assert is_plain_path("fp32/image.onnx")
