"""What a network did where it was made, so that a simulator can be held to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from neurosim.network.decode import Decoding
from neurosim.network.layers import Layer, Shape


@dataclass(frozen=True, eq=False)
class LayerRecording:
    """What a layer did when a network was recorded elsewhere.

    spikes: bool [N, T, neurons], or the payloads of graded ones, int64 or float32 (None for the output layer); potentials: [N,
    T, neurons], int32 or float32, after the reset of each step. Neurons are flattened as C, H, W.
    """

    spikes: np.ndarray | None
    potentials: np.ndarray | None

    def fits(self, count: int, steps: int, neurons: int | None) -> bool:
        """Whether it is of so many samples, *steps* (0: any number) and *neurons*; None: of a layer that does not exist."""
        arrays = [data for data in (self.spikes, self.potentials) if data is not None]
        return neurons is not None and all(
            data.ndim == 3 and data.shape == (count, steps or data.shape[1], neurons) for data in arrays
        )

    def decoded(self, way: Decoding) -> np.ndarray | None:
        """[N, classes]: the answer, in this *way*, of a last layer; None where what it reads was not recorded."""
        if way.reads == "never":
            return None if self.spikes is None else way.outputs(np.empty(0), self.spikes.sum(1, dtype=np.int64))
        if self.potentials is None:
            return None
        return way.outputs(self.potentials[:, -1:] if way.reads == "last" else self.potentials, np.empty(0))


@dataclass(frozen=True, eq=False)
class Golden:
    """Reference behaviour recorded by the program that made the network, so that a simulator can be held to it.

    *samples* is the whole network on *images* (integers [N, C, H, W], or 0/1 or other values [N, T, C, H, W]). *probes* drives
    each layer alone with the patterns in *stimuli[layer][source]* (bool [1, T, neurons], or values; for an image input,
    integers [1, C, H, W]), dense enough that every synapse is exercised. *answers*: float32 [N, classes], what the program
    itself answered, in the units of what the network compares between classes; None where it did not say.
    """

    images: np.ndarray
    labels: np.ndarray | None
    samples: dict[str, LayerRecording]
    stimuli: dict[str, dict[str, np.ndarray]] = field(default_factory=dict)
    probes: dict[str, LayerRecording] = field(default_factory=dict)
    answers: np.ndarray | None = None

    def problems(self, layers: Sequence[Layer], shape: Shape, steps: int, classes: int) -> list[str]:
        """Where the shapes are not those of these *layers*, of inputs of this *shape* [C, H, W] and so many *steps* (0: spikes,
        of any number of steps), and of so many *classes*."""
        leave = "leave them out with golden=None"
        if self.images.shape[1 if steps else 2 :] != shape:
            return [f"its golden samples are of inputs {list(self.images.shape)}, not {list(shape)} each; {leave}"]
        shown, neurons = steps or self.images.shape[1], {layer.name: layer.neurons for layer in layers}
        strange = [name for name, found in self.samples.items() if not found.fits(len(self.images), shown, neurons.get(name))]
        strange += [name for name, found in self.probes.items() if not found.fits(1, steps, neurons.get(name))]
        if self.answers is not None and self.answers.shape != (len(self.images), classes):
            needed = [len(self.images), classes]
            return [f"its golden samples have answers {list(self.answers.shape)}; needed {needed}; {leave}"]
        told = f"its golden samples record {{!r}} of other layers or timesteps; {leave}"
        return [told.format(name) for name in dict.fromkeys(strange)]
