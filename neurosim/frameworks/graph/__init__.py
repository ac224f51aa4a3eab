"""What a PyTorch model computes, seen while it runs: a graph of one step, with one node per layer, however it loops over
time."""
