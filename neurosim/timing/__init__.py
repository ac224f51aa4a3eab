"""When it happens: turns, steps, cycles."""
