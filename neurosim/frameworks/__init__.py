"""Networks from PyTorch and what is built on it: snnTorch, SpikingJelly, Norse, sinabs, `torch.nn` with neurons of our own."""

from neurosim.frameworks.neuron import Lif
from neurosim.frameworks.torch_import import from_torch

__all__ = ["Lif", "from_torch"]
