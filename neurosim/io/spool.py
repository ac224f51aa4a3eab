"""A trace that is simulated and used at once: a small one in memory, a large one in a file without a name."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import chain
from typing import BinaryIO

import h5py

from neurosim.errors import FileError
from neurosim.io.steady_file import SteadyFile
from neurosim.io.stored import CHUNK_BYTES
from neurosim.io.trace_file import TraceWriter
from neurosim.spikes.trace import SpikeTrace

# Of a trace that stays in memory.
SMALL_BYTES = 2**24


@contextmanager
def spooled(parts: Iterable[SpikeTrace], images: int) -> Iterator[SpikeTrace]:
    """The trace of so many *images*, of which *parts* are the samples. A large one is in the folder for temporary files
    (TMPDIR), and gone when the process is; raises FileError where there is no room."""
    coming, first = iter(parts), list[SpikeTrace]()
    for part in coming:
        first.append(part)
        if sum(each.nbytes for each in first) > SMALL_BYTES:
            break
    else:
        yield SpikeTrace.joined(first)
        return
    with ExitStack() as stack:
        yield _spooled(stack, chain(_taken(first), coming), images)


def _taken(parts: list[SpikeTrace]) -> Iterator[SpikeTrace]:
    """All *parts*, which are not kept here any longer."""
    while parts:
        yield parts.pop(0)


def _spooled(stack: ExitStack, parts: Iterable[SpikeTrace], images: int) -> SpikeTrace:
    content = SteadyFile(stack.enter_context(_temporary()))

    def check() -> None:
        if content.error is not None:
            raise _no_room(content.error)

    writer = TraceWriter(stack.enter_context(h5py.File(content, "w", rdcc_nbytes=2 * CHUNK_BYTES)), images, check)
    for part in parts:
        writer.add(part)
        network = part.network
    writer.finish()
    return writer.written(network)


def _temporary() -> BinaryIO:
    try:
        return tempfile.TemporaryFile(buffering=0)
    except OSError as error:
        raise _no_room(error) from error


def _no_room(error: OSError) -> FileError:
    reason = f"cannot hold the spike trace: {error.strerror or error}"
    return FileError(tempfile.gettempdir(), [f"{reason}; set TMPDIR to a folder with more room"])
