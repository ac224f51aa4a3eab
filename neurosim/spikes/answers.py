"""Is what a network answers what the program that made it answered itself?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from neurosim.network.decode import DECODINGS
from neurosim.network.golden import Golden, LayerRecording
from neurosim.network.network import Network

# Relative to the largest answer of all: as much as potentials may differ.
ANSWER_TOLERANCE = 1e-4


@dataclass(frozen=True, slots=True)
class AnswerVerdict:
    """How many numbers were compared, how many differ, and the first of these in words; *by*: who answered them."""

    compared: int
    mismatches: int
    first: str | None = None
    by: str = "the model itself"

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def answered(network: Network, golden: Golden) -> AnswerVerdict | None:
    """What the network makes of what its last layer was recorded to do, beside the recorded answers; None without these."""
    last, recorded = network.output, golden.samples[network.output.name]
    ours = recorded.decoded(network.decoding)
    if golden.answers is None or ours is None:
        return None
    by = "the integer reference" if network.integer else "the model itself"
    wrong = _differ(ours, golden.answers, network.integer)
    if not wrong.any():
        return AnswerVerdict(wrong.size, 0, by=by)
    sample, place = (int(i) for i in np.argwhere(wrong)[0])
    first = (
        f"answer of golden sample {sample}, class {place}: layer {last.name!r} gives {ours[sample, place]:g}, the largest "
        f"{network.decoding.meaning} being the answer; {by} answered {golden.answers[sample, place]:g}"
    )
    causes = [f"; it answered by {word!r} when it was recorded" for word in _explaining(network, golden, recorded)]
    return AnswerVerdict(wrong.size, int(wrong.sum()), first + "".join(causes[:1]), by)


def _differ(ours: np.ndarray, theirs: np.ndarray, exact: bool) -> np.ndarray:
    if ours.shape != theirs.shape:
        return np.ones(theirs.shape, bool)
    if exact:
        # Integers beyond 2^24 are recorded as the nearest float32.
        rounded: np.ndarray = ours.astype(np.float32) != theirs
        return rounded
    margin = ANSWER_TOLERANCE * np.abs(theirs).max(initial=1e-30)
    found: np.ndarray = ~(np.abs(ours - theirs.astype(np.float64)) <= margin)
    return found


def _explaining(network: Network, golden: Golden, recorded: LayerRecording) -> Iterator[str]:
    """Other ways to answer that give what was recorded."""
    assert golden.answers is not None
    for word, way in DECODINGS.items():
        ours = recorded.decoded(way) if word != network.decoding.word else None
        if ours is not None and not _differ(ours, golden.answers, network.integer).any():
            yield word
