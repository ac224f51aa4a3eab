"""What a network does on its inputs; no chip is involved."""
