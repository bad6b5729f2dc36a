"""The engine of a cluster: Ray Data maps chunks over a pool of actors, each with a model.

A row is a chunk: what it is, not its images, which the actor reads from the shared file system, as
it writes the answer there. So the object store has some kilobytes of each chunk, and nothing else.
"""

from __future__ import annotations

import gc
import json
import math
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from secrets import token_hex
from typing import Any

from sam3_ros import __version__
from sam3_ros.core.backends.gpu_libraries import BACKENDS_ON_GPU
from sam3_ros.label.chunk import Chunk
from sam3_ros.label.cluster.chunk_actor import ActorOrders, ChunkActor, Load
from sam3_ros.label.cluster.ray_session import ClusterError, RaySession
from sam3_ros.label.engine import MOST_TRIES, ChunkFigures, ChunkOutcome
from sam3_ros.label.job import LabelJob

#: Chunks that the driver knows at a time: a dataset. Actors load their model anew for each, which
#: is nothing beside so many chunks; the driver's memory does not grow with the archive.
WAVE = 20_000
Row = dict[str, Any]
_DIED = f"its worker died {MOST_TRIES} times: out of memory, or a fault of a library"


class RayEngine:
    """Runs chunks on actors of a Ray cluster."""

    def __init__(
        self,
        job: LabelJob,
        address: str = "",
        workers: int | None = None,
        *,
        load: Load | None = None,
        wave: int = WAVE,
    ) -> None:
        """Start nothing yet.

        address: as ray.init takes it; empty for a cluster of its own. workers: at most so many
        actors; by default as many as the cluster has room for. load: makes an actor's model; None
        for that of the job. wave: how many chunks the driver knows at a time.
        """
        self._job = job
        self._address = address
        self._workers = workers
        self._load = load
        self._wave = wave
        self._session: RaySession | None = None
        backends = {job.plan.default.backend, *(each.backend for each in job.plan.stages.values())}
        self._needs = {"num_cpus": float(job.threads)}
        if backends & set(BACKENDS_ON_GPU):
            self._needs["num_gpus"] = 1.0

    def run(self, chunks: Iterable[Chunk]) -> Iterator[ChunkOutcome]:
        """Yield how chunks ended, as Engine says. Raises ClusterError, OSError."""
        waiting = map(_row, chunks)
        wave = list(islice(waiting, self._wave))
        if not wave:
            return
        session = self._connected()
        with self._token() as token:
            while wave:
                yield from self._run_wave(wave, session, token)
                wave.clear()  # before the next one is there too
                gc.collect()  # a dataset that has run is a circle of references
                wave += islice(waiting, self._wave)

    def close(self) -> None:
        """Disconnect, and end a cluster of its own; closing twice is allowed."""
        if self._session is not None:
            self._session.close()
            self._session = None

    def _connected(self) -> RaySession:
        if self._session is None:
            workers = self._workers or len(os.sched_getaffinity(0)) // self._job.threads or 1
            self._session = RaySession(self._address, cpus=workers * self._job.threads)
        return self._session

    @contextmanager
    def _token(self) -> Iterator[Path]:
        """Yield a file that is there as long as the block lasts, with a name nobody knew."""
        token = Path(self._job.work) / f".ray-{token_hex(8)}"
        token.parent.mkdir(parents=True, exist_ok=True)
        token.touch()
        try:
            yield token
        finally:
            token.unlink(missing_ok=True)

    def _run_wave(
        self, wave: list[Row], session: RaySession, token: Path
    ) -> Iterator[ChunkOutcome]:
        missing = {(row["key"], row["number"]): None for row in wave}
        for row in self._rows(wave, session, token):
            place = row["key"], row["number"]
            if place not in missing:  # Ray has computed a row again that was lost on its way
                continue
            del missing[place]
            yield _outcome(*place, json.loads(row["told"]))
        for place in missing:
            yield ChunkOutcome(*place, None, _DIED)

    def _rows(self, wave: list[Row], session: RaySession, token: Path) -> Iterator[Row]:
        """Map the actors over the chunks. Raises ClusterError where they cannot start."""
        import ray
        from ray.data import ActorPoolStrategy
        from ray.exceptions import RayError

        most = self._workers or len(wave)
        room = _room(session.resources(), self._needs)
        if not room:
            raise ClusterError(
                f"a worker needs {_shown(self._needs)}, and no machine of the cluster has that: "
                "choose another --backend, or fewer --threads"
            )
        _configure()
        chunks = ray.data.from_items(wave, override_num_blocks=len(wave))
        orders = ActorOrders(json.dumps(self._job.document()), str(token), __version__, self._load)
        labelled = chunks.map(
            ChunkActor,
            fn_constructor_args=(orders,),
            compute=ActorPoolStrategy(
                min_size=1,
                max_size=min(most, len(wave)),
                initial_size=min(most, len(wave), room),
                # With a second one waiting, that would be blamed too where an actor dies.
                max_tasks_in_flight_per_actor=1,
            ),
            # Ray Data replaces an actor that died without being asked.
            max_task_retries=MOST_TRIES - 1,
            **self._needs,
        )
        try:
            yield from labelled.iter_rows()
        except RayError as error:
            raise ClusterError(f"the cluster gave up: {_first_line(error)}") from error


def _row(chunk: Chunk) -> Row:
    return {
        "key": chunk.source.key,
        "number": chunk.number,
        "chunk": json.dumps(chunk.document()),
    }


def _outcome(key: str, number: int, told: dict[str, Any]) -> ChunkOutcome:
    if "refused" in told:
        raise ClusterError(str(told["refused"]))
    if "unwritable" in told:
        raise OSError(*told["unwritable"])
    if "failed" in told:
        return ChunkOutcome(key, number, None, str(told["failed"]))
    return ChunkOutcome(key, number, ChunkFigures(**told["done"]))


def _configure() -> None:
    """Tell Ray Data what it shall do where something fails, and to be silent."""
    from ray.data import DataContext

    context = DataContext.get_current()
    context.max_errored_blocks = -1
    context.max_consecutive_actor_init_deaths = MOST_TRIES
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    # A chunk may take minutes, and a cluster may be full for hours.
    context.execution_no_progress_timeout_s = -1
    # Actors have one chunk each: a pool that is busy may grow as machines come.
    context.autoscaling_config.actor_pool_util_upscaling_threshold = 1.0


def _room(has: dict[str, float], needs: dict[str, float]) -> int:
    """Return how many workers fit into a cluster, all machines taken together."""
    names = {"num_cpus": "CPU", "num_gpus": "GPU"}
    return min(math.floor(has.get(names[each], 0) / amount) for each, amount in needs.items())


def _shown(needs: dict[str, float]) -> str:
    return " and ".join(f"{amount:g} {each[4:].upper()[:3]}" for each, amount in needs.items())


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)[:300]
