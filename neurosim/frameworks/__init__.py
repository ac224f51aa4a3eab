"""Networks from PyTorch and what is built on it: snnTorch, SpikingJelly, Norse, sinabs, plain `torch.nn` with our own neurons."""

from neurosim.frameworks.neuron import Lif
from neurosim.frameworks.torch_import import from_torch

__all__ = ["Lif", "from_torch"]
