"""The result of a run, and the way there."""
