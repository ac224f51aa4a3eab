"""Files `.net` of lava-dl: networks of Loihi's integers, block by block.

They are HDF5 as `lava.lib.dl.slayer` exports it and `lava.lib.dl.netx.hdf5` reads it; they are read here without either.
"""
