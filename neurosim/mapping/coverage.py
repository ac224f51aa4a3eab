"""Whether bricks hold every neuron of a network exactly once, in cores that can hold them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np

from neurosim.chip.chip import Chip
from neurosim.mapping.brick import Brick
from neurosim.network.layers import Layer
from neurosim.network.network import Network


def coverage_problems(network: Network, chip: Chip, bricks: Sequence[Brick], cores: np.ndarray) -> list[str]:
    """Everything that is wrong, with the first neuron of each kind."""
    problems = [text for brick in bricks for text in _outside(network.layers[brick.layer], brick)]
    for index, layer in enumerate(network.layers) if not problems else ():
        problems += _missing_and_doubled(layer, [brick for brick in bricks if brick.layer == index])
    wrong = sorted({int(core) for core in cores if not 0 <= core < chip.cores})
    if wrong:
        problems.append(f"cores {_some(wrong)} do not exist; chip {chip.name!r} has cores 0 to {chip.cores - 1}")
    return problems + sharing_problems(chip, bricks, cores)


def sharing_problems(chip: Chip, bricks: Sequence[Brick], cores: np.ndarray) -> list[str]:
    """What is wrong with bricks that have the same core."""
    pairs = zip(cores.tolist(), (brick.layer for brick in bricks), strict=True)
    twice = sorted({core for (core, _), many in Counter(pairs).items() if many > 1})
    crowded = sorted({core for core, many in Counter(cores.tolist()).items() if many > chip.core.max_layers} - {*twice})
    problems = []
    if twice:
        problems.append(f"cores {_some(twice)} hold several bricks of a layer; a core holds one")
    if crowded:
        allowed = f"core.max_layers is {chip.core.max_layers}"
        problems.append(f"cores {_some(crowded)} hold bricks of more layers than they may; {allowed}")
    return problems


def _outside(layer: Layer, brick: Brick) -> Iterator[str]:
    spans = (brick.c0, brick.c1), (brick.y0, brick.y1), (brick.x0, brick.x1)
    for name, (first, last), size in zip(("channels", "rows", "columns"), spans, layer.shape, strict=True):
        if not 0 <= first < last <= size:
            yield f"layer {layer.name!r}: brick of {name} {first}:{last} does not lie in 0:{size}"


def _missing_and_doubled(layer: Layer, bricks: Sequence[Brick]) -> Iterator[str]:
    held = np.zeros(layer.shape, np.int32)
    for brick in bricks:
        held[brick.c0 : brick.c1, brick.y0 : brick.y1, brick.x0 : brick.x1] += 1
    for word, wrong in (("in no brick", held == 0), ("in several bricks", held > 1)):
        if wrong.any():
            place = ", ".join(str(int(i)) for i in np.argwhere(wrong)[0])
            many = f"{int(wrong.sum()):,} neurons are {word}"
            yield f"layer {layer.name!r}: {many}, the first at (channel, row, column) = ({place})"


def _some(numbers: Sequence[int]) -> str:
    shown = ", ".join(map(str, numbers[:8]))
    return f"{shown} and {len(numbers) - 8} more" if len(numbers) > 8 else shown
