"""Counting packed spikes."""

import numpy as np

from neurosim.kernels import jit


@jit
def count_columns(bits, segment, sites, out):
    """Count the spikes of each row by column: add to out[row, segment[c] * sites + site].

    bits: uint8 [rows, ceil(channels * sites / 8)], lowest bit first, order channel, site. out: int64 [rows, columns].
    """
    for row in range(bits.shape[0]):
        for byte in range(bits.shape[1]):
            b = bits[row, byte]
            if b == 0:
                continue
            for bit in range(8):
                if b & (1 << bit):
                    neuron = byte * 8 + bit
                    out[row, segment[neuron // sites] * sites + neuron % sites] += 1


@jit
def count_windows(bits, segment, window, windows, out):
    """Count windows of max pooling that hold at least one spike: add to out[row, segment[c] * windows + window].

    window: int32 [sites], -1 for a site in no window. out: int64 [rows, segments * windows].
    """
    sites = len(window)
    channels = len(segment)
    seen = np.zeros(channels * windows, np.bool_)
    for row in range(bits.shape[0]):
        seen[:] = False
        for byte in range(bits.shape[1]):
            b = bits[row, byte]
            if b == 0:
                continue
            for bit in range(8):
                if not b & (1 << bit):
                    continue
                neuron = byte * 8 + bit
                c = neuron // sites
                w = window[neuron % sites]
                if w >= 0 and not seen[c * windows + w]:
                    seen[c * windows + w] = True
                    out[row, segment[c] * windows + w] += 1
