"""Following by memory, held against a plain loop over the same stages."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import pytest
import video_model
from bilinear import bilinear as resized
from video_model import RUNS, VideoModel, scene

from sam3_ros.core.errors import BundleError, InferenceError
from sam3_ros.core.geometry import Box
from sam3_ros.core.segmenter.prompts import InteractivePrompt
from sam3_ros.core.stages.session import Array
from sam3_ros.core.timings import CallTimings
from sam3_ros.core.tracking.follower import Sighting
from sam3_ros.core.tracking.mask_prompt import MaskPrompt
from sam3_ros.core.tracking.memory.follower import EMPTY, NOT_SEEN, FollowsByMemory, MemoryState

CLICK = InteractivePrompt(points=((30, 20),))
TWO_CLICKS = InteractivePrompt(points=((30, 20), (50, 40)), point_labels=(1, 0))
BOX = InteractivePrompt(box=Box(10, 10, 60, 50))
HEIGHT, WIDTH = 60, 90


def follower_of(model: VideoModel, memory_frames: int | None = None) -> FollowsByMemory:
    manifest = model.manifest
    assert manifest.interactive is not None
    assert manifest.video is not None
    return FollowsByMemory(manifest.interactive, manifest.video, CallTimings(), memory_frames)


def disc(row: int, column: int, radius: int = 15) -> Array:
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    return (rows - row) ** 2 + (columns - column) ** 2 < radius**2


@dataclass
class PlainTracker:
    """One object, step by step as the original does it, with everything kept."""

    model: VideoModel
    prompted: dict[int, dict[str, Array]] = field(default_factory=dict)
    tracked: dict[int, dict[str, Array]] = field(default_factory=dict)

    def click(self, frame: int, rgb: Array, prompt: InteractivePrompt) -> Array:
        image = self._image(rgb)
        corners = [] if prompt.box is None else [*np.reshape(prompt.box.as_tuple(), (2, 2))]
        labels = [2, 3] if corners else []
        scale = np.array([64 / WIDTH, 48 / HEIGHT])
        points = np.array([*corners, *prompt.points], np.float64) * scale
        before = self.prompted.get(frame, self.tracked.get(frame))
        mask = np.zeros((1, 1, 12, 16), np.float32)
        if before is not None:
            mask = np.clip(before["logits"], -32, 32)[None, None]
        feeds = {
            "point_coords": points.astype(np.float32)[None],
            "point_labels": np.array([[*labels, *prompt.point_labels]]),
            "mask_input": mask,
            "has_mask": np.array([before is not None], np.float32),
        }
        return self._add(frame, image, {**image, **feeds}, len(points) < 2, prompted=True)

    def track(self, frame: int, rgb: Array, memories: int = 6) -> Array:
        image = self._image(rgb)
        chosen = list(self.prompted)
        if len(chosen) > 4:  # here nothing is prompted ahead of what is tracked
            chosen = sorted(chosen)[-4:]
        others = {**self.prompted, **self.tracked}
        seen = [(self.prompted[each]["memory"], 0) for each in chosen]
        named = [(self.prompted[each]["pointer"], frame - each) for each in chosen]
        for age in range(1, 16):
            if frame - age in others and frame - age not in chosen:
                named.append((others[frame - age]["pointer"], age))
                if age <= memories:
                    seen.append((others[frame - age]["memory"], age))
        attention = {
            "memories": np.stack([each[0] for each in seen]),
            "memory_ages": np.array([each[1] for each in seen]),
            "object_pointers": np.stack([each[0] for each in named]),
            "pointer_ages": np.array([each[1] for each in named], np.float32) / np.float32(15),
        }
        embed = RUNS["memory_attention"]({**image, **attention})["tracked_embed"]
        feeds = {**image, **self._no_prompt(), "sam_embed": embed}
        return self._add(frame, image, feeds, several=True, prompted=False)

    def _no_prompt(self) -> dict[str, Array]:
        return {
            "point_coords": np.zeros((1, 1, 2), np.float32),
            "point_labels": np.array([[-1]]),
            "mask_input": np.zeros((1, 1, 12, 16), np.float32),
            "has_mask": np.zeros(1, np.float32),
        }

    def _image(self, rgb: Array) -> dict[str, Array]:
        embedding = self.model.embedding(rgb)
        pixels = embedding.transform.pixel_values(rgb)
        return RUNS["image"]({"pixel_values": pixels})

    def _add(
        self,
        frame: int,
        image: Mapping[str, Array],
        feeds: dict[str, Array],
        several: bool,
        *,
        prompted: bool,
    ) -> Array:
        found = RUNS["decoder"](feeds)
        pointers = RUNS["object_pointer"]({**image, **found})["pointers"][0]
        ious, masks = found["sam_iou"][0], found["sam_masks"][0]
        best = 1 + int(np.argmax(ious[1:]))
        chosen = best
        if not several:
            union = np.sum(masks[0] > -0.05)
            chosen = 0 if union == 0 or np.sum(masks[0] > 0.05) / union >= 0.98 else best
        there = found["object_score"][0, 0] > 0
        logits = masks[chosen] if there else np.full_like(masks[0], -1024)
        self._remember(
            frame, image, logits, found["object_score"], pointers[best if several else 0], prompted
        )
        return logits

    def _remember(
        self,
        frame: int,
        image: Mapping[str, Array],
        logits: Array,
        score: Array,
        pointer: Array,
        prompted: bool,
    ) -> None:
        large = resized(logits, 36, 48)
        values = (large > 0) * 1.0 if prompted else 1 / (1 + np.exp(-np.maximum(large, -80.0)))
        mask = resized(values.astype(np.float32), 24, 32)[None, None]
        encoded = RUNS["memory_encoder"]({**image, "memory_mask": mask, "object_score": score})
        kept = {"logits": logits, "memory": encoded["mask_memory"][0], "pointer": pointer}
        self.tracked.pop(frame, None)
        (self.prompted if prompted else self.tracked)[frame] = kept


def logits_of(sighting: Sighting, frame: int) -> Array:
    assert isinstance(sighting.state, MemoryState)
    kept = sighting.state.memory.at(frame)
    assert kept is not None
    assert kept.mask_logits is not None
    return kept.mask_logits


def assert_same(found: Array, expected: Array) -> None:
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("prompt", [CLICK, TWO_CLICKS, BOX], ids=["click", "clicks", "box"])
def test_an_object_is_followed_as_a_plain_loop_follows_it(prompt: InteractivePrompt) -> None:
    model = VideoModel()
    follower, plain = follower_of(model), PlainTracker(model)
    found = follower.start(model.embedding(scene(0)), 0, prompt)
    assert_same(logits_of(found, 0), plain.click(0, scene(0), prompt))
    for frame in range(1, 25):
        found = follower.follow(model.embedding(scene(frame)), frame, found.state)
        expected = plain.track(frame, scene(frame))
        assert_same(logits_of(found, frame), expected)
        if found.segment is None:
            assert found.unseen == EMPTY
            assert resized(expected, HEIGHT, WIDTH).max() <= 1e-6


@pytest.mark.parametrize("memory_frames", [1, 3])
def test_fewer_memories_are_the_newest(memory_frames: int) -> None:
    model = VideoModel()
    follower, plain = follower_of(model, memory_frames), PlainTracker(model)
    found = follower.start(model.embedding(scene(0)), 0, CLICK)
    plain.click(0, scene(0), CLICK)
    for frame in range(1, 9):
        found = follower.follow(model.embedding(scene(frame)), frame, found.state)
        assert_same(logits_of(found, frame), plain.track(frame, scene(frame), memory_frames))


@pytest.mark.parametrize("prompt", [CLICK, BOX], ids=["click", "box"])
def test_a_correction_takes_the_last_mask_and_makes_a_prompted_frame(
    prompt: InteractivePrompt,
) -> None:
    model = VideoModel()
    follower, plain = follower_of(model), PlainTracker(model)
    found = follower.start(model.embedding(scene(0)), 0, CLICK)
    plain.click(0, scene(0), CLICK)
    for frame in range(1, 30):
        image = model.embedding(scene(frame))
        found = follower.follow(image, frame, found.state)
        assert_same(logits_of(found, frame), plain.track(frame, scene(frame)))
        if frame % 4 == 0:  # beyond the four that count, too
            found = follower.correct(image, frame, found.state, prompt)
            assert_same(logits_of(found, frame), plain.click(frame, scene(frame), prompt))


def test_a_correction_of_an_earlier_frame_replaces_what_was_kept_of_it() -> None:
    model = VideoModel()
    follower = follower_of(model)
    found = follower.start(model.embedding(scene(0)), 0, CLICK)
    for frame in range(1, 6):
        found = follower.follow(model.embedding(scene(frame)), frame, found.state)
    found = follower.correct(model.embedding(scene(3)), 3, found.state, CLICK)
    found = follower.follow(model.embedding(scene(6)), 6, found.state)
    attention = model.feeds_of("memory_attention")[-1]
    assert attention["memory_ages"].tolist() == [0, 0, 5, 4, 2, 1]
    np.testing.assert_allclose(attention["pointer_ages"] * 15, [6, 3, 1, 2, 4, 5], rtol=1e-6)


def test_a_hidden_object_is_remembered_as_such_and_found_again() -> None:
    model = VideoModel()
    follower, plain = follower_of(model), PlainTracker(model)
    found = follower.start(model.embedding(scene(0)), 0, CLICK)
    plain.click(0, scene(0), CLICK)
    for frame in range(1, 12):
        rgb = scene(frame, dark=4 <= frame < 8)
        found = follower.follow(model.embedding(rgb), frame, found.state)
        assert_same(logits_of(found, frame), plain.track(frame, rgb))
        assert (found.unseen == NOT_SEEN) == (4 <= frame < 8)
        assert not found.gone
    hidden = [feeds for feeds in model.feeds_of("memory_encoder") if feeds["object_score"] <= 0]
    assert len(hidden) == 4
    assert all(feeds["memory_mask"].max() < 1e-30 for feeds in hidden)
    state = found.state
    assert isinstance(state, MemoryState)
    kept = state.memory.at(7)
    assert kept is not None
    np.testing.assert_array_equal(kept.pointer, video_model.NO_POINTER)


def test_a_click_on_nothing_starts_nothing() -> None:
    model = VideoModel()
    found = follower_of(model).start(model.embedding(scene(0, dark=True)), 0, CLICK)
    assert found.segment is None
    assert found.state is None
    assert found.gone
    assert "no object there" in found.unseen


def test_a_given_mask_is_the_answer_and_its_pointer_is_the_models() -> None:
    model = VideoModel()
    mask = disc(30, 40)
    found = follower_of(model).start(model.embedding(scene(0)), 0, MaskPrompt(mask))
    assert found.segment is not None
    np.testing.assert_array_equal(found.segment.mask, mask)
    (decoder,) = model.feeds_of("decoder")
    assert decoder["point_labels"].tolist() == [[-1]]
    assert decoder["has_mask"].tolist() == [1]
    image = RUNS["image"]({"pixel_values": model.feeds_of("image")[0]["pixel_values"]})
    np.testing.assert_array_equal(decoder["sam_embed"], image["frame_features"])
    (encoder,) = model.feeds_of("memory_encoder")
    assert encoder["object_score"].tolist() == [[10]]
    assert set(np.unique(encoder["memory_mask"])) >= {0, 1}
    state = found.state
    assert isinstance(state, MemoryState)
    tokens = RUNS["decoder"](decoder)["sam_tokens"]
    np.testing.assert_allclose(state.memory.frames[0].pointer, (tokens @ video_model.POINTER)[0, 0])
    assert set(np.unique(state.memory.frames[0].mask_logits > 0)) == {False, True}


def test_renewing_makes_a_prompted_frame_of_a_tracked_one() -> None:
    model = VideoModel()
    follower = follower_of(model)
    found = follower.start(model.embedding(scene(0)), 0, CLICK)
    for frame in range(1, 4):
        found = follower.follow(model.embedding(scene(frame)), frame, found.state)
    found = follower.renew(model.embedding(scene(3)), 3, found.state, disc(20, 30))
    found = follower.follow(model.embedding(scene(4)), 4, found.state)
    assert model.feeds_of("memory_attention")[-1]["memory_ages"].tolist() == [0, 0, 3, 2]


def test_an_empty_outline_is_a_frame_without_the_object() -> None:
    model = VideoModel()
    follower = follower_of(model)
    found = follower.start(model.embedding(scene(0)), 0, CLICK)
    nothing = np.zeros((HEIGHT, WIDTH), np.bool_)
    found = follower.renew(model.embedding(scene(1)), 1, found.state, nothing)
    assert found.segment is None
    assert found.unseen
    assert model.feeds_of("memory_encoder")[-1]["object_score"].tolist() == [[-10]]
    state = found.state
    assert isinstance(state, MemoryState)
    np.testing.assert_array_equal(state.memory.at(1).pointer, video_model.NO_POINTER)


def test_objects_do_not_change_each_other_by_a_bit_and_share_the_image() -> None:
    prompts = (CLICK, BOX, MaskPrompt(disc(30, 60)))

    def followed(wanted: tuple[int, ...]) -> tuple[VideoModel, dict[int, list[bytes]]]:
        model = VideoModel()
        follower = follower_of(model)
        image = model.embedding(scene(0))
        found = {each: follower.start(image, 0, prompts[each]) for each in wanted}
        bits: dict[int, list[bytes]] = {each: [] for each in wanted}
        for frame in range(1, 6):
            image = model.embedding(scene(frame))
            for each in wanted:
                found[each] = follower.follow(image, frame, found[each].state)
                bits[each].append(logits_of(found[each], frame).tobytes())
        return model, bits

    model, together = followed((0, 1, 2))
    assert len(model.feeds_of("image")) == 6
    for each in range(3):
        assert followed((each,))[1][each] == together[each]


@pytest.mark.parametrize(
    "stage", ["memory_attention", "decoder", "object_pointer", "memory_encoder"]
)
def test_after_a_failure_the_old_state_goes_on(stage: str) -> None:
    model = VideoModel()
    follower = follower_of(model)
    found = follower.start(model.embedding(scene(0)), 0, CLICK)
    before = {name: value.copy() for name, value in follower.saved(found.state).items()}
    model.sessions[stage].fails = RuntimeError("out of memory")
    with pytest.raises(InferenceError, match=stage):
        follower.follow(model.embedding(scene(1)), 1, found.state)
    model.sessions[stage].fails = None
    after = follower.saved(found.state)
    assert all(np.array_equal(before[name], after[name]) for name in before)
    assert follower.follow(model.embedding(scene(1)), 1, found.state).segment is not None


@pytest.mark.parametrize(
    ("stage", "output"),
    [
        ("decoder", "sam_masks"),
        ("decoder", "sam_iou"),
        ("decoder", "object_score"),
        ("object_pointer", "pointers"),
        ("memory_encoder", "mask_memory"),
    ],
)
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_not_finite_is_an_error(stage: str, output: str, value: float) -> None:
    model = VideoModel()
    follower = follower_of(model)
    found = follower.start(model.embedding(scene(0)), 0, CLICK)

    def spoilt(outputs: dict[str, Array]) -> dict[str, Array]:
        outputs[output] = outputs[output].copy()
        outputs[output].flat[0] = value
        return outputs

    model.sessions[stage].changes = spoilt
    with pytest.raises(InferenceError, match="not all finite"):
        follower.follow(model.embedding(scene(1)), 1, found.state)


def test_a_state_is_saved_and_restored_to_the_bit() -> None:
    model = VideoModel()
    follower = follower_of(model)
    found = follower.start(model.embedding(scene(0)), 0, CLICK)
    for frame in range(1, 9):
        found = follower.follow(model.embedding(scene(frame)), frame, found.state)
    restored = follower.restored(follower.saved(found.state))
    assert restored.nbytes == found.state.nbytes
    image = model.embedding(scene(9))
    ours, theirs = (follower.follow(image, 9, each) for each in (found.state, restored))
    np.testing.assert_array_equal(logits_of(ours, 9), logits_of(theirs, 9))
    with pytest.raises(BundleError):
        follower.restored({"box": np.zeros(4)})


def test_many_points_are_the_first_and_the_last_eight() -> None:
    model = VideoModel()
    points = tuple((float(x), 20.0) for x in range(20))
    follower_of(model).start(model.embedding(scene(0)), 0, InteractivePrompt(points=points))
    (decoder,) = model.feeds_of("decoder")
    wanted = [*range(8), *range(12, 20)]
    np.testing.assert_allclose(decoder["point_coords"][0, :, 0], np.array(wanted) * 64 / 90, 1e-6)


@pytest.mark.parametrize("setting", ["prompted_memory", "tracked_mask"])
def test_settings_of_other_models_are_followed(setting: str) -> None:
    model = VideoModel(
        **{"prompted_memory": "sigmoid"}
        if setting == "prompted_memory"
        else {"tracked_mask": "single"}
    )
    follower = follower_of(model)
    found = follower.start(model.embedding(scene(0)), 0, CLICK)
    if setting == "prompted_memory":
        values = np.unique(model.feeds_of("memory_encoder")[0]["memory_mask"])
        assert ((values > 0.01) & (values < 0.99)).mean() > 0.5
        return
    found = follower.follow(model.embedding(scene(1)), 1, found.state)
    masks = RUNS["decoder"](model.feeds_of("decoder")[-1])["sam_masks"][0]
    stable = np.sum(masks[0] > 0.05) / np.sum(masks[0] > -0.05) >= 0.98
    if stable:
        np.testing.assert_array_equal(logits_of(found, 1), masks[0])


@pytest.mark.parametrize("settings", [{"seen_above": 1000.0}, {"farthest": 0.01}])
def test_what_the_bundle_does_not_believe_is_remembered_as_not_seen(
    settings: dict[str, float],
) -> None:
    model = VideoModel(**settings)
    follower = follower_of(model)
    found = follower.start(model.embedding(scene(0)), 0, CLICK)
    assert found.segment is not None  # a prompt is believed
    frame, wanted = 1, "the model is not sure"
    if "farthest" in settings:  # where it was shown last it may be in a picture of before
        found = follower.follow(model.embedding(scene(1)), 1, found.state)
        assert found.segment is not None
        found = follower.follow(model.embedding(scene(2)), 2, found.state)
        frame, wanted = 3, "it jumped"
    doubted = follower.follow(model.embedding(scene(3)), frame, found.state)
    assert doubted.segment is None
    assert not doubted.gone
    assert doubted.unseen.startswith(wanted)
    assert_remembered_as_not_seen(model, doubted, frame)


def test_what_is_found_where_another_object_is_is_remembered_as_not_seen() -> None:
    model = VideoModel(taken_above=0.5)
    follower = follower_of(model)
    assert follower.taken_above == 0.5
    state = follower.start(model.embedding(scene(0)), 0, CLICK).state
    image = model.embedding(scene(1))
    seen = follower.follow(image, 1, state)
    assert seen.segment is not None
    doubted = follower.follow(image, 1, state, "#7 is there")
    assert doubted.unseen == "#7 is there"
    assert_remembered_as_not_seen(model, doubted, 1)


def test_a_doubtful_answer_without_a_mask_is_remembered_as_not_seen() -> None:
    model = VideoModel(seen_above=1000.0)
    follower = follower_of(model)
    state = follower.start(model.embedding(scene(0)), 0, CLICK).state
    model.sessions["decoder"].changes = lambda outputs: {
        **outputs,
        "sam_masks": np.full_like(outputs["sam_masks"], -5),
    }
    doubted = follower.follow(model.embedding(scene(1)), 1, state)
    assert_remembered_as_not_seen(model, doubted, 1)


def test_the_decoder_runs_once_for_an_answer_that_is_not_believed() -> None:
    model = VideoModel(seen_above=1000.0)
    follower = follower_of(model)
    state = follower.start(model.embedding(scene(0)), 0, CLICK).state
    before = len(model.feeds_of("decoder"))
    follower.follow(model.embedding(scene(1)), 1, state)
    assert len(model.feeds_of("decoder")) == before + 1


def test_what_is_found_again_has_to_be_sure() -> None:
    model = VideoModel(found_above=1000.0)
    follower = follower_of(model)
    state = follower.start(model.embedding(scene(0)), 0, CLICK).state
    seen = follower.follow(model.embedding(scene(1)), 1, state)
    assert seen.segment is not None

    def with_score(score: float) -> Callable[[dict[str, Array]], dict[str, Array]]:
        return lambda found: {**found, "object_score": np.full_like(found["object_score"], score)}

    model.sessions["decoder"].changes = with_score(-1.0)
    away = follower.follow(model.embedding(scene(2)), 2, seen.state)
    assert away.unseen == NOT_SEEN
    model.sessions["decoder"].changes = with_score(999.0)
    again = follower.follow(model.embedding(scene(3)), 3, away.state)
    assert again.unseen.startswith("the model is not sure of it after it was not seen")
    model.sessions["decoder"].changes = with_score(1001.0)
    assert follower.follow(model.embedding(scene(3)), 3, away.state).segment is not None


def test_a_correction_of_an_earlier_frame_does_not_say_where_it_is() -> None:
    model = VideoModel()
    follower = follower_of(model)
    found = follower.start(model.embedding(scene(0)), 0, CLICK)
    for frame in range(1, 5):
        found = follower.follow(model.embedding(scene(frame)), frame, found.state)
    earlier = follower.correct(model.embedding(scene(2)), 2, found.state, CLICK)
    latest = follower.correct(model.embedding(scene(4)), 4, found.state, CLICK)
    assert isinstance(found.state, MemoryState)
    assert isinstance(earlier.state, MemoryState)
    assert isinstance(latest.state, MemoryState)
    assert earlier.state.whereabouts == found.state.whereabouts
    assert latest.state.whereabouts.shown


def assert_remembered_as_not_seen(model: VideoModel, doubted: Sighting, frame: int) -> None:
    remembered = model.feeds_of("memory_encoder")[-1]
    assert (remembered["object_score"] < 0).all()
    np.testing.assert_allclose(remembered["memory_mask"], 0, atol=1e-6)
    assert isinstance(doubted.state, MemoryState)
    kept = doubted.state.memory.at(frame)
    assert kept is not None
    assert kept.quality == 0
    assert (kept.mask_logits < 0).all()
    nothing = np.broadcast_to(video_model.NO_POINTER, kept.pointer.shape)
    np.testing.assert_array_equal(kept.pointer, nothing)
