"""Texts, numbers and headers that nobody expects."""

from __future__ import annotations

import random

from std_msgs.msg import Header

from sam3_ros.ros.stamps import time_message

NUMBERS = (
    *(float("nan"), float("inf"), float("-inf"), -0.0, 0.0, -1.0, 0.5, 1e-300, 5e-324, 1e300),
    *(-1e300, 2.0**31, 2.0**53, -(2.0**63), 1e9, 639.999, 640.0, 480.0, 1.7976931348623157e308),
)
TEXTS = (
    *("", " ", ";", ";;;;;;", "\0", "red\0cube", "\n", "\t\t", "\x1b[31mred\x1b[0m", "\x9b2J"),
    *(
        "\u202ered cube",
        "\u2066",
        "\ufeffred cube",
        "\u200b",
        "e" + "\u0301" * 3000,
        "\U0001f7e5",
        "\U0001f469\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466",
    ),
    *(
        "\U0001d52f\U0001d522\U0001d521 \U0001d520\U0001d532\U0001d51f\U0001d522",
        "\ufb01\ufb02",
        "\uff32\uff25\uff24",
        "\u043a\u0440\u0430\u0441\u043d\u044b\u0439 \u043a\u0443\u0431",
        "\u7ea2\u8272\u7684\u7acb\u65b9\u4f53",
        "\U0010ffff",
        "\ud7ff",
        "\ue000",
    ),
    *("&amp;" * 300, "&#0;", "&#x110000;", "&" * 2000, "%s%n%x", "{}", "{0}", "$(ls)", "`ls`"),
    *("../../etc/passwd", "/dev/zero", "{point: [1, 2]}", "[" * 500, "!!python/object:x {}"),
    *(
        "red cube; " * 400,
        "a;" * 100_000,
        "x" * 1000,
        "x" * 1001,
        "red " * 5000,
        "\u00e9" * 100_000,
    ),
    *("[bold]red[/bold]", "red cube", "red, cube", "NaN", "None", "true", "-1", "\\", '"', "'"),
)
#: With one of these a message is of a megabyte.
HUGE = ("y" * 1_000_000, "red cube " * 110_000, "\u0301" * 400_000, "; " * 400_000)
FRAMES = (
    *(
        "",
        "camera",
        "/camera",
        "c" * 10_000,
        "a\0b",
        "\x1b[2J",
        "\u202e",
        "front",
        "\u00fcber",
        " ",
    ),
    *("map/../x", "\U0001f7e5" * 200, "segmentation_node"),
)


def odd_text(chance: random.Random) -> str:
    """Return a text of any kind; surrogates are none, because no message can hold them."""
    kind = chance.randrange(20)
    if kind == 0:
        return chance.choice(HUGE)
    if kind < 14:
        return chance.choice(TEXTS)
    points = (chance.choice((127, 255, 0xD7FF, 0x10FFFF)) for _ in range(chance.randrange(200)))
    return "".join(chr(_no_surrogate(chance.randrange(most))) for most in points)


def odd_number(chance: random.Random) -> float:
    """Return a number of any kind, half of them in an image of 640x480."""
    if chance.random() < 0.5:
        return chance.uniform(0, 480)
    if chance.random() < 0.2:
        return chance.uniform(-1e6, 1e6)
    return chance.choice(NUMBERS)


def odd_header(chance: random.Random, near_ns: int) -> Header:
    """Return a header with an odd stamp and frame_id. near_ns: the stamp of a sound one."""
    stamp_ns = chance.choice(
        (
            *(0, 1, near_ns, near_ns, near_ns + 1, near_ns - 10**9, near_ns + 10**9),
            *(near_ns - 10**15, near_ns + 10**15, -1, -(10**9), -(2**31) * 10**9),
            *((2**31 - 1) * 10**9, (2**31 - 1) * 10**9 + 999_999_999, chance.randrange(2**60)),
        )
    )
    header = Header(frame_id=chance.choice(FRAMES), stamp=time_message(stamp_ns))
    if chance.random() < 0.1:  # more nanoseconds than there are in a second
        header.stamp.nanosec = 2**32 - 1
    return header


def _no_surrogate(point: int) -> int:
    return 0x20 if 0xD800 <= point <= 0xDFFF else point
