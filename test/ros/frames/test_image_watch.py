from __future__ import annotations

from sam3_ros.core.images.levels import Levels
from sam3_ros.ros.frames.image_watch import ImageWatch


class Log:
    def __init__(self) -> None:
        self.lines: list[str] = []

    def warning(self, line: str, **_: object) -> None:
        self.lines.append(line)


def sixteen_bits(highest: int, white: int = 65535) -> Levels:
    return Levels(highest, highest, white, 65535)


def test_dark_images_are_told_and_forgotten_when_they_are_bright_again() -> None:
    log = Log()
    watch = ImageWatch(log)
    assert watch.finding("front") == ""
    watch.see("front", sixteen_bits(1023))
    assert "sends 10 bits in 16; set the parameter bit_depth: 10" in watch.finding("front")
    assert log.lines[-1].startswith("images of front: the image is nearly black")
    assert watch.finding("rear") == ""
    watch.see("front", sixteen_bits(60000))
    assert watch.finding("front") == ""


def test_the_brightest_image_says_how_many_bits_there_are() -> None:
    watch = ImageWatch(Log())
    watch.see("", sixteen_bits(700))
    assert "if the camera sends 10 bits" in watch.finding("")
    watch.see("", sixteen_bits(4095))
    watch.see("", sixteen_bits(700))
    assert "sends 12 bits" in watch.finding("")
    watch.see("", sixteen_bits(50000))
    watch.see("", sixteen_bits(700))
    assert "bits" not in watch.finding("")
    assert "nearly black" in watch.finding("")


def test_another_bit_depth_begins_anew() -> None:
    watch = ImageWatch(Log())
    watch.see("", sixteen_bits(1023))
    watch.see("", sixteen_bits(1023, white=1023))
    assert watch.finding("") == ""
    watch.see("", sixteen_bits(4095, white=1023))
    assert "above the 1023" in watch.finding("")
