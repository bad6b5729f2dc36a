"""Replays a bag through the node over real DDS and accounts for each image."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace

from sam3_ros.core.out_folder import OutFolder
from sam3_ros.replay.ask.cues import asked_at
from sam3_ros.replay.ask.plan import ReplayPlan, read_plan
from sam3_ros.replay.ask.settings import Player, ReplaySettings
from sam3_ros.replay.bag.bag import open_bag
from sam3_ros.replay.client.camera_record import CameraRecord
from sam3_ros.replay.client.client import OnAnswer
from sam3_ros.replay.play.ros2_player import PLAYER_LOG, ros2_command
from sam3_ros.replay.play.schedule import OnProgress
from sam3_ros.replay.play.session import ReplaySession
from sam3_ros.replay.report.pictures import OverlayAlbum, album_files
from sam3_ros.replay.report.report import CameraResult, ReplayReport, account_frames, latency_of
from sam3_ros.replay.under_test.diagnostics import FrameCounts
from sam3_ros.replay.under_test.node import NODE_LOG
from sam3_ros.ros.launching.dds import use_image_profile
from sam3_ros.ros.node.process import keep_image_memory

Albums = Mapping[str, OverlayAlbum]


def replay(
    settings: ReplaySettings, progress: OnProgress, on_answer: OnAnswer | None = None
) -> ReplayReport:
    """Play the bag and report.

    progress: called after each message and prompt. on_answer: gets every answer, in another
    thread, one at a time; what it raises ends the replay.

    Sets the process's environment for Fast DDS. Raises BagError, NodeFailedError, ReplayError;
    OutputExistsError for files of others in the folder `out`.
    """
    if settings.player is Player.ROS2:
        ros2_command()
    use_image_profile(os.environ)
    keep_image_memory()
    with ExitStack() as stack:
        bag = stack.enter_context(open_bag(settings.bag, settings.node.name))
        plan = read_plan(bag, settings)
        if settings.out is not None:
            out = stack.enter_context(OutFolder(settings.out, force=settings.force))
            out.claim(*_file_names(settings))
        albums = _albums(plan)
        for album in albums.values():
            stack.callback(album.discard)
        others_play = settings.player is Player.ROS2
        cameras = {
            camera.name: CameraRecord(camera, stamps_from_bag=others_play)
            for camera in plan.cameras
        }
        began = time.monotonic()
        session = ReplaySession(plan, cameras, albums, on_answer, stack.enter_context(ExitStack()))
        session.start()
        lateness = session.play(progress)
        counts = session.settle()
        session.close()
        seconds = time.monotonic() - began
        files = [str(file) for album in albums.values() for file in album.close()]
        remarks = [remark for album in albums.values() for remark in album.remarks]
        report = _report(plan, cameras, counts, seconds, lateness)
        return replace(report, files=tuple(files), file_remarks=tuple(remarks))


def _report(
    plan: ReplayPlan,
    cameras: Mapping[str, CameraRecord],
    counts: Mapping[str, FrameCounts],
    seconds: float,
    lateness: float,
) -> ReplayReport:
    latencies = [delay for camera in cameras.values() for delay in camera.log.latencies]
    return ReplayReport(
        bag=str(plan.settings.bag),
        node=plan.settings.node.name,
        seconds=seconds,
        cameras=tuple(_camera_report(each, counts[name]) for name, each in cameras.items()),
        latency=latency_of(latencies),
        prompts=tuple(p for camera in cameras.values() for p in camera.statistics.reports()),
        tracks=tuple(
            track
            for camera in cameras.values()
            for track in camera.tracks.reports(camera.statistics.titles)
        ),
        places=tuple(each for camera in cameras.values() for each in camera.places.reports()),
        has_places=any(camera.places for camera in plan.cameras),
        has_truth=plan.has_truth,
        prompt_warnings=tuple(
            dict.fromkeys(w for camera in cameras.values() for w in camera.prompt_warnings)
        ),
        publish_lateness_ms=lateness * 1000,
        remarks=plan.bag.remarks,
    )


def _camera_report(camera: CameraRecord, counts: FrameCounts) -> CameraResult:
    log = camera.log
    return CameraResult(
        name=camera.plan.name,
        frames=account_frames(log.sent_count, log.mask_count, counts),
        latency=latency_of(log.latencies),
        click_answers=log.click_answers,
        stray_masks=log.stray_masks,
        wrong_frame_ids=log.wrong_frame_ids,
        missing_scores=log.missing_scores,
    )


def _file_names(settings: ReplaySettings) -> list[str]:
    """Return the names of all files that a replay may write to its folder."""
    logs = [NODE_LOG] if settings.node.starts_here else []
    logs += [PLAYER_LOG] if settings.player is Player.ROS2 else []
    return [*logs, *(name for camera in settings.cameras for name in album_files(camera.name))]


def _albums(plan: ReplayPlan) -> dict[str, OverlayAlbum]:
    """Return an album for each camera; none without a folder."""
    settings = plan.settings
    if settings.out is None:
        return {}
    return {camera.name: _album(plan, camera.name, camera.times.period) for camera in plan.cameras}


def _album(plan: ReplayPlan, camera: str, period: float) -> OverlayAlbum:
    settings, period = plan.settings, period or 1.0
    assert settings.out is not None
    return OverlayAlbum(
        settings.out,
        plan.seconds,
        1 / period,
        lambda at: asked_at(settings.cues, at, period, camera),
        camera,
    )
