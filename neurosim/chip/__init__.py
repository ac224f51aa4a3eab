"""The described hardware: cores, memories, mesh, prices."""
