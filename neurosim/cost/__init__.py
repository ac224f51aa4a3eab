"""What was done, and what it costs."""
