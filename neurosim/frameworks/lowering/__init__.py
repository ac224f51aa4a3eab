"""From the graph of a model to the populations, synapses and readout of a network."""
