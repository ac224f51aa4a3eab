"""Sets of bits."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurosim.kernels import jit
from neurosim.kernels.bits import lowest
from neurosim.kernels.single_router import first_from


@jit
def compiled_lowest(bits):
    return lowest(bits)


@jit
def compiled_first(numbers, turn):
    return first_from(numbers, turn)


@pytest.mark.small
@given(st.sets(st.integers(0, 62), min_size=1))
def test_the_lowest_bit_is_the_smallest_number_of_a_set(numbers):
    bits = sum(1 << number for number in numbers)
    assert lowest(bits) == compiled_lowest(bits) == min(numbers)


@pytest.mark.small
@given(st.sets(st.integers(0, 31), min_size=1), st.integers(0, 32))
def test_turns_go_around(numbers, turn):
    bits = sum(1 << number for number in numbers)
    assert compiled_first(bits, turn) == min(numbers, key=lambda number: (number < turn, number))
