"""How a network answers: what of its last layer is compared between classes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from neurosim.network.layers import Layer

VOTES = "votes:"


@dataclass(frozen=True, slots=True)
class Decoding:
    """One way to answer. *word* names it and *meaning* describes it, *reads* says at which steps the potentials of the last
    layer are read out: "last", "every", or "never" where its spikes are counted.

    answer: from the potentials at the steps that are read [N, steps, neurons], and how often each neuron fired (of graded
    spikes the sum) [N, neurons], to one number of each neuron [N, neurons]. *votes*: neighbouring neurons of a class, whose
    numbers are added up.
    """

    word: str
    meaning: str
    reads: str
    answer: Callable[[np.ndarray, np.ndarray], np.ndarray]
    votes: int = 1

    def outputs(self, potentials: np.ndarray, fired: np.ndarray) -> np.ndarray:
        """[N, classes]"""
        found = self.answer(potentials, fired)
        if self.votes == 1:
            return found
        classes = found.reshape(len(found), -1, self.votes)
        summed: np.ndarray = classes.sum(2, dtype=np.int64 if found.dtype.kind == "i" else found.dtype)
        return summed


def _mean(potentials: np.ndarray, fired: np.ndarray) -> np.ndarray:
    """Of integers their sum, which is the mean times the steps."""
    found: np.ndarray = potentials.sum(1, dtype=np.int64) if potentials.dtype.kind == "i" else potentials.mean(1)
    return found


POTENTIAL = Decoding("potential", "of its potentials after the last step", "last", lambda u, _: u[:, -1])
SPIKES = Decoding("spikes", "of its spikes over all steps, of graded ones what they carry", "never", lambda _, fired: fired)
MAXIMUM = Decoding("max-potential", "of the highest potential of any step", "every", lambda u, _: u.max(1))
MEAN = Decoding("mean-potential", "of the mean potential over all steps (of integers their sum)", "every", _mean)
DECODINGS = {way.word: way for way in (POTENTIAL, SPIKES, MAXIMUM, MEAN)}


def usual(last: Layer) -> Decoding:
    """That of a network that does not say: spikes of what fires, or else the last potentials."""
    return SPIKES if last.spiking else POTENTIAL


def decoding(word: str | None, last: Layer) -> Decoding:
    """The way that *word* names, for a network that ends in the layer *last*. Raises ValueError, with what can be said."""
    if word is None:
        return usual(last)
    if isinstance(word, str) and word.startswith(VOTES) and word[len(VOTES) :].isdecimal():
        return _voting(int(word[len(VOTES) :]), last)
    if word not in DECODINGS:
        raise ValueError(f"decode is {word!r}; it must be one of {', '.join(DECODINGS)}, {VOTES}K, or None")
    if word == SPIKES.word and not last.spiking:
        raise ValueError(f"decode is {word!r}, but the last layer {last.name!r} never fires")
    return DECODINGS[word]


def _voting(votes: int, last: Layer) -> Decoding:
    if votes < 1 or last.neurons % votes:
        raise ValueError(f"decode is '{VOTES}{votes}', but the last layer {last.name!r} has {last.neurons} neurons")
    one = usual(last)
    meaning = f"{one.meaning}, of {votes} neighbouring neurons a class"
    return Decoding(f"{VOTES}{votes}", meaning, one.reads, one.answer, votes)


def canonical(word: Any, last: Layer) -> str | None:
    """None where it is what a network answers that does not say. Raises ValueError."""
    found = decoding(word, last)
    return None if found.votes == 1 and found.answer is usual(last).answer else found.word
