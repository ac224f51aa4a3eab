"""The network on chip: geometry, packets, traffic."""
