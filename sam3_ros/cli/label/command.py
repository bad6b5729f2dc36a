"""`sam3-ros label`: labels bags, videos and pictures, and goes on where it was."""

from __future__ import annotations

import argparse
import json
import sys
from typing import TYPE_CHECKING

from sam3_ros.cli.command import add_command
from sam3_ros.cli.label.options import (
    add_options,
    inputs_of,
    prompts_of,
    selection_of,
)
from sam3_ros.cli.label.progress import LabelProgressLine
from sam3_ros.cli.label.summary import print_summary, tell
from sam3_ros.cli.model_options import configured_model
from sam3_ros.cli.needs import require
from sam3_ros.cli.progress import ProgressLine
from sam3_ros.core.exit_codes import ExitCode

if TYPE_CHECKING:
    from collections.abc import Callable

    from sam3_ros.cli.command import Commands
    from sam3_ros.cli.model_options import ConfiguredModel
    from sam3_ros.label.engine import Engine
    from sam3_ros.label.job import LabelJob
    from sam3_ros.label.run.labelling import LabelSettings
    from sam3_ros.label.run.report import LabelReport


def register(commands: Commands) -> None:
    """Declare the command."""
    parser = add_command(
        commands,
        "label",
        "label bags, videos and pictures by words: masks as bags, COCO, Parquet and a page to look "
        "at; goes on where it was",
        """
        sam3-ros label drive.mcap --text "a car; person" --out labels
        sam3-ros label archive/ --text "red cube" --rate 2 --workers 8 --out labels
        sam3-ros label archive/ --text "red cube" --track --formats coco,review --out tracks
        sam3-ros label --list bags.txt --prompts prompts.yaml --topic /front/image --out labels
        sam3-ros label archive/ --text "red cube" --ray auto --out /shared/labels
        """,
        _run,
    )
    add_options(parser)


def _run(options: argparse.Namespace) -> int:
    require("rosbags", "mcap", "zstandard", "lz4", "sensor_msgs")
    from sam3_ros.label.run.labelling import run_labelling

    settings = _settings(options)
    with ProgressLine() as line:
        report = run_labelling(settings, LabelProgressLine(line))
    if options.json:
        print(json.dumps(report.document(), indent=2))
    print_summary(report, options.out, sys.stderr if options.json else sys.stdout)
    return _exit_code(report)


def _exit_code(report: LabelReport) -> ExitCode:
    if not report.frames:
        return ExitCode.REFUSED
    return ExitCode.OK if report.is_whole else ExitCode.UNSATISFIED


def _settings(options: argparse.Namespace) -> LabelSettings:
    """Check all that can be checked before the work begins."""
    from sam3_ros.core.errors import Sam3RosError
    from sam3_ros.core.images.size_bound import MAX_MEGAPIXELS
    from sam3_ros.core.trial.trial import require_tried
    from sam3_ros.label.job import LabelJob
    from sam3_ros.label.outputs.formats import FORMATS
    from sam3_ros.label.run.labelling import LabelSettings
    from sam3_ros.label.work_names import WORK

    names, prompts, selection = inputs_of(options), prompts_of(options), selection_of(options)
    for name in options.formats:
        FORMATS[name].require()
        FORMATS[name].require_numbered(len(prompts))
    make_engine = _engine_maker(options)
    if options.resume and not (options.out / WORK).is_dir():
        raise Sam3RosError(f"nothing to resume: no labelling was begun in {options.out}")
    if options.threads is None:
        options.threads = 1
    model = configured_model(options)
    job = LabelJob(
        bundle=str(model.bundle.path),
        plan=model.plan,
        threads=model.threads or 1,
        prompts=prompts,
        work="",
        track=options.track,
        bit_depth=options.bit_depth,
        max_megapixels=options.max_megapixels or MAX_MEGAPIXELS,
        cuda_graphs=options.cuda_graphs,
    )
    tell(_warnings(model, job))
    require_tried(model.bundle, model.plan, job.threads)  # once, not once a worker
    return LabelSettings(
        names, options.out, model.bundle, job, selection, options.formats, make_engine
    )


def _warnings(model: ConfiguredModel, job: LabelJob) -> list[str]:
    """Return what a person should know of the prompts. Raises PromptError for one not answered."""
    from sam3_ros.core.segmenter.checks import require_capability
    from sam3_ros.core.segmenter.remarks import Remarks
    from sam3_ros.core.segmenter.text import ClipTokenizer

    manifest = model.bundle.manifest
    for prompt in job.prompts:
        require_capability(prompt.concept, manifest)
    assert manifest.concept is not None  # a text is answered
    tokenizer = ClipTokenizer(model.bundle.tokenizer_file, manifest.concept.tokenizer)
    remarks = Remarks(manifest, tokenizer)
    return [each for prompt in job.prompts for each in remarks.on(prompt.concept)]


def _engine_maker(options: argparse.Namespace) -> Callable[[LabelJob], Engine]:
    """Return what makes the engine. Raises Sam3RosError where Ray is asked for and not here."""
    if options.ray is not None:
        from sam3_ros.label.cluster.needs import require_ray

        require_ray()
        return lambda job: _ray_engine(job, options)
    return lambda job: _local_engine(job, options)


def _local_engine(job: LabelJob, options: argparse.Namespace) -> Engine:
    from sam3_ros.label.local.local_engine import LocalEngine
    from sam3_ros.label.local.room import default_workers

    return LocalEngine(job, options.workers or default_workers(job))


def _ray_engine(job: LabelJob, options: argparse.Namespace) -> Engine:
    from sam3_ros.label.cluster.ray_engine import RayEngine

    return RayEngine(job, options.ray, options.workers)
