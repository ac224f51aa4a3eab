from neurosim.api import (
    compare,
    estimate,
    evaluate,
    export,
    load_mapping,
    map_network,
    neurobench,
    quantize,
    run,
    simulate,
)
from neurosim.chip.chip import Chip
from neurosim.errors import NeurosimError
from neurosim.events.binning import Binning
from neurosim.events.recording import Recording
from neurosim.explore.cluster import Cluster
from neurosim.explore.explorer import Explorer
from neurosim.explore.findings import Findings
from neurosim.explore.reading import load_study
from neurosim.explore.study import Study
from neurosim.explore.sweep import sweep
from neurosim.io.chip_file import load_chip
from neurosim.io.event_files import load_recordings
from neurosim.io.inputs_file import load_inputs
from neurosim.io.network_file import load_network
from neurosim.io.run_file import load_run
from neurosim.io.trace_file import load_trace
from neurosim.mapping.demand import MappingError
from neurosim.mapping.mapping import Mapping
from neurosim.mapping.place.search import Search
from neurosim.network.inputs import Inputs
from neurosim.network.layers import Conv, Dense, Output, Pool, Shortcut
from neurosim.network.network import Network
from neurosim.outcome.record import Record
from neurosim.outcome.result import Result
from neurosim.spikes.trace import SpikeTrace, mismatches
from neurosim.version import __version__

__all__ = [
    "Binning", "Chip", "Cluster", "Conv", "Dense", "Explorer", "Findings", "Inputs", "Mapping", "MappingError", "Network",
    "NeurosimError", "Output", "Pool", "Record", "Recording", "Result", "Search", "Shortcut", "SpikeTrace", "Study",
    "__version__",
    "compare", "estimate", "evaluate", "export", "load_chip", "load_inputs", "load_mapping", "load_network", "load_recordings",
    "load_run", "load_study", "load_trace", "map_network", "mismatches", "neurobench", "quantize", "run", "simulate", "sweep",
]  # fmt: skip
