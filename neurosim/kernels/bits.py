"""Walking the set bits of a byte: ``while b: bit = LOWEST[b]; b &= b - ONE``. A table beats eight tests twofold."""

import numpy as np

LOWEST = np.array([0, *((b & -b).bit_length() - 1 for b in range(1, 256))], np.uint8)
ONE = np.uint8(1)
