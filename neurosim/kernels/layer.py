"""Event-driven leaky integrate-and-fire populations.

The potentials of a layer lie as [site, channel]: a site is a pixel of the output map, or the whole layer when it is dense.
An event (channel, site) of a source adds weight rows to *runs* of neighbouring potentials; everything about kernel size,
stride, padding and pooling is in the table of runs, so the loops below know none of it.
"""

from typing import NamedTuple

import numpy as np
from numba import types
from numba.extending import overload

from neurosim.kernels import inlined, jit
from neurosim.kernels.neurons import Number, decay, decayed, fire, of, settle


class Events(NamedTuple):
    """Spikes of one population by image and step; within a step the events of one site follow each other. Those of a population
    that feeds back are written while they are read."""

    start: np.ndarray  # int64 [images * steps + 1]
    channel: np.ndarray  # int32
    site: np.ndarray  # int32
    value: np.ndarray | None = None  # int64 or float32, what each weight is multiplied by; None: by nothing


class Synapses(NamedTuple):
    """The synapses from one source: an event of source site s adds *length* weights for each run in first[s]:first[s+1]."""

    first: np.ndarray  # int32 [source sites + 1]
    target: np.ndarray  # int32 [runs], index of the first potential
    offset: np.ndarray  # int64 [runs], index of the first weight, for channel 0
    length: np.ndarray  # int32 [runs]
    weight: np.ndarray  # [weights], int8/16/32 or float32
    channel_step: int  # what one source channel adds to offset
    group: int  # source channels that reach the same potentials, one after another; all of them where there are no groups
    group_step: int  # what one group adds to target; 0 where there are none
    identity: bool  # channel c reaches channel c alone, with the weight *unit*
    unit: Number
    # Under max pooling, where runs are those of places, a site in a window; else empty, and 0.
    first_place: np.ndarray  # int32 [source sites + 1], those of a site
    window: np.ndarray  # int32 [places]
    windows: int  # of one channel
    first_latch: int  # where the latches of this source begin in the state
    latches: int  # how many there are: windows of all channels
    delay: int  # steps by which the events arrive late


class PooledCurrents(NamedTuple):
    """What lies between synapses and neurons where currents are pooled; empty arrays where they are not. Synapses then lead to
    the places of a larger map, which lie as potentials do."""

    raw: np.ndarray  # as potentials, [places], what this step brought to each
    listed: np.ndarray  # int32 [sites of that map * blocks], last step in which a weight row arrived
    first_window: np.ndarray  # int32 [sites of that map + 1], windows that each lies in
    window: np.ndarray  # int32
    first_site: np.ndarray  # int32 [windows + 1], sites that each holds
    site: np.ndarray  # int32
    largest: bool  # or the sum
    share: Number  # that the sum is multiplied by
    neurons: np.ndarray  # int32, those that one identity shortcut reaches in this step


class Extras(NamedTuple):
    """Of populations that have any of what few have: a synaptic current, refractory neurons, late resets, a lowest potential,
    graded spikes, max pooling, pooled currents, groups. For others there is no code for it: half as much to compile. Arrays of
    what is not there are empty."""

    current: np.ndarray  # as potentials, the synaptic current
    resting: np.ndarray  # int32 [neurons], refractory neurons
    left: np.ndarray  # int32 [neurons], for how many steps more
    rested: np.ndarray  # int32 [neurons], the last step in which they were
    kept: np.ndarray  # [neurons], the potential that they keep
    latched: np.ndarray  # int32 [windows * channels of the sources], max pooling: last step with a spike in it
    passed: np.ndarray  # int64 [sources], how many events of each pass max pooling in this step, from its first latch on:
    passed_channel: np.ndarray  # int32 [as many as latches], their channels
    passed_place: np.ndarray  # int32 [as many], their places
    passed_value: np.ndarray  # int64 or float32 [as many], the largest value in their window; empty without values
    rank: np.ndarray  # int32 [as many], where a window is among them; empty without values
    pooled: PooledCurrents


class PopulationState(NamedTuple):
    """Mutable state of one population for one image at a time; reused from image to image."""

    potential: np.ndarray  # int32, int64 or float32 [sites * channels]
    updated: np.ndarray  # int32 [sites], step up to which the leak has been applied
    block: int  # channels of a site that a weight row reaches all or none of
    reached: np.ndarray  # int32 [sites * blocks of its channels], last step in which a weight row arrived
    listed: np.ndarray  # int32 [sites], last step in which the site was put on the visit list
    visits: np.ndarray  # int32 [sites], the visit list of this step
    lone: np.ndarray  # int32 [neurons], last step in which the neuron was noted as a lone visit
    candidates: np.ndarray  # int32 [neurons], possible lone visits of this step
    held: np.ndarray  # int32 [neurons], neurons still above threshold after their reset, or those that reset in the next step
    singles: np.ndarray  # int32, neurons that one identity shortcut reaches in this step
    extras: Extras | None


class Tape(NamedTuple):
    """What is written down while running. Arrays that are not wanted have length 0."""

    start: np.ndarray  # int64 [images * steps + 1], into channel and site
    channel: np.ndarray  # int32, spikes
    site: np.ndarray  # int32
    value: np.ndarray  # int64 or float32, payloads of graded spikes
    reached: np.ndarray  # bool [images * steps, sites * blocks]
    lone_start: np.ndarray  # int64 [images * steps + 1]
    lone: np.ndarray  # int32, neurons visited without a weight row
    clipped_start: np.ndarray  # int64 [images * steps + 1]
    clipped: np.ndarray  # int32, neurons whose potential was clipped to the state width
    peak: np.ndarray  # int64 or float64 [images, 2], lowest and highest potential seen
    potentials: np.ndarray  # [images * steps, neurons], after the reset of each step
    final: np.ndarray  # [images, neurons], potentials after the last step
    noted: np.ndarray  # int64 [5], spikes, lone visits, clips, held and refractory neurons noted by now


@inlined
def list_reached(state, synapses, channels, site, step, n_visits):
    """Put every site that a weight row reaches on the visit list; return the length of the list."""
    previous = -1
    for e in range(len(site)):
        # The events of a site follow each other, so the work is done once per site and not once per event.
        if site[e] == previous:
            continue
        previous = site[e]
        for r in range(synapses.first[previous], synapses.first[previous + 1]):
            reached = synapses.target[r] // channels
            for _ in range(synapses.length[r] // channels):
                state.reached[reached] = step
                if state.listed[reached] != step:
                    state.listed[reached] = step
                    state.visits[n_visits] = reached
                    n_visits += 1
                reached += 1
    return n_visits


@inlined
def list_blocks(state, synapses, channels, channel, site, step, n_visits):
    """The same where a weight row may reach some of the blocks of a site."""
    previous, before = -1, -1
    for e in range(len(site)):
        group = channel[e] // synapses.group
        if site[e] == previous and group == before:
            continue
        previous, before = site[e], group
        for r in range(synapses.first[previous], synapses.first[previous + 1]):
            begin = synapses.target[r] + group * synapses.group_step
            end = begin + synapses.length[r]
            for block in range(begin // state.block, end // state.block):
                state.reached[block] = step
            for reached in range(begin // channels, (end - 1) // channels + 1):
                if state.listed[reached] != step:
                    state.listed[reached] = step
                    state.visits[n_visits] = reached
                    n_visits += 1
    return n_visits


@inlined
def list_windows(state, pooled, synapses, channels, channel, site, step, n_visits):
    """The same where weight rows reach places whose currents are pooled: of the windows that hold them."""
    blocks = channels // state.block
    previous, before = -1, -1
    for e in range(len(site)):
        group = channel[e] // synapses.group
        if site[e] == previous and group == before:
            continue
        previous, before = site[e], group
        for r in range(synapses.first[previous], synapses.first[previous + 1]):
            begin = synapses.target[r] + group * synapses.group_step
            for block in range(begin // state.block, (begin + synapses.length[r]) // state.block):
                if pooled.listed[block] == step:
                    continue
                pooled.listed[block] = step
                for i in range(pooled.first_window[block // blocks], pooled.first_window[block // blocks + 1]):
                    window = pooled.window[i]
                    state.reached[window * blocks + block % blocks] = step
                    if state.listed[window] != step:
                        state.listed[window] = step
                        state.visits[n_visits] = window
                        n_visits += 1
    return n_visits


@inlined
def neurons_of_places(pooled, channels, places):
    """Write the neurons whose windows hold *places*; return how many there are."""
    n = 0
    for place in places:
        site = place // channels
        for i in range(pooled.first_window[site], pooled.first_window[site + 1]):
            pooled.neurons[n] = pooled.window[i] * channels + place % channels
            n += 1
    return n


@inlined
def list_lone(state, neurons, channels, step, n_visits, n_candidates):
    """Put the sites of single *neurons* on the visit list, and the neurons on the list of candidates."""
    for neuron in neurons:
        if state.listed[neuron // channels] != step:
            state.listed[neuron // channels] = step
            state.visits[n_visits] = neuron // channels
            n_visits += 1
        if state.lone[neuron] != step:
            state.lone[neuron] = step
            state.candidates[n_candidates] = neuron
            n_candidates += 1
    return n_visits, n_candidates


@inlined
def identity_targets(synapses, channel, site, out):
    """Write the neurons that events reach over an identity shortcut; return how many there are."""
    n = 0
    for e in range(len(channel)):
        for run in range(synapses.first[site[e]], synapses.first[site[e] + 1]):
            out[n] = synapses.target[run] + channel[e]
            n += 1
    return n


@inlined
def arriving(synapses, events, step, begin):
    """The first of the events that arrive in this step, of those since step *begin*, and the one after the last."""
    left = step - synapses.delay
    return (events.start[left], events.start[left + 1]) if left >= begin else (0, 0)


@inlined
def first_of_windows(extras, synapses, channel, site, step):
    """Write channels and places of the events that max pooling passes, the first of each window; return how many there are.
    Those of a place follow each other."""
    n, e = synapses.first_latch, 0
    while e < len(site):
        end = e + 1
        while end < len(site) and site[end] == site[e]:
            end += 1
        for place in range(synapses.first_place[site[e]], synapses.first_place[site[e] + 1]):
            for c in channel[e:end]:
                latch = synapses.first_latch + c * synapses.windows + synapses.window[place]
                if extras.latched[latch] != step:
                    extras.latched[latch] = step
                    extras.passed_channel[n] = c
                    extras.passed_place[n] = place
                    n += 1
        e = end
    return n - synapses.first_latch


@inlined
def meeting(extras, synapses, events, step, begin, k):
    """Channels of the events of source *k* that meet its runs in this step, and which runs: of all that arrive those of their
    sites, of those that max pooling passes those of their places."""
    first, last = arriving(synapses, events, step, begin)
    if extras is not None and synapses.windows > 0:
        first, last = synapses.first_latch, synapses.first_latch + extras.passed[k]
        return extras.passed_channel[first:last], extras.passed_place[first:last]
    return events.channel[first:last], events.site[first:last]


def plus(u, a, b, c, d, e, f, g, h):
    """A potential and the weights of eight events, in the order of the events, which decides the bits of floats."""
    return u + a + b + c + d + e + f + g + h


@overload(plus)
def _plus(u, a, b, c, d, e, f, g, h):
    if a != types.int8:
        return plus
    short = np.int16

    def plus_bytes(u, a, b, c, d, e, f, g, h):
        # Eight of them fit 16 bits, of which a register holds twice as many as of 32.
        return u + short(short(short(a + b) + short(c + d)) + short(short(e + f) + short(g + h)))

    return plus_bytes


@inlined
def add_eight(potential, synapses, site, at):
    """Add the weights of eight events of one site, which reach the same potentials; *at*: what the channel of each adds to the
    index of a weight."""
    weight = synapses.weight
    a, b, c, d, e, f, g, h = at
    for r in range(synapses.first[site], synapses.first[site + 1]):
        # Unsigned: with indices that may be negative the loop does not vectorise.
        target = np.uint64(synapses.target[r])
        offset = np.uint64(synapses.offset[r])
        for k in range(np.uint64(synapses.length[r])):
            w = offset + k
            potential[target + k] = plus(
                potential[target + k], weight[w + a], weight[w + b], weight[w + c], weight[w + d], weight[w + e],
                weight[w + f], weight[w + g], weight[w + h],
            )  # fmt: skip


@inlined
def add_pair(potential, synapses, site, a, b):
    """Add the weights of two events of one site."""
    weight = synapses.weight
    for r in range(synapses.first[site], synapses.first[site + 1]):
        target = np.uint64(synapses.target[r])
        offset = np.uint64(synapses.offset[r])
        for k in range(np.uint64(synapses.length[r])):
            potential[target + k] = potential[target + k] + weight[offset + a + k] + weight[offset + b + k]


@inlined
def add_row(potential, synapses, site, a, shift):
    """Add the weights of one event, to potentials that lie *shift* after those of channel 0."""
    for r in range(synapses.first[site], synapses.first[site + 1]):
        target = np.uint64(synapses.target[r]) + shift
        offset = np.uint64(synapses.offset[r]) + a
        for k in range(np.uint64(synapses.length[r])):
            potential[target + k] += synapses.weight[offset + k]


@inlined
def add_rows(potential, synapses, channel, site):
    """Add the weights of one step's events, as many of a site at once as there are: the potential is then read and written
    once for all of them (with eight, 2.5 times as fast)."""
    step = np.uint64(synapses.channel_step)
    e = 0
    while e < len(site):
        s = site[e]
        if e + 7 < len(site) and site[e + 7] == s:
            c = channel[e : e + 8]
            at = (
                np.uint64(c[0]) * step, np.uint64(c[1]) * step, np.uint64(c[2]) * step, np.uint64(c[3]) * step,
                np.uint64(c[4]) * step, np.uint64(c[5]) * step, np.uint64(c[6]) * step, np.uint64(c[7]) * step,
            )  # fmt: skip
            add_eight(potential, synapses, s, at)
            e += 8
        elif e + 1 < len(site) and site[e + 1] == s:
            add_pair(potential, synapses, s, np.uint64(channel[e]) * step, np.uint64(channel[e + 1]) * step)
            e += 2
        else:
            add_row(potential, synapses, s, np.uint64(channel[e]) * step, np.uint64(0))
            e += 1


@inlined
def add_singly(potential, synapses, channel, site):
    """Add the weights of one step's events, one after the other, each to the potentials of its group."""
    step, group, group_step = np.uint64(synapses.channel_step), np.uint64(synapses.group), np.uint64(synapses.group_step)
    for e in range(len(site)):
        c = np.uint64(channel[e])
        add_row(potential, synapses, site[e], c * step, c // group * group_step)


@inlined
def largest_of_windows(extras, synapses, channel, site, value, step):
    """As `first_of_windows`, with the largest value in each window, of which none is negative."""
    n = synapses.first_latch
    for e in range(len(site)):
        for place in range(synapses.first_place[site[e]], synapses.first_place[site[e] + 1]):
            latch = synapses.first_latch + channel[e] * synapses.windows + synapses.window[place]
            if extras.latched[latch] != step:
                extras.latched[latch] = step
                extras.rank[latch] = n
                extras.passed_channel[n] = channel[e]
                extras.passed_place[n] = place
                extras.passed_value[n] = value[e]
                n += 1
            rank = extras.rank[latch]
            extras.passed_value[rank] = max(extras.passed_value[rank], value[e])
    return n - synapses.first_latch


@inlined
def pass_pool(extras, synapses, events, value, step, begin, k):
    """Write which of the events that arrive from source *k* in this step max pooling passes."""
    first, last = arriving(synapses, events, step, begin)
    channel, site = events.channel[first:last], events.site[first:last]
    if value is None:
        extras.passed[k] = first_of_windows(extras, synapses, channel, site, step)
    else:
        extras.passed[k] = largest_of_windows(extras, synapses, channel, site, value[first:last], step)


@inlined
def take_spikes(singles, extras, synapses, channel, site, reached):
    """Add the weights of spikes to what they reach."""
    if synapses.identity:
        for i in range(identity_targets(synapses, channel, site, singles)):
            reached[singles[i]] += synapses.unit
    elif extras is not None and synapses.group_step > 0:
        add_singly(reached, synapses, channel, site)
    else:
        add_rows(reached, synapses, channel, site)


@inlined
def take_values(synapses, channel, site, value, reached):
    """Add the weights of events, each times its value, to what they reach."""
    for e in range(len(site)):
        for r in range(synapses.first[site[e]], synapses.first[site[e] + 1]):
            if synapses.identity:
                reached[synapses.target[r] + channel[e]] += value[e] * synapses.unit
                continue
            target = np.uint64(synapses.target[r] + channel[e] // synapses.group * synapses.group_step)
            offset = np.uint64(synapses.offset[r] + channel[e] * synapses.channel_step)
            for i in range(np.uint64(synapses.length[r])):
                reached[target + i] += value[e] * synapses.weight[offset + i]


@inlined
def take(singles, extras, synapses, events, value, step, begin, k, reached):
    """What arrives from source *k* in a step; *value*: those of all events, None where they are spikes."""
    channel, site = meeting(extras, synapses, events, step, begin, k)
    if value is None:
        take_spikes(singles, extras, synapses, channel, site, reached)
    else:
        first, last = arriving(synapses, events, step, begin)
        brought = value[first:last]
        if extras is not None and synapses.windows > 0:
            brought = extras.passed_value[synapses.first_latch : synapses.first_latch + extras.passed[k]]
        take_values(synapses, channel, site, brought, reached)


@inlined
def write_lone(lif, state, tape, step, n_candidates, n_lone):
    """Write down the neurons visited where no weight row reached; return how many there are by now."""
    for i in range(n_candidates):
        neuron = state.candidates[i]
        if state.reached[neuron // state.block] != step:
            tape.lone[n_lone] = neuron
            n_lone += 1
    return n_lone


@inlined
def write_potentials(lif, state, out, step):
    """Copy all potentials, those of idle sites brought up to date; nothing may ask for the visits of this step any more."""
    for site in range(len(state.visits)):
        state.visits[site] = site
    decay(lif, state, state.visits, step)
    for i in range(len(out)):
        out[i] = state.potential[i]


@inlined
def list_singles(state, extras, synapses, channels, channel, site, step, n_visits, n_candidates):
    """Put what an identity shortcut reaches on the visit list, and on the list of candidates; return the length of both."""
    neurons = state.singles[: identity_targets(synapses, channel, site, state.singles)]
    if extras is not None and len(extras.pooled.raw) > 0:
        neurons = extras.pooled.neurons[: neurons_of_places(extras.pooled, channels, neurons)]
    return list_lone(state, neurons, channels, step, n_visits, n_candidates)


@inlined
def list_rows(state, extras, synapses, channels, channel, site, step, n_visits):
    """Put what weight rows reach on the visit list; return its length."""
    if extras is not None and len(extras.pooled.raw) > 0:
        return list_windows(state, extras.pooled, synapses, channels, channel, site, step, n_visits)
    if extras is not None and state.block != channels:
        return list_blocks(state, synapses, channels, channel, site, step, n_visits)
    return list_reached(state, synapses, channels, site, step, n_visits)


@inlined
def list_visits(lif, state, extras, sources, driven, step, begin, n_held, n_resting):
    """Fill the visit list of this step; return its length and the number of candidates for lone visits."""
    n_visits = 0
    n_candidates = 0
    if driven:
        state.reached[:] = step
        for site in range(len(state.updated)):
            state.listed[site] = step
            state.visits[site] = site
        n_visits = len(state.updated)
    n_visits, n_candidates = list_lone(state, state.held[:n_held], lif.channels, step, n_visits, n_candidates)
    if extras is not None:
        n_visits, n_candidates = list_lone(state, extras.resting[:n_resting], lif.channels, step, n_visits, n_candidates)
    for k in range(len(sources)):
        synapses, events = sources[k]
        if extras is not None and synapses.windows > 0:
            pass_pool(extras, synapses, events, events.value, step, begin, k)
        channel, site = meeting(extras, synapses, events, step, begin, k)
        if synapses.identity:
            n_visits, n_candidates = list_singles(
                state, extras, synapses, lif.channels, channel, site, step, n_visits, n_candidates
            )
        else:
            n_visits = list_rows(state, extras, synapses, lif.channels, channel, site, step, n_visits)
    return n_visits, n_candidates


@inlined
def pool_currents(pooled, channels, windows, into):
    """Add to *into* what the currents of these *windows* come to, and forget those of all."""
    nothing = pooled.raw[0] * 0
    for window in windows:
        for c in range(channels):
            first, last = pooled.first_site[window], pooled.first_site[window + 1]
            total = pooled.raw[pooled.site[first] * channels + c] if pooled.largest else nothing
            for i in range(first, last):
                current = pooled.raw[pooled.site[i] * channels + c]
                total = max(total, current) if pooled.largest else total + current
            into[window * channels + c] += total * pooled.share
    pooled.raw[:] = nothing


@inlined
def integrate(lif, state, extras, sources, current, visits, step, begin):
    """Add the constant *current* and the weights of all events that arrive in this step to the potential; where inputs are
    filtered, to the synaptic current, which leaks before and which the potential then integrates, with or without the constant
    in it; pooled before either, where currents are pooled, at the sites on the visit list: nothing comes to others."""
    into = state.potential
    if extras is not None and lif.filters:
        into = extras.current
        for i in range(len(into)):
            into[i] = decayed(into[i], lif.current_leak, i)
    reached = into
    if extras is not None and len(extras.pooled.raw) > 0:
        reached = extras.pooled.raw
    driven = reached
    if extras is not None and lif.parted:
        driven = state.potential
    for i in range(len(current)):
        driven[i] += current[i]
    for k in range(len(sources)):
        synapses, events = sources[k]
        take(state.singles, extras, synapses, events, events.value, step, begin, k, reached)
    if extras is not None and len(extras.pooled.raw) > 0:
        pool_currents(extras.pooled, lif.channels, visits, into)
    if extras is not None:
        for i in range(len(extras.current)):
            state.potential[i] += extras.current[i]


@inlined
def begin_image(lif, state, extras, tape, begin):
    """Forget the image before; *begin*: first step of this one."""
    for i in range(len(state.potential)):
        state.potential[i] = min(max(of(lif.initial, i), lif.lowest), lif.highest)
    if extras is not None:
        extras.current[:] = 0
    state.updated[:] = begin - 1
    tape.noted[3:] = 0


@jit
def run_layer(lif, state, sources, currents, images, steps, window, tape):
    """Run a population through some steps of some images.

    sources: tuple of (Synapses, Events); currents: [images, neurons], constant over the steps, or [images, 0]; images, window:
    the first image and the first step of each, and those after the last; steps: of an image. An image begins with its first
    step, and its potentials after the last one are final.
    Mutates *state* and writes *tape*.
    """
    driven = currents.shape[1] > 0 or lif.filters
    for image in range(images[0], images[1]):
        begin = image * steps
        if window[0] == 0:
            begin_image(lif, state, state.extras, tape, begin)
        n_spikes, n_lone, n_clipped = tape.noted[0], tape.noted[1], tape.noted[2]
        n_held, n_resting = tape.noted[3], tape.noted[4]
        for step in range(begin + window[0], begin + window[1]):
            n_visits, n_candidates = list_visits(lif, state, state.extras, sources, driven, step, begin, n_held, n_resting)
            visits = state.visits[:n_visits]
            decay(lif, state, visits, step)
            integrate(lif, state, state.extras, sources, currents[image], visits, step, begin)
            n_resting = settle(lif, state, state.extras, step, n_held, n_resting)
            n_spikes, n_held, n_resting, n_clipped = fire(
                lif, state, state.extras, tape, image, step, visits, n_spikes, n_resting, n_clipped
            )
            n_lone = write_lone(lif, state, tape, step, n_candidates, n_lone)
            tape.start[step + 1] = n_spikes
            tape.lone_start[step + 1] = n_lone
            tape.clipped_start[step + 1] = n_clipped
            for block in range(len(state.reached)):
                tape.reached[step, block] = state.reached[block] == step
            if len(tape.potentials) > 0:
                write_potentials(lif, state, tape.potentials[step], step)
        tape.noted[0], tape.noted[1], tape.noted[2] = n_spikes, n_lone, n_clipped
        tape.noted[3], tape.noted[4] = n_held, n_resting
        if window[1] == steps:
            write_potentials(lif, state, tape.final[image], begin + steps - 1)


@jit
def add_pixels(current, pixels, synapses):
    """Add the image *pixels* [channels, sites], each times its weights, to *current* [neurons]."""
    for c in range(pixels.shape[0]):
        shift = c * synapses.channel_step
        group = c // synapses.group * synapses.group_step
        for s in range(pixels.shape[1]):
            x = pixels[c, s]
            if x == 0:
                continue
            for r in range(synapses.first[s], synapses.first[s + 1]):
                target = np.uint64(synapses.target[r] + group)
                offset = np.uint64(synapses.offset[r] + shift)
                for k in range(np.uint64(synapses.length[r])):
                    current[target + k] += x * synapses.weight[offset + k]


@jit
def pack(start, channel, site, sites, bits):
    """Set bit ``channel * sites + site`` of bits[row] (least significant first) for each event of each row."""
    for row in range(len(start) - 1):
        for e in range(start[row], start[row + 1]):
            neuron = channel[e] * sites + site[e]
            bits[row, neuron >> 3] |= 1 << (neuron & 7)
