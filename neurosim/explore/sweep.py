"""Doing a study: every network simulated once, every point evaluated once, whatever was done before left as it is."""

from __future__ import annotations

import os
import tempfile
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, CancelledError, Executor, Future, wait
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np

from neurosim.errors import ChipError, NeurosimError
from neurosim.explore.axis import Value
from neurosim.explore.cluster import WorkerLostError
from neurosim.explore.findings import Findings, StudyPoint
from neurosim.explore.free import axis_costs, free_axes, free_words
from neurosim.explore.images import ImageCosts
from neurosim.explore.reading import load_study, study_of
from neurosim.explore.sampling import Settings
from neurosim.explore.store import Outcome, Store
from neurosim.explore.study import NETWORK, WEIGHT_BITS, Study, unused_packet_images
from neurosim.explore.task import FAILED, NEEDS, AnnTask, Task, done, failed, infeasible, recorded_in
from neurosim.explore.workers import processes
from neurosim.network.network import Network
from neurosim.spikes.executors import Courier
from neurosim.spikes.simulate import simulate

# Tasks that wait for a worker; more would only fill memory.
WAITING = 4096

Progress = Callable[[int, int], None]
Log = Callable[[str], None]


def sweep(
    study: Study | str | os.PathLike[str] | Mapping[str, Any],
    *,
    store: str | os.PathLike[str] | None = None,
    executor: Executor | None = None,
    workers: int = 1,
    progress: Progress | None = None,
    log: Log | None = None,
) -> Findings:
    """Do a *study*: a Study, its file, or the values of one.

    *store*: folder in which everything found is kept, and found again by this study and others; without, a temporary one.
    *executor*: a `Cluster`, or any other of PEP 3148, whose workers must see the store; without, so many *workers*, processes
    of this machine. The findings are the same bits for all of them. *progress* is told points done and points in all, *log*
    what is done besides, and first which axes cost nothing and what has no effect. Raises StudyError or FileError before any
    work starts if something is wrong with the study or the store.
    """
    found = study_from(study)
    log = log or (lambda text: None)
    with _folder(store) as folder:
        kept = Store(folder)
        for axis, chips in free_axes(axis_costs(found)).items():
            log(free_words(axis, chips))
        if unused := unused_packet_images(found):
            log(unused)
        with _unbroken(), nullcontext(executor) if executor else processes(workers) as pool:
            return _Sweep(found, kept, pool, progress or (lambda done, total: None), log).findings()


def study_from(study: Study | str | os.PathLike[str] | Mapping[str, Any]) -> Study:
    """A study as it is, from its file, or from the values of one, whose paths start at the current folder."""
    if isinstance(study, Study):
        return study
    return study_of(study, Path()) if isinstance(study, Mapping) else load_study(study)


@contextmanager
def _folder(store: str | os.PathLike[str] | None) -> Iterator[str]:
    if store is not None:
        yield str(Path(store).resolve())
        return
    with tempfile.TemporaryDirectory() as folder:
        yield folder


@contextmanager
def _unbroken() -> Iterator[None]:
    """Raises NeurosimError where workers die."""
    try:
        yield
    except (BrokenExecutor, CancelledError) as error:
        told = "a worker died, perhaps for lack of memory; what is done is kept: run it again with fewer workers"
        guard = "a script that starts processes needs its work under: if __name__ == '__main__':"
        raise NeurosimError(f"{told} ({guard})") from error


class Recorder:
    """Turns points of a study into tasks, and sees that the traces that they need are there."""

    def __init__(self, study: Study, store: Store, log: Log):
        self.study, self.store, self.log = study, store, log
        self.inputs = study.inputs.sha256
        self.networks: dict[str, Network] = {}
        self.quantized: dict[tuple[Value | None, Value | None], Network] = {}

    def task(self, settings: Settings, **other: str) -> Task | Outcome:
        """The task of a point, with *other* choices than those of the study; its outcome, if its chip contradicts itself."""
        try:
            chip = self.study.chip(settings)
        except ChipError as error:
            return infeasible(list(error.problems))
        network = self._network(settings)
        choice = self.study.choice(settings) | other
        return Task(
            store=str(self.store.folder), network=network.sha256, inputs=self.inputs, images=len(self.study.inputs),
            chip=chip.values, chip_sha256=chip.sha256, choice=choice, seed=self.study.seed,
            packet_images=self.study.packet_images, ann=AnnTask.of(self.study.ann),
        )  # fmt: skip

    def _network(self, settings: Settings) -> Network:
        """Every one is quantized once."""
        which = settings.get(NETWORK), settings.get(WEIGHT_BITS)
        if which not in self.quantized:
            self.quantized[which] = self.study.network(settings)
        network = self.quantized[which]
        return self.networks.setdefault(network.sha256, network)

    def record(self, tasks: Iterable[Task], executor: Executor | None = None) -> None:
        """Simulate what no trace is kept of."""
        for key, task in {task.trace_key: task for task in tasks}.items():
            network = self.networks[task.network]
            self.store.add_network(network)
            if not self.store.has_trace(key):
                trace = simulate(network, self.study.inputs, state_bits=task.state_bits, executor=executor)
                self.store.add_trace(key, trace)
                how = f"{len(trace):,} samples, {task.state_bits} state bits"
                self.log(f"simulated {_told(network)} on {how}, once for all chips")


def _told(network: Network) -> str:
    widths = sorted({layer.weight_bits for layer in network.layers if layer.weight_bits})
    return f"{network.name}, {'/'.join(map(str, widths))} weight bits," if widths else network.name


class _Sweep:
    """One study on its way."""

    def __init__(self, study: Study, store: Store, pool: Executor, progress: Progress, log: Log):
        self.study, self.store, self.pool, self.progress, self.log = study, store, pool, progress, log
        self.recorder = Recorder(study, store, log)

    def findings(self) -> Findings:
        settings = self.study.settings()
        rows = [StudyPoint(each, outcome) for each, outcome in zip(settings, self._outcomes(settings, {}), strict=True)]
        found, front = Findings(self.study, tuple(rows)), self.study.front
        if front is None:
            return found
        numbers = np.flatnonzero(found.rank == 1).tolist()
        best = [rows[number].settings for number in numbers]
        self.log(f"the front, {len(best):,} of {len(rows):,} points, with {front.timing} timing")
        closer = self._outcomes(best, {"timing": front.timing}, front.images)
        return found.with_closer(dict(zip(numbers, closer, strict=True)))

    def _outcomes(self, settings: list[Settings], other: dict[str, str], images: int | None = None) -> list[Outcome]:
        """Of every point; *images*: on the first so many samples."""
        asked = [self.recorder.task(each, **other) for each in settings]
        tasks = [task._replace(images=images or task.images) if isinstance(task, Task) else task for task in asked]
        open_tasks = {task.key: task for task in tasks if isinstance(task, Task)}
        kept = {key: _compact(outcome) for key in open_tasks if (outcome := self.store.point(key)) is not None}
        if kept:
            self.log(f"{len(kept):,} of {len(open_tasks):,} points are known from before")
        total = len(open_tasks)
        self.progress(len(kept), total)
        for key, outcome in self._done([task for key, task in open_tasks.items() if key not in kept]):
            if outcome["status"] != FAILED:
                self.store.keep(key, outcome)
            kept[key] = {"key": key, **_compact(outcome)}
            self.progress(len(kept), total)
        return [kept[task.key] if isinstance(task, Task) else task for task in tasks]

    def _done(self, tasks: list[Task]) -> Iterator[tuple[str, Outcome]]:
        """(key, outcome) of every task, in the order in which workers are done with them."""
        self.recorder.record(tasks, self.pool)
        waiting, running = deque(tasks), dict[Future[Outcome], Task]()
        try:
            while waiting or running:
                while waiting and len(running) < WAITING:
                    task = waiting.popleft()
                    # Another study with the same store may have been here.
                    if (known := self.store.point(task.key)) is not None:
                        yield task.key, known
                    else:
                        running[self._submitted(task)] = task
                for future in wait(running, return_when=FIRST_COMPLETED).done if running else ():
                    task, outcome = running.pop(future), _outcome(future)
                    if outcome["status"] != NEEDS:
                        yield task.key, outcome
                        continue
                    narrow = task._replace(state_bits=outcome["state_bits"])
                    self.recorder.record([narrow], self.pool)
                    waiting.append(narrow)
        finally:
            for future in running:
                future.cancel()

    def _submitted(self, task: Task) -> Future[Outcome]:
        """The point on its way to a worker, with what it needs where that is not seen from there."""
        if not isinstance(self.pool, Courier):
            return self.pool.submit(done, task)
        needed = self.pool.bring(task.trace_key, lambda: recorded_in(task.store, task.network, task.trace_key))
        return self.pool.submit(done, task, needed)


def _compact(outcome: Outcome) -> Outcome:
    """With the numbers of its images in arrays, which take a quarter of the memory."""
    images = outcome.get("images")
    return outcome if images is None else outcome | {"images": ImageCosts.read(images)}


def _outcome(future: Future[Outcome]) -> Outcome:
    try:
        return future.result()
    except WorkerLostError as error:
        return failed(str(error))
