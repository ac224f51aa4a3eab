"""What every core did, packet by packet, for https://ui.perfetto.dev (Chrome's trace event format)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from neurosim.io.hdf5 import replacing
from neurosim.mapping.demand import joined
from neurosim.mapping.mapping import Mapping
from neurosim.noc.traffic import Journey, Traffic
from neurosim.outcome.times import Times

CORES, TURNS = 1, 2
LIMIT_BYTES = 64 * 2**20


class PerfettoTrace:
    """Records turns into *path* until the file would be larger than *limit* bytes; a context that moves the file into place.

    Every core is a track with a slice for each packet that it works on, for work of its own and for its update; a further track
    has the turns. Timestamps are microseconds of the modelled chip. Of a sample of steps, the turns of these follow each other
    without the gaps in which others ran; `sampled` makes the file and `summary` say so.
    """

    def __init__(self, path: Path, mapping: Mapping, limit: int = LIMIT_BYTES):
        self.mapping, self.limit = mapping, limit
        self.size = self.turns = self.cut = 0
        self.images: Sequence[int] = ()
        self.steps: list[tuple[int, int]] = []
        self.of = 0
        self._target = replacing(path)

    def __enter__(self) -> Self:
        self._file = self._target.__enter__().open("w", encoding="utf-8")
        self._write('{"displayTimeUnit": "ns", "traceEvents": [\n')
        self._event(ph="M", name="process_name", pid=CORES, tid=0, args={"name": f"cores of {self.mapping.chip.name}"})
        self._event(ph="M", name="process_name", pid=TURNS, tid=0, args={"name": "turns"})
        for bricks, core in zip(self.mapping.held, self.mapping.used.tolist(), strict=True):
            name = f"core {core} {self.mapping.grid.xy(core)}: {joined(self.mapping.network, bricks)}"
            self._event(ph="M", name="thread_name", pid=CORES, tid=core, args={"name": name})
        return self

    def __call__(self, turn: int, start: int, traffic: Traffic, journey: Journey) -> None:
        """Record a turn that begins at cycle *start*."""
        self.turns += 1
        if self.cut:
            self.cut += 1
            return
        lines = [self._line(event) for event in self._slices(turn, start, traffic, journey)]
        if self.size + sum(map(len, lines)) > self.limit:
            self.cut = 1
            return
        for line in lines:
            self._write(line)

    def sampled(self, time: Times) -> None:
        """The turns are those of the steps that were timed closely, of all where there is no such sample."""
        images, steps = time.steps.shape
        self.images, self.of = time.sample.images or range(images), images * steps
        self.steps = [divmod(row, steps) for row in time.sample.rows or range(images * steps)]

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        about = {
            "turns": self.turns, "turns_left_out": self.cut, "limit_bytes": self.limit, "time": "modelled, not measured",
            "images": list(self.images), "steps": self.steps,
        }  # fmt: skip
        self._write(f'{{"ph": "M", "name": "trace_end", "pid": 0}}\n], "otherData": {json.dumps(about)}}}\n')
        self._file.close()
        self._target.__exit__(kind, error, trace)

    @property
    def summary(self) -> str:
        """What was recorded, and what was not."""
        timed = "" if len(self.steps) == self.of else f" of the {len(self.steps):,} of {self.of:,} steps timed by packets"
        if not self.cut:
            return f"{self.turns:,} turns{timed}"
        kept = f"the first {self.turns - self.cut:,} of {self.turns:,} turns{timed}"
        return f"{kept}: the file may have {self.limit / 2**20:.0f} MiB"

    def _slices(self, turn: int, start: int, traffic: Traffic, journey: Journey) -> Iterator[dict[str, Any]]:
        barrier = self.mapping.chip.operation.barrier.cycles
        args = {"packets": len(traffic), "flit_hops": int(journey.flits.sum())}
        yield self._slice(TURNS, 0, f"turn {turn}", start, journey.cycles, args)
        yield self._slice(TURNS, 1, "barrier", start + journey.cycles - barrier, barrier, {})
        for core in self.mapping.used.tolist():
            occupied, update = int(traffic.occupied[core]), int(traffic.update[core])
            if traffic.work[core]:
                yield self._slice(CORES, core, "image", start + occupied - int(traffic.work[core]), int(traffic.work[core]), {})
            if update:
                yield self._slice(CORES, core, "update", start + journey.delivered, update, {})
        for target, packet in enumerate(traffic.owner.tolist()):
            if journey.started[target] >= 0 and traffic.service[target]:
                waited = int(journey.started[target] - journey.arrived[target])
                about = {"from": int(traffic.source[packet]), "queued": waited}
                begin = start + int(journey.started[target])
                yield self._slice(CORES, int(traffic.target[target]), "packet", begin, int(traffic.service[target]), about)

    def _slice(self, process: int, thread: int, name: str, start: int, cycles: int, args: dict[str, Any]) -> dict[str, Any]:
        microseconds = 1e6 / self.mapping.chip.clock.hz
        times = {"ts": round(start * microseconds, 6), "dur": round(cycles * microseconds, 6)}
        return {"ph": "X", "name": name, "pid": process, "tid": thread, **times, "args": args}

    def _event(self, **event: Any) -> None:
        self._write(self._line(event))

    @staticmethod
    def _line(event: dict[str, Any]) -> str:
        return json.dumps(event) + ",\n"

    def _write(self, text: str) -> None:
        self.size += len(text)
        self._file.write(text)
