"""Walking the set bits of numbers; of a byte: ``while b: bit = LOWEST[b]; b &= b - ONE``. A table beats 8 tests twofold."""

import numpy as np
from numba.cpython.unsafe.numbers import trailing_zeros
from numba.extending import overload

LOWEST = np.array([0, *((b & -b).bit_length() - 1 for b in range(1, 256))], np.uint8)
ONE = np.uint8(1)


def lowest(bits: int | np.int64) -> np.int64:
    """The number of the lowest bit that is set, of at least one; compiled: one instruction."""
    return np.int64((int(bits) & -int(bits)).bit_length() - 1)


@overload(lowest)
def compiled_lowest(bits):
    return lambda bits: np.int64(trailing_zeros(bits))  # type: ignore[call-arg]
