"""neurosim: event-driven simulator of neuromorphic hardware."""

from neurosim.inputs import Inputs
from neurosim.network import Conv, Dense, Network, Output, Shortcut
from neurosim.quantize import quantize
from neurosim.simulate import simulate
from neurosim.trace import SpikeTrace
from neurosim.version import __version__

__all__ = [
    "Conv", "Dense", "Inputs", "Network", "Output", "Shortcut", "SpikeTrace", "__version__", "quantize", "simulate",
]  # fmt: skip
