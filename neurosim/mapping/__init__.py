"""Which neuron lives in which core, what each memory of the core holds, which packets go where."""
