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
            while b:
                neuron = byte * 8 + LOWEST[b]
                b &= b - ONE
                c = neuron // sites
                w = window[neuron % sites]
                if w >= 0 and not seen[c * windows + w]:
                    seen[c * windows + w] = True
                    out[row, segment[c] * windows + w] += 1


@jit
def note_sites(bits, segment, lead, window, windows, out):
    """Note the sites with at least one spike, by sender: 1 in out[row, lead of the column]; with windows of max pooling, sites
    with at least one spike that is the first of its window.

    lead: int64 [columns], see `neurosim.mapping.fan.Fan.lead`. window: int32 [sites], -1 for a site in no window; windows: of a
    channel, 0 where none matter. out: int64 [rows, columns].
    """
    sites = len(window)
    seen = np.zeros(len(segment) * windows, np.bool_)
    for row in range(bits.shape[0]):
        seen[:] = False
        for byte in range(bits.shape[1]):
            b = bits[row, byte]
            while b:
                neuron = byte * 8 + LOWEST[b]
                b &= b - ONE
                c, site = neuron // sites, neuron % sites
                if windows > 0:
                    if window[site] < 0 or seen[c * windows + window[site]]:
                        continue
                    seen[c * windows + window[site]] = True
                out[row, lead[segment[c] * sites + site]] = 1
