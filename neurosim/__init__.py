"""neurosim: event-driven simulator of neuromorphic hardware."""

from importlib import import_module
from typing import Any

from neurosim import saving

# Where each name for users lives; imported when it is first asked for, so that nobody waits for what is not used. What type
# checkers see of it is in ``__init__.pyi``.
HOMES = {
    "Binning": "events.binning", "Chip": "chip.chip", "Cluster": "explore.cluster", "Conv": "network.layers",
    "Dense": "network.layers", "Explorer": "explore.explorer", "Findings": "explore.findings", "Inputs": "network.inputs",
    "Mapping": "mapping.mapping", "MappingError": "mapping.demand", "Network": "network.network", "NeurosimError": "errors",
    "Output": "network.layers", "Pool": "network.layers", "Record": "outcome.record", "Recording": "events.recording",
    "Result": "outcome.result",
    "Search": "mapping.place.search", "Shortcut": "network.layers", "SpikeTrace": "spikes.trace", "Study": "explore.study",
    "__version__": "version", "compare": "api", "estimate": "api", "evaluate": "api", "export": "api",
    "load_chip": "io.chip_file", "load_inputs": "io.inputs_file", "load_mapping": "api", "load_network": "io.network_file",
    "load_recordings": "io.event_files", "load_run": "io.run_file", "load_study": "explore.reading",
    "load_trace": "io.trace_file", "map_network": "api", "mismatches": "spikes.trace", "neurobench": "api", "quantize": "api",
    "run": "api", "simulate": "api", "sweep": "explore.sweep",
}  # fmt: skip

# Where the values of a type are written to files, and reported; imported when the first of them is.
WRITERS = {
    "save": {
        "Network": "io.network_file", "Inputs": "io.inputs_file", "SpikeTrace": "io.trace_file", "Mapping": "io.mapping_file",
        "Record": "io.run_file",
    },
    "report": {"Record": "report"},
}  # fmt: skip

__all__ = sorted(HOMES)


def __getattr__(name: str) -> Any:
    """A name for users, kept from then on."""
    if name not in HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = globals()[name] = getattr(import_module(f"{__name__}.{HOMES[name]}"), name)
    return found


@saving.finder
def _bring_writer(doing: str, kind: str) -> None:
    """Import what writes values of the type called *kind* ("save") or reports them ("report")."""
    if kind in WRITERS[doing]:
        import_module(f"{__name__}.{WRITERS[doing][kind]}")


def __dir__() -> list[str]:
    """The names that are for users; the rooms of the package can be imported all the same."""
    return sorted(__all__)
