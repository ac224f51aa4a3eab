"""What a network did where it was made, so that a simulator can be held to it."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np


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
