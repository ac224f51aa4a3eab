"""What a neuron has beside its synapses: one row per parameter. Whatever lists parameters iterates over this table, in order.

How to add a row, and what else a parameter needs: docs/extending.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from neurosim.network.layers import AT_ONCE, NEXT_STEP

# A number per neuron, channel or layer; the same between 0 and 1; a count of steps or of bits, one of several words, or yes or
# no, one per layer.
Form = Literal["number", "fraction", "steps", "bits", "choice", "switch"]
SHAPES: dict[Form, str] = {
    "number": "one, [C] or [C, H, W]", "fraction": "one, [C] or [C, H, W]; (k, m) for k / 2^m in integers", "steps": "one",
    "bits": "one", "choice": "one", "switch": "one",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class NeuronParameter:
    """A field of `Layer`, and all that is known of it.

    *unit*; *meaning*, as files say it, and *in_floats*, where a float network means something else; *noun*, as messages call
    it. *default*: what a layer has that does not say, which means none; *neutral*: a value that is as good as none. *fires*:
    only neurons that fire have it; *required*: those must, and it is positive; *below_threshold*: why it must be, if it must;
    *reset*: the one that it needs; *choices*: the words that it may be; *most*: the largest that it may be.

    *read*: what computes with it: the constants of the kernels (`NeuronConstants` has a field of this name), what
    `neurosim.spikes.population` makes of rules, the currents that are added at every step, or the synapses. *grid*: what
    quantisation scales it by, and the *least* that it may then be. *state*: numbers that every neuron keeps and a visit reads
    and writes; *own*: numbers that a visit reads where each neuron has a value of its own. *nir*: the types of node in NIR that
    have it, by the name of their field; *sanafe*: whether the export to SANA-FE can say it, one value per layer.

    *hashed*: always, together with others where any of those is there, or by name where it is there, so that networks keep
    their hash when parameters are added. *since*: the first version of files that knows it.
    """

    name: str
    form: Form
    unit: str
    meaning: str
    noun: str
    read: Literal["constants", "rules", "currents", "synapses"]
    grid: Literal["potential", "fraction", "none"]
    state: int
    own: int
    nir: Mapping[str, tuple[str, ...]]
    sanafe: bool
    hashed: Literal["always", "together", "by name"]
    since: str
    in_floats: str = ""
    default: int | str | bool | None = None
    neutral: int | None = None
    choices: tuple[str, ...] = ()
    most: float = np.inf
    fires: bool = False
    required: bool = False
    below_threshold: str = ""
    reset: str | None = None
    least: float = -np.inf

    def of(self, link: Any) -> Any:
        """The value that a layer or shortcut has, None if it has none."""
        value = getattr(link, self.name, self.default)
        return value if isinstance(value, tuple | np.ndarray) or value != self.default else None

    def varies(self, layer: Any) -> bool:
        """Whether channels or neurons of *layer* differ in it."""
        return isinstance(factor(self.of(layer)), np.ndarray)


FIRING = ("IF", "LIF", "CubaLIF")
CURRENTS = ("CubaLI", "CubaLIF")
PARAMETERS: dict[str, NeuronParameter] = {
    row.name: row
    for row in (
        NeuronParameter(
            name="threshold", form="number", unit="potential", meaning="fires when the potential compares to it",
            noun="a threshold", fires=True, required=True, read="constants", grid="potential", least=1, state=0, own=1,
            nir={"v_threshold": FIRING, "threshold": ("Threshold",)}, sanafe=True, hashed="always", since="1.0",
        ),
        NeuronParameter(
            name="leak", form="fraction", unit="1", meaning="[k, m]: u = (k * u) >> m per step, floor",
            in_floats="u = leak * u per step", noun="a leak", neutral=1, read="constants", grid="fraction", state=0, own=1,
            nir={"tau": ("LI", "LIF"), "tau_mem": CURRENTS}, sanafe=True, hashed="always", since="1.0",
        ),
        NeuronParameter(
            name="bias", form="number", unit="potential", meaning="arrives at every step", noun="a bias", neutral=0,
            read="currents", grid="potential", state=0, own=0,
            nir={"bias": ("Affine", "Conv1d", "Conv2d"), "v_leak": ("LI", "LIF", *CURRENTS)}, sanafe=False, hashed="together",
            since="1.0",
        ),
        NeuronParameter(
            name="rest", form="number", unit="potential", meaning="after a reset to zero", noun="a rest", neutral=0, fires=True,
            below_threshold="a neuron would fire for ever", reset="zero", read="constants", grid="potential", state=0, own=1,
            nir={"v_reset": FIRING}, sanafe=False, hashed="together", since="1.0",
        ),
        NeuronParameter(
            name="current_leak", form="fraction", unit="1",
            meaning="[k, m] of the synaptic current, which the potential integrates", in_floats="of the synaptic current",
            noun="a synaptic current", read="constants", grid="fraction", state=1, own=1, nir={"tau_syn": CURRENTS},
            sanafe=False, hashed="together", since="1.0",
        ),
        NeuronParameter(
            name="delay", form="steps", unit="step", meaning="by which spikes of the main inputs arrive late", noun="delays",
            default=0, neutral=0, read="synapses", grid="none", state=0, own=0, nir={"delay": ("Delay",)}, sanafe=False,
            hashed="together", since="1.0",
        ),
        NeuronParameter(
            name="weight_shift", form="bits", unit="bit", meaning="by which weights are shifted left where they are added",
            noun="shifted weights", default=0, neutral=0, read="synapses", grid="none", state=0, own=0, nir={}, sanafe=False,
            hashed="by name", since="2.0",
        ),
        NeuronParameter(
            name="bias_into", form="choice", unit="-", meaning="where there is a synaptic current: what a bias is added to",
            noun="a bias that passes its current by", default="current", choices=("current", "potential"), read="rules",
            grid="none", state=0, own=0, nir={}, sanafe=False, hashed="by name", since="2.0",
        ),
        NeuronParameter(
            name="initial", form="number", unit="potential", meaning="before the first step of an image",
            noun="an initial potential", neutral=0, below_threshold="a neuron would fire before anything arrives",
            read="constants", grid="potential", state=0, own=0, nir={}, sanafe=False, hashed="by name", since="2.0",
        ),
        NeuronParameter(
            name="floor", form="number", unit="potential", meaning="no step leaves a potential below it", noun="a floor",
            most=0, read="constants", grid="potential", state=0, own=1, nir={}, sanafe=False, hashed="by name", since="2.0",
        ),
        NeuronParameter(
            name="refractory", form="steps", unit="step",
            meaning="after that of a spike in which a neuron keeps its potential and does not fire", noun="refractory steps",
            default=0, neutral=0, fires=True, read="constants", grid="none", state=1, own=0, nir={}, sanafe=False,
            hashed="by name", since="2.0",
        ),
        NeuronParameter(
            name="graded", form="switch", unit="-", meaning="a spike carries how many thresholds were crossed, and takes them",
            noun="graded spikes", default=False, fires=True, reset="subtract", read="constants", grid="none", state=0, own=0,
            nir={}, sanafe=False, hashed="by name", since="2.0",
        ),
        NeuronParameter(
            name="leak_rounding", form="choice", unit="-", meaning="of integers that leak: down, or towards zero",
            noun="a leak that rounds towards zero", default="floor", choices=("floor", "zero"), read="rules", grid="none",
            state=0, own=0, nir={}, sanafe=False, hashed="by name", since="2.0",
        ),
        NeuronParameter(
            name="reset", form="choice", unit="-", meaning="what a spike does to its potential, if not what the network says",
            noun="a reset of its own", choices=("subtract", "zero", "none"), fires=True, read="rules", grid="none", state=0,
            own=0, nir={}, sanafe=False, hashed="by name", since="2.0",
        ),
        NeuronParameter(
            name="compare", form="choice", unit="-", meaning="how the potential compares to the threshold, likewise",
            noun="a comparison of its own", choices=(">", ">="), fires=True, read="rules", grid="none", state=0, own=0, nir={},
            sanafe=False, hashed="by name", since="2.0",
        ),
        NeuronParameter(
            name="order", form="choice", unit="-", meaning="of what happens in a step, likewise", noun="an order of its own",
            choices=(AT_ONCE, NEXT_STEP), fires=True, read="rules", grid="none", state=0, own=0, nir={}, sanafe=False,
            hashed="by name", since="2.0",
        ),
    )
}  # fmt: skip


def factor(leak: Any) -> Any:
    """What a fraction multiplies by, k in integers; any other value as it is."""
    return leak[0] if isinstance(leak, tuple) else leak


def hash_parts(layer: Any, hashed: str) -> list[Any]:
    """The values of all parameters that are *hashed* in this way, as something whose text says all of it."""
    rows = [row for row in PARAMETERS.values() if row.hashed == hashed]
    values = {row.name: _plain(row.of(layer)) for row in rows}
    if hashed == "by name":
        return [part for part in values.items() if part[1] is not None]
    return list(values.values()) if hashed == "always" or any(value is not None for value in values.values()) else []


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return (_plain(value[0]), value[1])
    return (value.shape, value.tobytes()) if isinstance(value, np.ndarray) else value
