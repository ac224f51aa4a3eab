"""Frameworks whose neurons are known: how to describe one, how to clear it, and how it is called."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from neurosim.frameworks.neuron import Neuron, lapicque, ours, snntorch, spikingjelly
from neurosim.frameworks.norse_neuron import norse, weighed
from neurosim.frameworks.sinabs_neuron import sinabs
from neurosim.network.layers import Shape

Reader = Callable[[Any, tuple[int, ...], Shape], Neuron]
# The axis of the steps, None where a call is one step; and how many of them are on one axis with the samples.
Time = tuple[int | None, int | None]


def unfitted(module: Any, samples: int) -> None:
    """It takes any number of samples."""


def as_given(module: Any, given: Tensor) -> Tensor:
    """Its neurons are given what it is given."""
    return given


@dataclass(frozen=True)
class Framework:
    """Modules with a state.

    *roots*: names of the modules of Python that hold the classes from which all of them descend, neurons first; of these, what
    has one of the attributes *marks* has a state. *clear* sets a module to where every run begins; *potential*: what it keeps
    after a call that returned an answer, None where it does not show it; *time*: of a module and the leading axes of its input,
    where the steps are. *sequences*: the attribute that makes a module keep the potentials of all steps of a call. *told*: they
    know no state but that which they are given; *fit* lets a module take another number of samples than it was made for;
    *weighs*: what weights of its own, before its neurons, make of what a module is given. *strange*: classes with a state that
    are no neurons and not seen through. *encoders*: where the classes are that make spikes of samples.
    """

    name: str
    roots: tuple[str, ...]
    marks: tuple[str, ...]
    readers: dict[str, Reader]
    clear: Callable[[Any], None]
    potential: Callable[[Any, Any], Tensor | None]
    time: Callable[[Any, Sequence[int]], Time]
    sequences: str = ""
    told: bool = False
    fit: Callable[[Any, int], None] = unfitted
    weighs: Callable[[Any, Tensor], Tensor] = as_given
    strange: tuple[str, ...] = ()
    encoders: str = "?"


def _at_once(module: Any, shape: Sequence[int]) -> Time:
    return None, None


def _nothing(module: Any) -> None:
    return None


def _spikingjelly_time(module: Any, shape: Sequence[int]) -> Time:
    return (0, None) if module.step_mode == "m" else (None, None)


def _spikingjelly_potential(module: Any, answer: Any) -> Tensor | None:
    """All steps, where they are kept."""
    kept = module.v_seq if module.step_mode == "m" and module.store_v_seq else module.v
    return kept if isinstance(kept, Tensor) else None


def _sinabs_time(module: Any, shape: Sequence[int]) -> Time:
    if not hasattr(module, "num_timesteps"):
        return 1, None
    return 0, module.num_timesteps if module.num_timesteps > 0 else shape[0] // module.batch_size


def _sinabs_potential(module: Any, answer: Any) -> Tensor | None:
    kept = module.recordings.get("v_mem")
    return None if kept is None else kept.reshape(answer.shape)


def _clear_sinabs(module: Any) -> None:
    """Its buffers as they were made: those of other batches are drawn from at random."""
    for name, _ in list(module.named_buffers(recurse=False)):
        setattr(module, name, getattr(module, name).new_zeros(0))


def _fit_sinabs(module: Any, samples: int) -> None:
    """Made with batch_size, it tells steps from samples by their number."""
    if getattr(module, "batch_size", -1) > 0:
        module.batch_size = samples if module.num_timesteps < 0 else -1


FAMILIES = (
    Framework(
        "snntorch", ("snntorch._neurons",), ("reset_mem",),
        {**dict.fromkeys(("Leaky", "Synaptic", "RLeaky", "RSynaptic"), snntorch), "Lapicque": lapicque},
        lambda m: m.reset_mem(), lambda m, _: m.mem, _at_once,
    ),
    Framework(
        "spikingjelly", ("spikingjelly.activation_based.neuron", "spikingjelly.activation_based.base"), ("reset",),
        dict.fromkeys(("IFNode", "LIFNode", "ParametricLIFNode"), spikingjelly),
        lambda m: m.reset(), _spikingjelly_potential, _spikingjelly_time, "store_v_seq",
        strange=("SynapseFilter", "Delay", "NeuNorm", "LinearRecurrentContainer", "ElementWiseRecurrentContainer"),
        encoders="spikingjelly.activation_based.encoding",
    ),
    Framework(
        "norse", ("norse.torch.module.snn",), ("state_fallback",),
        dict.fromkeys(("LIFCell", "LIFBoxCell", "LICell", "LIBoxCell", "IAFCell", "LIFRecurrentCell"), norse),
        _nothing, lambda _, answer: answer[1].v, _at_once, told=True, weighs=weighed,
        encoders="norse.torch.module.encode",
    ),
    Framework(
        "sinabs", ("sinabs.layers.stateful_layer",), ("init_state_with_shape",),
        dict.fromkeys(("IAF", "IAFSqueeze", "LIF", "LIFSqueeze"), sinabs),
        _clear_sinabs, _sinabs_potential, _sinabs_time, "record_states", fit=_fit_sinabs,
    ),
    Framework(
        "neurosim", ("neurosim.frameworks.neuron",), ("reset",), {"Lif": ours}, lambda m: m.reset(), lambda m, _: m.u, _at_once,
    ),
)  # fmt: skip


def family(module: nn.Module) -> Framework | None:
    """Whose class it descends from, if that has a state."""
    homes = [kind.__module__ for kind in type(module).__mro__]
    found = next((f for f in FAMILIES if any(_inside(home, f.roots) for home in homes)), None)
    stateful = found is not None and any(hasattr(module, name) for name in found.marks)
    return found if stateful else None


def _inside(home: str, roots: Sequence[str]) -> bool:
    return any(home == root or home.startswith(f"{root}.") for root in roots)


def reader(module: nn.Module) -> Reader | None:
    """The function that describes a module, None where it is no neuron that is known. Subclasses may do anything."""
    kind = type(module)
    package = kind.__module__.partition(".")[0]
    found = next((f for f in FAMILIES if f.name == package), None)
    return None if found is None else found.readers.get(kind.__name__)


def stranger(module: nn.Module) -> str | None:
    """What neurons or recurrent cells it is, if none whose equation is known."""
    if isinstance(module, nn.RNNBase | nn.RNNCellBase):
        return f"torch's {type(module).__name__}"
    found = family(module)
    if found is None or reader(module) is not None:
        return None
    if not _neuron(module, found) and type(module).__name__ not in found.strange:
        return None
    own = next(kind for kind in type(module).__mro__ if kind.__module__.partition(".")[0] == found.name)
    told = f"{found.name}'s {own.__name__}"
    return told if own is type(module) else f"a class of its own, made of {told}"


def encoder(module: nn.Module) -> str | None:
    """What it is, if it makes spikes of samples."""
    home, name = type(module).__module__, type(module).__name__
    return next((f"{f.name}'s {name}" for f in FAMILIES if _inside(home, (f.encoders,))), None)


def _neuron(module: nn.Module, found: Framework) -> bool:
    """Whether it descends from neurons, and not from something else with a state."""
    homes = [kind.__module__ for kind in type(module).__mro__]
    return any(_inside(home, found.roots[:1]) for home in homes)


def known() -> str:
    return ", ".join(f"{f.name}.{kind}" for f in FAMILIES for kind in f.readers)
