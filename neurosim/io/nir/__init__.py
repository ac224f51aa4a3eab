"""NIR, the Neuromorphic Intermediate Representation: graphs of continuous-time nodes, as networks of steps and back.

NIR files are those of the package nir up to 1.0 (HDF5); they are read here without it.
"""
