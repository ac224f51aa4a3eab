"""Networks from `.net` files of lava-dl, exact to the bit."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from neurosim.errors import FileError, NetworkError
from neurosim.io.hdf5 import Node, opening
from neurosim.io.lava.blocks import MANY, blocks, one
from neurosim.io.lava.lowering import Chain
from neurosim.io.nir.fidelity import Fidelity
from neurosim.network.layers import Shape
from neurosim.network.network import Network


def import_lava(
    path: str | os.PathLike[str],
    *,
    timesteps: int | None = None,
    encoding: Literal["spikes", "direct"] = "spikes",
    input_shape: Sequence[int] | None = None,
    name: str | None = None,
) -> tuple[Network, Fidelity]:
    """The integer network in a `.net` file of lava-dl, and how faithful it is to the file.

    *timesteps* None: as many as the file says a sample has (simulation/tSample), or else as the inputs have. *encoding*
    "direct": the input is an image of integers, shown at every step. *input_shape*: [C, H, W], of a file that has no block
    `input`. Raises FileError with every block that cannot be expressed, NetworkError where blocks do not fit each other.
    """
    given: Shape | None = None if input_shape is None else tuple(input_shape)  # type: ignore[assignment]
    chain = Chain(given, encoding == "direct")
    with opening(path) as (_, root):
        for block in blocks(root):
            chain.add(block)
        chain.close(root)
        steps = _steps(root) if timesteps is None else timesteps
        if steps is None and encoding == "direct":
            root.say("nothing says for how many steps an image is shown; give timesteps (--timesteps)")
    network = _built(path, name, chain, steps, encoding)
    wrong = [told for layer in network.layers if (told := chain.misshapen(layer))]
    if wrong:
        raise FileError(str(path), wrong)
    return network, chain.fidelity


def _steps(root: Node) -> int | None:
    """Steps of a sample, if the file says."""
    group = root.child("simulation") if "simulation" in root else None
    return one(group, "tSample", 1, MANY) if group is not None and "tSample" in group else None


def _built(
    path: str | os.PathLike[str], name: str | None, chain: Chain, steps: int | None, encoding: Literal["spikes", "direct"]
) -> Network:  # fmt: skip
    about: dict[str, Any] = {"imported_from": f"lava-dl, {Path(path).name}", "fidelity": chain.fidelity.to_dict()}
    about |= {"populations": chain.populations} if chain.split else {}
    try:
        return Network.build(
            name or Path(path).stem, timesteps=steps, input_shape=chain.first or (), encoding=encoding, layers=chain.layers,
            reset="zero", compare=">", decode=chain.decode, about=about,
        )  # fmt: skip
    except NetworkError as error:
        raise NetworkError(f"{path}, as a network", error.problems) from error
