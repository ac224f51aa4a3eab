"""A traffic table of Noxim: who sends to whom, and how often.

A line is ``source destination pir por t_on t_off t_period``: packets per cycle, the same after a cycle in which the source has
sent, and between which cycles of a period. Lines that begin with % are comments. There is no time of single packets.
"""

from __future__ import annotations

import os
from collections.abc import Iterable

import numpy as np

from neurosim.errors import NeurosimError
from neurosim.io.hdf5 import replacing
from neurosim.noc.packet_list import PacketList


def save_noxim(packets: PacketList, path: str | os.PathLike[str], notes: Iterable[str] = ()) -> None:
    """Write a line for each pair of nodes, by source and target: its packets, spread evenly over the cycles of the list.

    *notes* become comments. Raises NeurosimError for what no table can say: a node that sends more than a packet per cycle,
    packets of several sizes, or none.
    """
    problems = _problems(packets)
    if problems:
        raise NeurosimError("; ".join(problems))
    source, target, count = _pairs(packets)
    size = int(packets.flits[0])
    comments = [
        *notes, "lost: times: rates over all cycles, and none of the bursts",
        f"settings: mesh_dim_x {packets.grid.width}, mesh_dim_y {packets.grid.height}, packets of {size} flits",
        "source destination pir por t_on t_off t_period",
    ]  # fmt: skip
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        file.writelines(f"% {line}\n" for line in comments)
        for a, b, n in zip(source.tolist(), target.tolist(), count.tolist(), strict=True):
            rate = n / packets.cycles
            file.write(f"{a} {b} {rate!r} {rate!r} 0 {packets.cycles} {packets.cycles + 1}\n")


def _pairs(packets: PacketList) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """int64 [pairs] each: source, target, packets."""
    pairs, count = np.unique(packets.source * packets.grid.tiles + packets.target, return_counts=True)
    return *np.divmod(pairs, packets.grid.tiles), count


def _problems(packets: PacketList) -> list[str]:
    if not len(packets):
        return ["the sample sends no packets; a table needs some"]
    found = []
    sizes = np.unique(packets.flits).tolist()
    if len(sizes) > 1:
        found.append(f"packets have {', '.join(map(str, sizes))} flits; a table knows one size")
    sent = np.bincount(packets.source)
    node = int(sent.argmax())
    if sent[node] > packets.cycles:
        rate = f"node {node} sends {sent[node]:,} packets in {packets.cycles:,} cycles; a table takes one per cycle"
        found.append(f"{rate}: put fewer cores into a tile, or let packets take longer to make (operation.packet.cycles)")
    return found
