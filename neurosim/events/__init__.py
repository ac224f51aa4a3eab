"""Recordings of event cameras, and their binning into steps."""
