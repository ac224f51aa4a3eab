"""Random small machines and what travels through them."""

from dataclasses import replace

import numpy as np
from hypothesis import strategies as st

from neurosim.kernels.fabric import UNLIMITED
from neurosim.noc.deadlock import waiting_circle
from neurosim.noc.geometry import Grid
from neurosim.noc.machine import Machine
from neurosim.noc.traffic import Traffic

LARGEST = 4


@st.composite
def machines(draw, torus=st.booleans(), whole=st.booleans()):
    """Up to 4 x 4 tiles, on one chip or several; a torus has as many virtual channels as it needs."""
    side, few = st.integers(1, 4), st.integers(1, 3)
    grid = Grid(draw(side), draw(side), draw(st.integers(1, 2)), draw(torus), draw(side), draw(side))
    machine = Machine(
        grid, channels=draw(few), depth=draw(side), router_cycles=draw(few), link_cycles=draw(few),
        link_interval=draw(few), chip_link_cycles=draw(st.integers(1, 5)), chip_link_interval=draw(side),
        local_cycles=draw(st.integers(1, 2)), credit_cycles=draw(few), queue=draw(st.sampled_from([1, 2, 3, UNLIMITED])),
        barrier_cycles=draw(st.integers(0, 8)), whole=draw(whole),
    )  # fmt: skip
    return replace(machine, channels=2) if waiting_circle(grid, machine.channels > 1) else machine


@st.composite
def traffics(draw, machine, most=500, service=(0, 0, 2, 20), busy=st.booleans(), longest=LARGEST):
    """Up to *most* packets of up to *longest* flits, for several cores where packets move whole, to all cores or to a few that
    are popular."""
    grid, rng = machine.grid, np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    count, period, most_service = draw(st.integers(0, most)), draw(st.integers(1, 150)), draw(st.sampled_from(service))
    largest = min(longest, machine.depth) if machine.whole else longest
    popular = rng.permutation(grid.cores)[: draw(st.integers(1, grid.cores))]
    copies = min(draw(st.integers(1, 5)), len(popular)) if machine.whole else 1
    # Of *popular*, so many cores in a row for each packet, each time in another order.
    cores = popular[rng.random((count, len(popular))).argsort(1)[:, :copies]].tolist()
    many, services = rng.integers(1, copies + 1, count).tolist(), rng.integers(most_service + 1, size=(count, copies)).tolist()
    of_each = ((grid.cores, 0), (period, 0), (largest + 1, 1))
    source, created, flits = (rng.integers(low, high, count).tolist() for high, low in of_each)
    packets = [
        (source[i], created[i], flits[i], dict(zip(cores[i][: many[i]], services[i], strict=False))) for i in range(count)
    ]
    if not draw(busy):
        return traffic(grid, packets)
    fetch, work, update = (rng.integers(0, high, grid.cores) * rng.integers(0, 2, grid.cores) for high in (6, 30, 9))
    return traffic(grid, packets, fetch, work, update)


@st.composite
def journeys(draw, **how):
    """A machine and its traffic."""
    machine = draw(machines())
    return machine, draw(traffics(machine, **how))


@st.composite
def single_journeys(draw, **how):
    """A mesh and packets of one flit for one core each."""
    machine = draw(machines(torus=st.just(False), whole=st.just(False)))
    grid = machine.grid._replace(cores_per_tile=draw(st.sampled_from([1, 2, 4])))
    machine = replace(machine, grid=grid, channels=draw(st.integers(1, 4)), depth=draw(st.sampled_from([1, 2, 4, 7, 8])))
    return machine, draw(traffics(machine, longest=1, **how))


def traffic(grid, packets, fetch=0, work=0, update=0):
    """Traffic of packets (source, created, flits, {target: service}) in any order, for cores that do *work* besides."""
    packets = sorted(packets, key=lambda packet: packet[:2])
    targets = [in_order(grid, source, to) for source, _, _, to in packets]
    sources, created, flits = (np.array([packet[i] for packet in packets], np.int64) for i in range(3))
    first = np.cumsum([0, *map(len, targets)])
    cores, service = np.array([item for to in targets for item in to], np.int64).reshape(-1, 2).T
    rest = (np.broadcast_to(np.asarray(c, np.int64), grid.cores) for c in (fetch, work, update))
    return Traffic(sources, created, flits, first, cores, service, *rest)


def in_order(grid, source, to):
    """The items of *to* in the order of a tree."""
    return sorted(to.items(), key=lambda item: (*grid.offset(source, item[0]), item[0])) if len(to) > 1 else [*to.items()]
