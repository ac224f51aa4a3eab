"""Neurons: how a potential leaks, where it is clipped, when it fires and what a reset leaves."""

from typing import NamedTuple

import numpy as np
from numba import types
from numba.extending import overload

from neurosim.kernels import inlined

Number = int | float | np.number
# One for the whole population, or an array of one for every neuron.
Parameter = Number | np.ndarray


# What a spike does to its potential.
SUBTRACTED, SET, KEPT = 0, 1, 2


class IntegerLeak(NamedTuple):
    """u = (k * u) >> m, floor also for negative u; with 2^m - 1 added to those that are negative, towards zero."""

    k: Parameter  # int64
    m: np.int64
    lift: np.int64  # what is added below zero: 0, or 2^m - 1


class FloatLeak(NamedTuple):
    """u = factor * u."""

    factor: Parameter  # float32


Leaks = IntegerLeak | FloatLeak


class NeuronConstants(NamedTuple):
    """Constants of a population."""

    leaks: bool
    leak: Leaks
    parted: bool  # what is constant reaches the potential, past the synaptic current
    filters: bool  # inputs reach a synaptic current that leaks, and that the potential integrates
    current_leak: Leaks
    threshold: Parameter  # subtracted by a soft reset
    fire_above: Parameter  # a neuron fires when its potential is greater
    none_below: Number  # up to which no neuron fires
    fires: bool
    reset_rule: int  # SUBTRACTED, SET or KEPT
    resets_late: bool  # in the step after the spike
    rest: Parameter  # the zero of a reset to zero, in the type of the potential
    initial: Parameter  # before the first step of an image, in the type of the potential
    floors: bool
    floor: Parameter  # no step leaves a potential below it
    refractory: int  # steps after that of a spike in which the potential stays and nothing fires
    graded: bool  # a spike carries how many thresholds it crossed, and takes as many
    lowest: Number  # what the state width can hold
    highest: Number
    channels: int


def of(parameter, i):
    """What a parameter is for neuron *i*."""
    return parameter[i] if np.ndim(parameter) else parameter


@overload(of)
def _of(parameter, i):
    if isinstance(parameter, types.Array):
        return lambda parameter, i: parameter[i]
    return lambda parameter, i: parameter


def decayed(u, leak, i):
    """One step of leak of neuron *i*."""
    if isinstance(leak, IntegerLeak):
        product = u * of(leak.k, i)
        return (product + ((product >> 63) & leak.lift)) >> leak.m
    return u * of(leak.factor, i)


@overload(decayed)
def _decayed(u, leak, i):
    if leak.instance_class is IntegerLeak:

        def decayed_integers(u, leak, i):
            product = u * of(leak.k, i)
            return (product + ((product >> 63) & leak.lift)) >> leak.m

        return decayed_integers
    return lambda u, leak, i: u * of(leak.factor, i)


@inlined
def decay(lif, state, sites, step):
    """Apply the leak of the steps a site was idle, one by one: the same bits as if it had been visited each step."""
    for site in sites:
        missed = step - state.updated[site]
        state.updated[site] = step
        if not lif.leaks:
            continue
        for i in range(site * lif.channels, (site + 1) * lif.channels):
            u = state.potential[i]
            for _ in range(missed):
                u = decayed(u, lif.leak, i)
            state.potential[i] = u


@inlined
def clip(lif, state, tape, site, n_clipped):
    """Bring a site's potentials into the state width; return how many clips are noted by now."""
    for i in range(site * lif.channels, (site + 1) * lif.channels):
        u = state.potential[i]
        if u > lif.highest or u < lif.lowest:
            state.potential[i] = lif.highest if u > lif.highest else lif.lowest
            tape.clipped[n_clipped] = i
            n_clipped += 1
    return n_clipped


@inlined
def after_reset(lif, u, i):
    """What is left of the potential of neuron *i*."""
    if lif.reset_rule == SET:
        return of(lif.rest, i)
    return u - of(lif.threshold, i) if lif.reset_rule == SUBTRACTED else u


def crossed(u, threshold, fire_above):
    """How many thresholds a potential that fires has crossed."""
    if isinstance(u, float | np.floating):
        # Whether a potential that is a whole number of thresholds has crossed the last of them.
        found = np.floor(u / threshold)
        return found - (found * threshold == u and fire_above == threshold)
    return (u - 1 - fire_above) // threshold + 1


@overload(crossed)
def _crossed(u, threshold, fire_above):
    if isinstance(u, types.Float):

        def crossed_floats(u, threshold, fire_above):
            found = np.floor(u / threshold)
            return np.float32(found - 1) if found * threshold == u and fire_above == threshold else found

        return crossed_floats
    return lambda u, threshold, fire_above: (u - 1 - fire_above) // threshold + 1


@inlined
def raise_to_floor(lif, state, site):
    """No potential stays below its floor."""
    for i in range(site * lif.channels, (site + 1) * lif.channels):
        state.potential[i] = max(state.potential[i], of(lif.floor, i))


@inlined
def keep_resting(state, extras, step, n_resting):
    """What arrived at refractory neurons changes nothing; return how many of them rest in the next step too."""
    n_left = 0
    for neuron in extras.resting[:n_resting]:
        state.potential[neuron] = extras.kept[neuron]
        extras.rested[neuron] = step
        extras.left[neuron] -= 1
        if extras.left[neuron] > 0:
            extras.resting[n_left] = neuron
            n_left += 1
    return n_left


@inlined
def settle(lif, state, extras, step, n_held, n_resting):
    """What the spikes of the steps before still do: late resets, refractory neurons; return how many of these rest in the next
    step too."""
    if extras is None:
        return 0
    if lif.resets_late:
        for i in state.held[:n_held]:
            state.potential[i] = after_reset(lif, state.potential[i], i)
    return keep_resting(state, extras, step, n_resting)


@inlined
def fire(lif, state, extras, tape, image, step, sites, n_spikes, n_resting, n_clipped):
    """Clip, compare and reset at the visited sites; return how many spikes, held and resting neurons and clips are noted."""
    n_held = 0
    channels = np.uint64(lif.channels)
    for site in sites:
        first = np.uint64(site) * channels
        if extras is not None and lif.floors:
            raise_to_floor(lif, state, site)
        # A pass that vectorises comes first; most sites need no second one.
        low = state.potential[first]
        high = low
        for i in range(first, first + channels):
            low = min(low, state.potential[i])
            high = max(high, state.potential[i])
        tape.peak[image, 0] = min(tape.peak[image, 0], low)
        tape.peak[image, 1] = max(tape.peak[image, 1], high)
        if high > lif.highest or low < lif.lowest:
            n_clipped = clip(lif, state, tape, site, n_clipped)
        if not lif.fires or high <= lif.none_below:
            continue
        for c in range(channels):
            neuron = first + c
            u = state.potential[neuron]
            if u <= of(lif.fire_above, neuron):
                continue
            if extras is not None and lif.refractory > 0 and extras.rested[neuron] == step:
                state.held[n_held] = neuron
                n_held += 1
                continue
            tape.channel[n_spikes] = c
            tape.site[n_spikes] = site
            n_spikes += 1
            if extras is not None and lif.graded:
                many = crossed(u, of(lif.threshold, neuron), of(lif.fire_above, neuron))
                tape.value[n_spikes - 1] = many
                u = u - many * of(lif.threshold, neuron)
                state.potential[neuron] = u
            elif not lif.resets_late:
                u = after_reset(lif, u, neuron)
                state.potential[neuron] = u
            if extras is not None and lif.refractory > 0:
                extras.kept[neuron] = u
                extras.left[neuron] = lif.refractory
                extras.resting[n_resting] = neuron
                n_resting += 1
            # A soft reset can leave the potential above threshold: it fires again, also without input.
            if u > of(lif.fire_above, neuron):
                state.held[n_held] = neuron
                n_held += 1
    return n_spikes, n_held, n_resting, n_clipped
