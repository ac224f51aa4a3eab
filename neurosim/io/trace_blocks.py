"""Blocks of a long trace, kept while it is simulated: the same command, begun again, takes those that are there."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Generator, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from neurosim.errors import FileError, NeurosimError
from neurosim.io.trace_file import opened_trace, pieces, writing_trace
from neurosim.network.inputs import Inputs
from neurosim.network.network import Network
from neurosim.spikes.simulate import Span
from neurosim.spikes.trace import SpikeTrace
from neurosim.version import __version__

BLOCK_IMAGES = 256


def check_checkpoints(path: Path) -> None:
    """Raise FileError if *path* is no folder in which blocks can be kept, nor one that can be made."""
    nearest = next(each for each in (path.absolute(), *path.absolute().parents) if os.path.lexists(each))
    problem = ""
    if not nearest.is_dir():
        problem = f"{'it' if nearest == path.absolute() else nearest} is not a folder"
    elif not os.access(nearest, os.W_OK | os.X_OK):
        problem = f"the folder {nearest} is not writable"
    if problem:
        raise FileError(str(path), [f"cannot hold checkpoints: {problem}"])


class TraceBlocks:
    """The trace of *inputs* in blocks of so many images, each a trace file; they are in a folder in *folder* that is named
    after everything that decides what they hold. *state_bits* and *changes* as they are simulated.

    *spans* are the samples of each block, *taken* those whose blocks were found whole.
    """

    def __init__(self, folder: Path, network: Network, inputs: Inputs, state_bits: int, changes: bool):
        self.network, self.inputs, self.state_bits, self.changes = network, inputs, state_bits, changes
        decisive = (__version__, network.sha256, inputs.sha256, len(inputs), state_bits, changes, BLOCK_IMAGES)
        self.folder = folder / hashlib.sha256(repr(decisive).encode()).hexdigest()[:16]
        self.spans = [(first, min(first + BLOCK_IMAGES, len(inputs))) for first in range(0, len(inputs), BLOCK_IMAGES)]
        self.taken = set[Span]()

    @property
    def missing(self) -> list[Span]:
        """What is to be simulated."""
        return [span for span in self.spans if span not in self.taken]

    def look(self, say: Callable[[str], None], done: Callable[[int], None]) -> None:
        """Read every block that is there, and take those that are whole; *say* what becomes of them, and call *done* with the
        number of images of each."""
        for span in self.spans:
            path = self.path(span)
            problem = self._problem(path, span) if path.exists() else None
            if problem:
                say(f"{path}: {problem}; its images are simulated anew")
            elif path.exists():
                self.taken.add(span)
                done(span[1] - span[0])
        if self.taken:
            say(self._where())

    def path(self, span: Span) -> Path:
        """Of a block."""
        return self.folder / f"{span[0] // BLOCK_IMAGES:06}.h5"

    def parts(self, coming: Iterator[SpikeTrace]) -> Generator[SpikeTrace]:
        """The trace of all samples, part after part; what is missing is *coming*, and kept before the next block begins. Raises
        FileError where it cannot be kept."""
        network = self.network.over(self.inputs.steps, self.inputs.frames is not None)
        for span in self.spans:
            found = self._read(self.path(span)) if span in self.taken else self._kept(span, coming)
            for part in found:
                yield replace(part, network=network, inputs_name=self.inputs.name)

    def remove(self) -> None:
        """Delete the blocks, what was left of them by commands that were killed, and their folder; what is not theirs stays."""
        with suppress(OSError):
            for path in map(self.path, self.spans):
                for each in (path, *self.folder.glob(f".{path.name}.*.tmp")):
                    each.unlink(missing_ok=True)
            self.folder.rmdir()

    def _where(self) -> str:
        """How much of the trace is there."""
        kept = sum(end - start for start, end in self.taken)
        return f"continues: {kept:,} of {len(self.inputs):,} images are there, {len(self.inputs) - kept:,} are simulated"

    def _problem(self, path: Path, span: Span) -> str | None:
        """Why the block at *path* cannot be taken."""
        try:
            with opened_trace(path) as found:
                return None if self._is_block(found, span) else "is not of this trace"
        except NeurosimError as error:
            return f"cannot be used ({getattr(error, 'problems', [str(error)])[0]})"

    def _is_block(self, found: SpikeTrace, span: Span) -> bool:
        """Whether *found* is what would be simulated; reads all of it."""
        given = self.inputs[span[0] : span[1]]
        read = sum(len(part) for part in pieces(found))
        recorded = {layer.changes is not None for layer in found.layers.values()}
        held = (read, found.network.sha256, found.inputs_sha256, found.state_bits, recorded)
        return held == (len(given), self.network.sha256, given.sha256, self.state_bits, {self.changes})

    @staticmethod
    def _read(path: Path) -> Iterator[SpikeTrace]:
        with opened_trace(path) as found:
            yield from pieces(found)

    def _kept(self, span: Span, coming: Iterator[SpikeTrace]) -> Iterator[SpikeTrace]:
        """The parts of a block, which is in its place after the last."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise FileError(str(self.folder.parent), [f"cannot hold checkpoints: {error.strerror or error}"]) from error
        left = span[1] - span[0]
        with writing_trace(self.path(span), left) as add:
            while left:
                part = next(coming)
                left -= len(part)
                add(replace(part, network=replace(part.network, golden=None, float_twin=None)))
                yield part
