"""The commands: what each is for, and the module that is imported when it is used."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from typer.core import TyperCommand

# By module, in the order of the help: each command with the first paragraph of its own help.
COMMANDS = {
    "chips": {
        "demo": "The main job on the bundled network and images: answer, time, energy, where it went, and an HTML report.",
        "run": "Simulate a network on a chip.",
        "replay": "The result of `run` from a recorded trace, with the options of `run`; nothing is simulated again.",
        "reprice": "New prices on the stored counts of a run; nothing is simulated again. Without --chip, those of the run are "
        "changed.",
        "map": "Which neurons live in which core, and what they send each other; or everything that does not fit.",
        "presets": "The chips that ship, and those that installed packages bring.",
    },
    "events": {
        "events": "Bin recordings of event cameras, and other events with times, into the steps of an inputs file.",
    },
    "exports": {"export": "Write for another tool: energies, networks, spikes or packets."},
    "imports": {
        "import": "Make a network of a NIR file, or of a .net file of lava-dl. What NIR does not say must be said: --dt, "
        "--reset, --compare."
    },
    "networks": {
        "verify": "Re-simulate the golden samples of a network; every spike and potential must be the recorded one (in a float "
        "network up to the rounding of float32).",
        "trace": "Record the spikes of a network; no chip is involved.",
        "inspect": "What is in a neurosim file (a chip: `presets`, or its TOML), or in a recording of events.",
    },
    "noc": {
        "noc": "Latency and throughput of a mesh of routers by itself. Every node creates packets at random and keeps them "
        "until the mesh takes them; the latency of a packet counts from its creation to the arrival of its last flit.",
    },
    "studies": {
        "sweep": "Many chips on one network: each point once, the best of them, and what matters. Goes on where it was "
        "stopped.",
        "compare": "A few chips beside each other: how many times the first, the amounts, and the settings that differ.",
        "report": "The HTML report of a run or a study, as `run` and `sweep` write it.",
    },
    "training": {
        "train": "Train a spiking network and export it (extra `train`). What happens goes to stderr: a line per epoch for "
        "people on a terminal, JSON lines otherwise and in the folder of the checkpoints.",
        "convert": "Deploy a network trained with the public DIET-SNN code (extra `train`): its state_dict as an integer "
        "network.",
        "quantize": "Make an integer network from the float weights in a network file, or compare widths on inputs (several "
        "--bits).",
    },
}


class CommandToCome(TyperCommand):
    """Name and help of a command whose module is not imported; *come* makes the command itself as soon as it is to read its
    arguments."""

    def __init__(self, name: str, help: str, come: Callable[[str], TyperCommand]):
        super().__init__(name, help=help)
        self.come = come

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        return self.come(str(self.name)).make_context(info_name, args, parent, **extra)
