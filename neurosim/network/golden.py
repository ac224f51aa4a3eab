"""What a network did where it was made, so that a simulator can be held to it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from neurosim.network.layers import Layer


@dataclass(frozen=True, eq=False)
class LayerRecording:
    """What a layer did when a network was recorded elsewhere.

    spikes: bool [N, T, neurons] (None for the output layer); potentials: [N, T, neurons], int32 or float32, after the
    reset of each step. Neurons are flattened as C, H, W.
    """

    spikes: np.ndarray | None
    potentials: np.ndarray | None


@dataclass(frozen=True, eq=False)
class Golden:
    """Reference behaviour recorded by the program that made the network, so that a simulator can be held to it.

    *samples* is the whole network on *images* (integers [N, C, H, W], or 0/1 [N, T, C, H, W]). *probes* drives each layer
    alone with the patterns in *stimuli[layer][source]* (bool [1, T, neurons]; for an image input, integers
    [1, C, H, W]), dense enough that every synapse is exercised.
    """

    images: np.ndarray
    labels: np.ndarray | None
    samples: dict[str, LayerRecording]
    stimuli: dict[str, dict[str, np.ndarray]] = field(default_factory=dict)
    probes: dict[str, LayerRecording] = field(default_factory=dict)

    def problems(self, layers: Sequence[Layer], steps: int) -> list[str]:
        """Where the recordings are not of these *layers* and so many *steps*; 0: of any number."""
        fits = {layer.name: (steps, layer.neurons) for layer in layers}
        strange = [name for name, data in self._recorded() if (steps and data.shape[1], data.shape[2]) != fits.get(name)]
        told = "its golden samples record {!r} of other layers or timesteps; leave them out with golden=None"
        return [told.format(name) for name in dict.fromkeys(strange)]

    def _recorded(self) -> Iterator[tuple[str, np.ndarray]]:
        for name, found in (*self.samples.items(), *self.probes.items()):
            yield from ((name, data) for data in (found.spikes, found.potentials) if data is not None)
