"""Is what a network answers what the program that made it answered itself?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from neurosim.network.decode import DECODINGS, Decoding
from neurosim.network.golden import Golden, LayerRecording
from neurosim.network.network import Network

# Relative to the largest answer of all: as much as potentials may differ.
ANSWER_TOLERANCE = 1e-4


@dataclass(frozen=True, slots=True)
class AnswerVerdict:
    """How many numbers were compared, how many differ, and the first of these in words."""

    compared: int
    mismatches: int
    first: str | None = None

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def answered(network: Network, golden: Golden) -> AnswerVerdict | None:
    """What the network makes of what its last layer was recorded to do, beside the recorded answers; None without these."""
    last, recorded = network.output, golden.samples[network.output.name]
    ours = _decoded(network.decoding, recorded)
    if golden.answers is None or ours is None:
        return None
    wrong = _differ(ours, golden.answers, network.integer)
    if not wrong.any():
        return AnswerVerdict(wrong.size, 0)
    sample, place = (int(i) for i in np.argwhere(wrong)[0])
    first = (
        f"answer of golden sample {sample}, class {place}: layer {last.name!r} gives {ours[sample, place]:g}, the largest "
        f"{network.decoding.meaning} being the answer; the model itself returned {golden.answers[sample, place]:g}"
    )
    causes = [f"; it answered by {word!r} when it was recorded" for word in _explaining(network, golden, recorded)]
    return AnswerVerdict(wrong.size, int(wrong.sum()), first + "".join(causes[:1]))


def _decoded(way: Decoding, recorded: LayerRecording) -> np.ndarray | None:
    """[N, classes], None where what it reads was not recorded."""
    if way.reads == "never":
        return None if recorded.spikes is None else way.outputs(np.empty(0), recorded.spikes.sum(1, dtype=np.int64))
    if recorded.potentials is None:
        return None
    potentials = recorded.potentials[:, -1:] if way.reads == "last" else recorded.potentials
    return way.outputs(potentials, np.empty(0))


def _differ(ours: np.ndarray, theirs: np.ndarray, exact: bool) -> np.ndarray:
    if ours.shape != theirs.shape:
        return np.ones(theirs.shape, bool)
    margin = 0.0 if exact else ANSWER_TOLERANCE * np.abs(theirs).max(initial=1e-30)
    found: np.ndarray = ~(np.abs(ours - theirs.astype(np.float64)) <= margin)
    return found


def _explaining(network: Network, golden: Golden, recorded: LayerRecording) -> Iterator[str]:
    """Other ways to answer that give what was recorded."""
    assert golden.answers is not None
    for word, way in DECODINGS.items():
        ours = _decoded(way, recorded) if word != network.decoding.word else None
        if ours is not None and not _differ(ours, golden.answers, network.integer).any():
            yield word
