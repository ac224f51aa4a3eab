"""A Dask cluster as an executor (PEP 3148) whose workers see no file of the client."""

from __future__ import annotations

import pickle
import re
from collections.abc import Callable, Mapping
from concurrent.futures import Executor, Future
from functools import partial
from importlib.metadata import version
from platform import python_version_tuple
from typing import Any
from uuid import uuid4

from neurosim.errors import NeurosimError
from neurosim.version import __version__

# Seconds in which a scheduler must answer.
PATIENCE = 10
SCHEDULER = "the scheduler"


class ClusterError(NeurosimError):
    """A cluster that is not there, or not any more."""


class VersionsError(NeurosimError):
    """Client and workers would not find the same."""


class WorkerLostError(NeurosimError):
    """A task that no worker survives."""


class Cluster(Executor):
    """The workers of a Dask scheduler, for every function that takes an *executor*::

        with Cluster("tcp://10.0.0.1:8786") as cluster:
            ns.sweep("study.toml", store="store", executor=cluster)

    Networks and traces travel by `bring`: the scheduler keeps them, and every worker fetches each once, from another worker
    where one has it. So a worker may join at any time; what one did that dies, another does again. Results come back; what is
    kept of them is kept where the client is.
    """

    def __init__(self, address: str):
        """Raises ClusterError where Dask is not installed or no scheduler answers, VersionsError where a worker or the
        scheduler has other versions than this process."""
        if not re.fullmatch(r"(\w+://)?[^\s/:]+:\d{1,5}", str(address)):
            raise ClusterError(f"Dask at {address}: no address of a scheduler; give one like tcp://127.0.0.1:8786")
        try:
            from distributed import Client
        except ImportError:
            raise ClusterError("Dask is not installed: python -m pip install 'neurosim-hw[dask]'") from None
        try:
            self.client = Client(address, timeout=PATIENCE, set_as_default=False)
        except (OSError, ValueError) as error:
            raise ClusterError(f"Dask at {address}: no scheduler answers: {error}") from None
        self.address = address
        self.things: dict[str, Any] = {}
        self.versions = versions()
        try:
            self._check()
        except BaseException:
            self.client.close()
            raise
        self.pool = self.client.get_executor(pure=False)

    @property
    def workers(self) -> int:
        """How many there are now."""
        return len(self.client.nthreads())

    def submit(self, function: Callable[..., Any], /, *args: Any, **named: Any) -> Future[Any]:
        """The call as a task; its error is WorkerLostError where every worker that tries it dies, ClusterError where the
        scheduler does."""
        name = getattr(function, "func", function).__name__
        asked = self.pool.submit(_called, self.versions, partial(function, **named), *args, key=f"{name}-{uuid4().hex}")
        found = Future[Any]()
        found.add_done_callback(lambda future: asked.cancel() if future.cancelled() else None)
        asked.add_done_callback(partial(self._pass_on, found))
        return found

    def bring(self, key: str, make: Callable[[], Any]) -> Any:
        """See `neurosim.spikes.executors`. The scheduler holds it as bytes and a call that unpacks them, so that it is made
        again where all workers that had it are gone."""
        if key not in self.things:
            import dask

            # Each of these graphs is as large as what it brings, and meant to be.
            with dask.config.set({"distributed.admin.large-graph-warning-threshold": "1TiB"}):
                packed = pickle.dumps(make(), pickle.HIGHEST_PROTOCOL)
                self.things[key] = self.client.submit(pickle.loads, packed, key=f"brought-{uuid4().hex}", pure=False)
        return self.things[key]

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Leave the cluster; it goes on."""
        self.pool.shutdown(wait=wait and not cancel_futures)
        self.things.clear()
        self.client.close()

    def _pass_on(self, found: Future[Any], asked: Future[Any]) -> None:
        """The outcome of one future to another."""
        from distributed import KilledWorker

        if found.cancelled():
            return
        error = ClusterError(f"Dask at {self.address}: the scheduler is gone") if asked.cancelled() else asked.exception()
        if isinstance(error, KilledWorker):
            error = WorkerLostError(f"{error.allowed_failures + 1} workers died of it, perhaps for lack of memory")
        if error is None:
            found.set_result(asked.result())
        else:
            found.set_exception(error)

    def _check(self) -> None:
        found = {SCHEDULER: self.client.run_on_scheduler(versions)} | {
            f"worker {address}": told for address, told in self.client.run(versions, on_error="return").items()
        }
        problems = [text for where, told in found.items() if (text := difference(where, told, self.versions))]
        if problems:
            raise VersionsError("\n".join(problems))


def versions() -> dict[str, str]:
    """What must be the same everywhere, for the same bits."""
    python = ".".join(python_version_tuple()[:2])
    return {"neurosim": __version__, "python": python} | {name: version(name) for name in ("numpy", "numba")}


def difference(where: str, theirs: Mapping[str, str] | BaseException, ours: Mapping[str, str]) -> str | None:
    """In words, what is other at one end than at the client; None where nothing is."""
    if isinstance(theirs, BaseException):
        why = f"{type(theirs).__name__}: {theirs}"
        return f"{where} cannot tell its versions ({why}); install neurosim {ours['neurosim']} there"
    other = [f"{name} {theirs.get(name)}, not {wanted}" for name, wanted in ours.items() if theirs.get(name) != wanted]
    return f"{where} has {'; '.join(other)} as here; install the same versions" if other else None


def _called(ours: dict[str, str], function: Callable[..., Any], *args: Any) -> Any:
    """Runs at the worker, which may have joined after the others were asked for their versions."""
    theirs = versions()
    if theirs != ours:
        from distributed import get_worker

        raise VersionsError(str(difference(f"worker {get_worker().address}", theirs, ours)))
    return function(*args)
