"""Networks from PyTorch and what is built on it: snnTorch, SpikingJelly, plain `torch.nn` with our own neurons."""

from neurosim.frameworks.neuron import Lif

__all__ = ["Lif"]
