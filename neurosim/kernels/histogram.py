"""Counting packed spikes."""

import numpy as np

from neurosim.kernels import jit
from neurosim.kernels.bits import LOWEST, ONE


@jit
def count_columns(bits, segment, sites, out):
    """Count the spikes of each row by column: add to out[row, segment[c] * sites + site].

    bits: uint8 [rows, ceil(channels * sites / 8)], lowest bit first, order channel, site. out: int64 [rows, columns].
    """
    for row in range(bits.shape[0]):
        for byte in range(bits.shape[1]):
            b = bits[row, byte]
            while b:
                neuron = byte * 8 + LOWEST[b]
                b &= b - ONE
                out[row, segment[neuron // sites] * sites + neuron % sites] += 1


@jit
def count_windows(bits, segment, first, window, windows, out):
    """Count windows of pooling that hold at least one spike: add to out[row, segment[c] * windows + window].

    window: int64, those of site s from first[s] to first[s + 1] - 1. out: int64 [rows, segments * windows].
    """
    sites = len(first) - 1
    channels = len(segment)
    seen = np.zeros(channels * windows, np.bool_)
    for row in range(bits.shape[0]):
        seen[:] = False
        for byte in range(bits.shape[1]):
            b = bits[row, byte]
            while b:
                neuron = byte * 8 + LOWEST[b]
                b &= b - ONE
                c = neuron // sites
                for i in range(first[neuron % sites], first[neuron % sites + 1]):
                    w = window[i]
                    if not seen[c * windows + w]:
                        seen[c * windows + w] = True
                        out[row, segment[c] * windows + w] += 1


@jit
def note_sites(bits, segment, sites, lead, out):
    """Note the sites with at least one spike, by sender: 1 in out[row, lead of the column].

    lead: int64 [columns], see `neurosim.mapping.fan.Fan.lead`. out: int64 [rows, columns].
    """
    for row in range(bits.shape[0]):
        for byte in range(bits.shape[1]):
            b = bits[row, byte]
            while b:
                neuron = byte * 8 + LOWEST[b]
                b &= b - ONE
                out[row, lead[segment[neuron // sites] * sites + neuron % sites]] = 1
