"""Swaps of bricks between cores, kept where they shorten the wires, and sometimes where they do not."""

import math

from neurosim.kernels import inlined, jit


@inlined
def gap(difference, around):
    """Distance along a line, or the shorter way around a ring; signed, forwards where both are as long."""
    if around > 0.0:
        if 2 * difference > around:
            return difference - around
        if 2 * difference <= -around:
            return difference + around
    return difference


@inlined
def length(net, core, first, target, sender, x, y, column, around, north, south):
    """Length of the tree of one net: along x from the sender, then down and up every column that has a target.

    column: int64 [cores], number of the column. north, south: float64 [columns], zeros; left as zeros.
    """
    source = core[sender[net]]
    west = east = total = 0.0
    for at in range(first[net], first[net + 1]):
        goal = core[target[at]]
        dx, dy = gap(x[goal] - x[source], around[0]), gap(y[goal] - y[source], around[1])
        west, east = min(west, dx), max(east, dx)
        here = column[goal]
        if dy < north[here]:
            total += north[here] - dy
            north[here] = dy
        elif dy > south[here]:
            total += dy - south[here]
            south[here] = dy
    for at in range(first[net], first[net + 1]):
        here = column[core[target[at]]]
        north[here] = south[here] = 0.0
    return total + east - west


@jit
def lengths(core, nets, places, around, scratch, found):
    """Write the length of every net into found.

    core: int64 [bricks]. nets: (sender, first, target). places: (x, y, column). scratch: (north, south), float64 [columns].
    """
    sender, first, target = nets
    x, y, column = places
    for net in range(len(sender)):
        found[net] = length(net, core, first, target, sender, x, y, column, around, scratch[0], scratch[1])


@jit
def anneal(moves, chances, temperature, core, occupant, nets, incident, flits, places, around, known, scratch):
    """Try every move (brick, core): the brick goes there, and who is there comes back. Returns what moves that were kept saved.

    moves: int64 [n, 2]. chances: float64 [n], in [0, 1). temperature: float64 [n], flits x links. core: int64 [bricks],
    occupant: int64 [cores], -1 none, -2 must stay; both are changed. nets: (sender, first, target). incident: (first, net),
    the nets of every brick, once each. flits: float64 [nets]. known: float64 [nets], their lengths; changed. scratch: (north,
    south) float64 [columns], zeros, (stamp) int64 [nets], zeros, and (fresh) float64 [nets].
    """
    sender, first, target = nets
    x, y, column = places
    begin, of_brick = incident
    north, south, stamp, fresh = scratch
    saved = 0.0
    for move in range(len(moves)):
        brick, goal = moves[move, 0], moves[move, 1]
        home, other = core[brick], occupant[goal]
        if other == -2 or goal == home:
            continue
        core[brick] = goal
        if other >= 0:
            core[other] = home
        change = 0.0
        for who in (brick, other):
            if who < 0:
                continue
            for at in range(begin[who], begin[who + 1]):
                net = of_brick[at]
                if stamp[net] == move + 1:
                    continue
                stamp[net] = move + 1
                fresh[net] = length(net, core, first, target, sender, x, y, column, around, north, south)
                change += flits[net] * (fresh[net] - known[net])
        if change <= 0.0 or chances[move] < math.exp(-change / temperature[move]):
            saved -= change
            occupant[goal], occupant[home] = brick, other
            for who in (brick, other):
                if who >= 0:
                    for at in range(begin[who], begin[who + 1]):
                        known[of_brick[at]] = fresh[of_brick[at]]
        else:
            core[brick] = home
            if other >= 0:
                core[other] = goal
    for net in range(len(stamp)):
        stamp[net] = 0
    return saved
