"""The page's source without a node: pictures of one's own, answered by the library."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import replace

from sam3_ros.core.errors import PromptError, Sam3RosError
from sam3_ros.core.segmenter.segmenter import Segmenter
from sam3_ros.look.drawing.answered_picture import NANOSECONDS
from sam3_ros.look.library.answerer import PictureAnswerer
from sam3_ros.look.library.held_picture import HeldAnswer, HeldByLibrary
from sam3_ros.look.library.inference_thread import InferenceThread
from sam3_ros.look.library.kept_pictures import KeepingLimits, KeptPicture, RecentFeatures
from sam3_ros.look.library.library_health import library_health
from sam3_ros.look.library.live_asking import LiveAsking
from sam3_ros.look.library.live_pictures import LivePictures, WaitingHold
from sam3_ros.look.library.model_loading import LoadSegmenter, ModelLoading
from sam3_ros.look.library.photos import Photos
from sam3_ros.look.library.picture_feed import FeedWatch, PictureFeed
from sam3_ros.look.library.reel_player import ReelPlayer
from sam3_ros.look.library.shots import Reel, Shot
from sam3_ros.look.library.verdicts import ENDED, as_verdict, ended_verdict
from sam3_ros.look.viewing import (
    Holding,
    ListedPrompt,
    Marks,
    PictureStamp,
    Receiver,
    Verdict,
    View,
    ViewedCamera,
    ViewedHealth,
)
from sam3_ros.ros.error_text import described
from sam3_ros.ros.frames.ledger import DropReason

#: Each keeps a picture and its features.
MOST_HELD = 16
# A reel that gives no picture for so long does not show a change by itself.
_STILL_S = 1.0
_CLOSING_S = 5.0


class LibraryViewing:
    """A Viewing of a reel or of photos.

    It answers what somebody watches, and nothing else; the model is loaded meanwhile.
    """

    def __init__(
        self,
        supply: Reel | Photos,
        load: LoadSegmenter,
        texts: Sequence[str] = (),
        limits: KeepingLimits | None = None,
    ) -> None:
        """Begin to load, and to play once somebody watches.

        load: returns the model; called on a thread of its own. texts: asked from the start.
        """
        self._supply = supply
        self._photos = supply if isinstance(supply, Photos) else None
        self._player: ReelPlayer | None = None
        self._is_closed = False
        self._held = 0
        self._held_features = RecentFeatures()
        names = [camera.name for camera in supply.cameras]
        self._feed = PictureFeed(self._on_watches)
        self._live = LivePictures(names, self._feed, self._photos, limits or KeepingLimits())
        self._asking = LiveAsking(self._live)
        self._thread = InferenceThread(self._live.answer)
        if texts:
            asked = self._ask(lambda: self._asking.texts(texts, ""))
            asked.add_done_callback(self._tell_refusal)
        if not isinstance(supply, Photos):
            self._player = ReelPlayer(supply, lambda: self._feed.cameras, self._offer, self._on_lap)
        self._loading = ModelLoading(load, self._on_loaded)

    def cameras(self) -> tuple[ViewedCamera, ...]:
        return self._supply.cameras

    def watch(self, view: View, receiver: Receiver) -> FeedWatch:
        watch = self._feed.add(view, receiver)
        if self._photos is not None:
            self._offer_photo(view.camera)
        else:
            self._thread.submit(lambda: self._live.show_newest(watch), needs_model=False)
        return watch

    def prompts(self, camera: str) -> tuple[ListedPrompt, ...]:
        if camera not in self._live.of_camera:
            return ()
        return self._live.asked.listed(camera, self._live.figures.get(camera, {}))

    def health(self, camera: str) -> ViewedHealth:
        return library_health(
            self._supply.name,
            self._loading,
            self._live.of_camera.get(camera),
            self._player,
            self._live.remarks,
            self._asking.settings.score_threshold,
            is_watched=camera in self._feed.cameras,
            is_closed=self._is_closed,
        )

    def ask_texts(self, phrases: tuple[str, ...], camera: str = "") -> Future[Verdict]:
        return self._ask(lambda: self._asking.texts(phrases, camera))

    def ask_marks(
        self,
        camera: str,
        stamp: PictureStamp,
        marks: Marks,
        prompt_id: str = "",
        follow: bool = True,
    ) -> Future[Verdict]:
        stamp_ns = stamp.seconds * NANOSECONDS + stamp.nanoseconds
        asking = self._asking
        return self._ask(
            lambda: asking.marks(camera, stamp_ns, marks, prompt_id, follow), shows_itself=True
        )

    def rename(self, prompt_id: str, camera: str, label: str) -> Future[Verdict]:
        return self._ask(lambda: self._asking.rename(prompt_id, camera, label), needs_model=False)

    def remove(self, prompt_id: str, camera: str) -> Future[Verdict]:
        return self._ask(lambda: self._asking.remove(prompt_id, camera), needs_model=False)

    def set_threshold(self, score: float) -> Future[Verdict]:
        return self._ask(lambda: self._asking.threshold(score), needs_model=False)

    def follow(self, prompt_id: str, camera: str, on: bool) -> Future[Verdict]:
        return self._ask(lambda: self._asking.follow(prompt_id, camera, on))

    def freeze(self, prompt_id: str, camera: str, on: bool) -> Future[Verdict]:
        return self._ask(lambda: self._asking.freeze(prompt_id, camera, on))

    def hold(self, view: View) -> Future[Holding]:
        future: Future[Holding] = Future()

        def refuse(reason: str) -> None:
            future.set_result(Holding(Verdict(False, reason)))

        def run() -> None:
            try:
                self._require_holdable(view.camera)
                waiting = WaitingHold(
                    lambda kept: future.set_result(self._holding(kept, view)), refuse
                )
                self._live.when_answered(view.camera, waiting)
            except Exception as error:  # also what the model raises for a photo
                refuse(described(error))

        self._thread.submit(run, if_ended=lambda: refuse(ENDED))
        return future

    def close(self) -> None:
        self._is_closed = True
        self._feed.clear()
        if self._player is not None:
            self._player.close(_CLOSING_S)
        self._thread.close(_CLOSING_S)
        self._live.refuse_waiting(ENDED)
        self._loading.close()

    def _ask(
        self, run: Callable[[], Verdict], needs_model: bool = True, shows_itself: bool = False
    ) -> Future[Verdict]:
        """Have it done on the inference thread, and show what comes of it."""

        def done() -> Verdict:
            verdict = as_verdict(run)
            if verdict.accepted and not shows_itself:
                self._show_changes()
            return verdict

        return self._thread.submit(done, needs_model, ended_verdict)

    def _show_changes(self) -> None:
        """Answer anew what would stay as it is; on the inference thread."""
        player = self._player
        for camera in self._feed.cameras:
            if self._photos is not None:
                self._offer_photo(camera)
            elif player is not None and player.silent_s > _STILL_S:
                self._live.answer_again(camera)

    def _offer(self, shot: Shot) -> None:
        ledger = self._live.of_camera[shot.camera].ledger
        ledger.count_received()
        if not self._thread.offer(shot):
            ledger.count_dropped(DropReason.SUPERSEDED)

    def _offer_photo(self, camera: str) -> None:
        if self._photos is None or camera not in self._live.of_camera:
            return
        figures = self._live.of_camera[camera]
        try:
            shot = self._photos.shot(camera)
        except Sam3RosError as error:
            figures.ledger.count_received()
            figures.failed(DropReason.UNDECODABLE, described(error))
            return
        if self._thread.offer(shot):  # else the same one waits already
            figures.ledger.count_received()

    def _on_watches(self) -> None:
        if self._player is not None:
            self._player.look_again()

    def _on_lap(self) -> None:
        for camera in self._live.of_camera:
            if self._thread.forget(camera):
                self._live.of_camera[camera].ledger.count_dropped(DropReason.SUPERSEDED)
        why = f"the {self._supply.name} began again"
        self._thread.submit(lambda: self._live.restart(why), needs_model=False)

    def _on_loaded(self, segmenter: Segmenter | None) -> None:
        self._thread.submit(lambda: self._begin(segmenter), needs_model=False)

    def _begin(self, segmenter: Segmenter | None) -> None:
        """Use the model; on the inference thread, so that what waits is asked before a picture."""
        if segmenter is not None:
            asking, live = self._asking, self._live
            live.use(PictureAnswerer(segmenter, lambda: asking.settings, live.end))
        self._thread.model_is_there()
        self._thread.submit(self._show_changes)

    def _tell_refusal(self, asked: Future[Verdict]) -> None:
        with suppress(Exception):
            verdict = asked.result()
            if not verdict.accepted and not self._is_closed:
                self._live.remarks.add(f"what was to be asked from the start: {verdict.reason}")

    def _require_holdable(self, camera: str) -> None:
        """Raise PromptError unless a picture of the camera can be held."""
        self._live.model  # noqa: B018 - raises without one
        if camera not in self._live.of_camera:
            raise PromptError("there is no such camera: choose one of those in the list")
        if self._held >= MOST_HELD:
            raise PromptError(
                f"{MOST_HELD} pictures are paused already, which is as many as are kept: let one go"
            )

    def _holding(self, kept: KeptPicture, view: View) -> Holding:
        """Hold a picture; on the inference thread."""
        self._held += 1
        live = self._live
        known = live.answered_with(kept, self._asking.settings.score_threshold)
        answers = [
            HeldAnswer(
                active,
                live.asked.label(active),
                found,
                live.asked.is_placed_on(active, kept.stamp_ns),
            )
            for active, found in known.items()
        ]
        held = HeldByLibrary(
            replace(kept),
            answers,
            view,
            self._asking.settings.score_threshold,
            live.model,
            self._thread,
            self._held_features.used,
            self._let_go,
        )
        return Holding(Verdict(True), held)

    def _let_go(self) -> None:
        self._held -= 1
