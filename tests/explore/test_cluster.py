"""A Dask cluster whose workers see nothing of the client: the same tables, whoever dies or joins; equal versions, or words."""

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

import neurosim as ns
from neurosim.explore.cluster import Cluster, ClusterError, VersionsError, WorkerLostError, difference, versions
from neurosim.explore.reading import study_of
from neurosim.io import trace_blocks
from neurosim.spikes.executors import Courier, brought
from tests.helpers.samples import call
from tests.helpers.studies import filled, values

ROOT = Path(__file__).parents[2]
# At a worker: what Python opens in the folder of the client is an error, where it is not hidden anyway.
GUARD = """
import sys

def guard(event, given):
    if event == "open" and str(given[0]).startswith({client!r}):
        raise PermissionError(f"a worker opens {{given[0]}}")

sys.addaudithook(guard)
"""
OLD = "from neurosim.explore import cluster; cluster.__version__ = '0.0.1'"
MANY = {"core.lanes": [1, 2, 3, 4, 6, 8, 12, 16], "core.max_neurons": [8, 40, 1], "clock.hz": [1e8, 2e8, 3e8, 4e8, 5e8]}


class Trial:
    """A scheduler, and workers that are processes in folders of their own, from which the folder of the client is hidden."""

    def __init__(self, client: Path, others: Path):
        self.client, self.others, self.workers = client, others, {}
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.address = f"tcp://127.0.0.1:{free.getsockname()[1]}"
        self.running = [self._started("dask_scheduler", "--host", "127.0.0.1", "--port", self.address.split(":")[-1])]

    def _started(self, module, *words, cwd=None, prefix=()):
        environment = os.environ | {"PYTHONPATH": str(ROOT), "DASK_DISTRIBUTED__LOGGING__DISTRIBUTED": "error"}
        words = [*prefix, sys.executable, "-m", f"distributed.cli.{module}", *words, "--no-dashboard"]
        return subprocess.Popen(words, cwd=cwd or self.others, env=environment, stderr=subprocess.DEVNULL)

    def join(self, name, preload=None):
        """Start a worker, and wait until the scheduler knows it."""
        from distributed import Client

        folder = self.others / name
        folder.mkdir()
        (folder / "preload.py").write_text(preload or GUARD.format(client=str(self.client)))
        words = ("--nworkers", "1", "--nthreads", "1", "--no-nanny", "--name", name, "--preload", str(folder / "preload.py"))
        words = (self.address, "--local-directory", str(folder), *words)
        hidden = ("sh", "-c", f'mount -t tmpfs none "{self.client}" && exec "$@"', "sh")
        apart = [("unshare", "-m"), ("unshare", "-rm")]
        usable = (a for a in apart if not subprocess.run([*a, *hidden, "true"], stderr=subprocess.DEVNULL).returncode)
        way = next(usable, None)
        self.hidden = way is not None
        self.workers[name] = self._started("dask_worker", *words, cwd=folder, prefix=(*way, *hidden) if way else ())
        self.running.append(self.workers[name])
        with Client(self.address, timeout=60, set_as_default=False) as client:
            begun = time.monotonic()
            while name not in {told["name"] for told in client.scheduler_info(-1)["workers"].values()}:
                assert time.monotonic() - begun < 60, f"worker {name} does not come"
                time.sleep(0.05)

    def kill(self, name):
        os.kill(self.workers[name].pid, signal.SIGKILL)

    def end(self):
        for process in self.running:
            process.kill()
            process.wait()


@contextmanager
def trial(client, others, *names):
    made = Trial(client, others)
    try:
        for name in names:
            made.join(name)
        yield made
    finally:
        made.end()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    pytest.importorskip("distributed")
    return filled(tmp_path_factory.mktemp("client"))


@pytest.fixture(scope="module")
def pair(folder, tmp_path_factory):
    """Two workers."""
    with trial(folder, tmp_path_factory.mktemp("others"), "one", "two") as made:
        yield made


@pytest.mark.slow
def test_workers_that_see_nothing_of_the_client_find_the_same(folder, pair):
    given = ("sweep", folder / "study.toml", "-o")
    found = call(*given, folder / "out", "--dask", pair.address)
    assert found.code == 0 and f"2 workers at {pair.address}" in found.err, found.err
    assert call(*given, folder / "alone", "--workers", "1").code == 0
    assert (folder / "out" / "table.csv").read_bytes() == (folder / "alone" / "table.csv").read_bytes()
    with Cluster(pair.address) as cluster:
        seen = cluster.client.run(os.listdir, str(folder)).values()
        assert len(seen) == 2 and ((not pair.hidden) or not any(seen))


@pytest.mark.slow
def test_run_and_trace_share_the_simulation(folder, pair, monkeypatch):
    monkeypatch.setattr(sys.modules["neurosim.spikes.simulate"], "SLICE_IMAGES", 2)
    where = ("--dask", pair.address)
    for words, given in ((("trace",), ("-o",)), (("run",), ("--timing", "analytic", "--trace"))):
        traces = []
        for name, more in (("there", where), ("here", ())):
            path = folder / f"{words[0]}-{name}.h5"
            found = call(*words, folder / "net.h5", folder / "in.h5", *more, *given, path)
            assert found.code == 0, found.err
            traces.append(ns.load_trace(path))
        assert traces[0].outputs.tolist() == traces[1].outputs.tolist() and not any(ns.mismatches(*traces).values())


@pytest.mark.slow
def test_an_interrupted_trace_continues_on_workers(folder, pair, monkeypatch):
    monkeypatch.setattr(trace_blocks, "BLOCK_IMAGES", 2)
    words = ("trace", folder / "net.h5", folder / "in.h5", "-o", folder / "continued.h5", "--checkpoints", folder / "blocks")
    with monkeypatch.context() as patched:
        patched.setattr(trace_blocks.TraceBlocks, "remove", lambda blocks: None)
        assert call(*words).code == 0
    whole = ns.load_trace(folder / "continued.h5")
    next((folder / "blocks").glob("*/000001.h5")).unlink()
    found = call(*words, "--dask", pair.address)
    assert found.code == 0 and "continues: 4 of 6" in found.err, found.err
    assert not any(ns.mismatches(whole, ns.load_trace(folder / "continued.h5")).values())


@pytest.mark.slow
def test_what_is_brought_is_made_once_and_fetched_once_by_each_worker(folder, pair):
    made = []
    with Cluster(pair.address) as cluster:
        given = [cluster.bring("thing", lambda: made.append(1) or bytes(10**6)) for _ in range(3)]
        assert made == [1] and len({id(thing) for thing in given}) == 1
        assert [future.result() for future in [cluster.submit(len, thing) for thing in given * 20]] == [10**6] * 60
        held = [keys for keys in cluster.client.has_what().values() if any("brought" in str(key) for key in keys)]
        assert len(held) == 2


@pytest.mark.slow
def test_a_worker_that_dies_and_one_that_joins_change_nothing(folder, tmp_path):
    study = study_of(values(axes=MANY, timing="analytic"), folder)
    with trial(folder, tmp_path, "one", "two") as made, Cluster(made.address) as cluster, ThreadPoolExecutor(1) as beside:
        done = threading.Event()
        going = beside.submit(
            ns.sweep, study, store=folder / "kept", executor=cluster, progress=lambda n, of: done.set() if n > 9 else None
        )
        assert done.wait(120)
        made.kill("one")
        made.join("three")
        while len(cluster.client.nthreads()) != 2:
            time.sleep(0.05)
        assert not going.done(), "the study was over before the worker came"
        made.kill("two")
        found = going.result(120)
    with ThreadPoolExecutor(1) as pool:
        alone = ns.sweep(study, store=folder / "alone kept", executor=pool)
    assert found.csv == alone.csv and found.failed == 0


@pytest.mark.slow
@pytest.mark.parametrize("address", ["x", "", "tcp://127.0.0.1", "127.0.0.1:port", "tcp://a b:8786"])
def test_what_is_no_address_is_refused_at_once(address):
    with pytest.raises(ClusterError, match=r"no address of a scheduler; give one like tcp://127\.0\.0\.1:8786"):
        Cluster(address)


def test_a_worker_of_another_version_is_named(folder, tmp_path):
    with trial(folder, tmp_path, "one") as made:
        with Cluster(made.address) as cluster:
            cluster.versions = cluster.versions | {"numba": "0.0"}
            with pytest.raises(VersionsError, match=r"worker tcp://.* has numba .*, not 0\.0 as here"):
                cluster.submit(len, "").result()
        made.join("old", OLD)
        found = call("run", folder / "net.h5", folder / "in.h5", "--dask", made.address)
        assert found.code == 2, found
        assert re.search(rf"worker tcp://\S+ has neurosim 0\.0\.1, not {re.escape(ns.__version__)} as here", found.err)
        assert "Traceback" not in found.err and found.err.count("worker tcp") == 1


@pytest.mark.slow
def test_a_scheduler_that_goes_is_said(folder, tmp_path):
    with trial(folder, tmp_path, "one") as made, Cluster(made.address) as cluster:
        waiting = cluster.submit(time.sleep, 60)
        made.running[0].kill()
        with pytest.raises(ClusterError, match="the scheduler is gone"):
            waiting.result(60)


def test_versions_are_compared_by_name():
    ours = versions()
    assert set(ours) == {"neurosim", "numpy", "numba", "python"} and re.fullmatch(r"\d+\.\d+", ours["python"])
    assert difference("worker a", ours, dict(ours)) is None
    assert difference("worker a", ours | {"numpy": "1.0"}, ours) == (
        f"worker a has numpy 1.0, not {ours['numpy']} as here; install the same versions"
    )
    told = difference("worker a", ModuleNotFoundError("No module named 'neurosim'"), ours)
    assert told.startswith("worker a cannot tell its versions (ModuleNotFoundError") and ours["neurosim"] in told


def test_a_task_that_kills_every_worker_fails_and_the_others_go_on(folder, monkeypatch):
    killed = pytest.importorskip("distributed").KilledWorker
    found, asked = Future(), Future()
    asked.add_done_callback(partial(Cluster._pass_on, None, found))
    asked.set_exception(killed("task", None, 3))
    with pytest.raises(WorkerLostError, match="4 workers died of it"):
        found.result()
    with ThreadPoolExecutor(1) as pool:
        submit, number = pool.submit, iter(range(100))
        monkeypatch.setattr(pool, "submit", lambda *given: found if next(number) == 1 else submit(*given))
        rows = ns.sweep(study_of(values(axes={"core.lanes": [1, 2]}, timing="analytic"), folder), executor=pool)
    assert sorted(rows.status) == ["failed", "ok"]


def test_only_couriers_are_asked_to_bring():
    class Carrying(ThreadPoolExecutor):
        def bring(self, key, make):
            return key

    with ThreadPoolExecutor(1) as plain, Carrying(1) as carrying:
        assert isinstance(carrying, Courier) and not isinstance(plain, Courier)
        assert brought(plain, "key", lambda: "made") == "made"
        assert brought(carrying, "key", lambda: "made") == "key"
