"""What the commands share: files in, tables and JSON out."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from importlib import resources
from pathlib import Path
from typing import Any

from rich.console import Console, Group, RenderableType

import neurosim as ns
from neurosim.chip.chip import MAX_CORES
from neurosim.chip.following import follows
from neurosim.chip.scaling import parsed_scale
from neurosim.chip.settings import FIT
from neurosim.cli.app import QUIET
from neurosim.cost.spikeless import AnnChoice, Spikeless
from neurosim.errors import NeurosimError, about
from neurosim.explore.cluster import Cluster
from neurosim.explore.free import free_words
from neurosim.explore.study import places
from neurosim.io.chip_file import load_chip
from neurosim.io.hdf5 import check_target, command, replacing
from neurosim.io.inputs_file import opened_inputs
from neurosim.io.spool import spooled
from neurosim.io.trace_blocks import TraceBlocks
from neurosim.mapping.mapper import placed
from neurosim.mapping.place import PLACERS, USUAL
from neurosim.network.inputs import Inputs
from neurosim.outcome import pipeline
from neurosim.outcome.result import Result
from neurosim.report import text
from neurosim.report.perfetto import PerfettoTrace
from neurosim.report.progress import progress, share, waiting
from neurosim.spikes.simulate import STATE_BITS, simulated
from neurosim.timing.choice import TimeChoice


def quiet() -> bool:
    """Whether nothing is to be printed for people."""
    return QUIET.get()


def show(rendered: RenderableType, json_to: str | None, values: Any) -> None:
    """Print for people, and write *values* for programs; with '-' only the latter."""
    write_json(json_to, values)
    if json_to != "-":
        say(rendered)


def say(rendered: RenderableType) -> None:
    """Print for people."""
    width = None if sys.stdout.isatty() else 140
    # What is a line of its own, such as a command to be copied, is not broken.
    whole = isinstance(rendered, str)
    Console(width=width, highlight=False, markup=False, emoji=False, quiet=quiet()).print(rendered, soft_wrap=whole)


def note(line: str) -> None:
    """Write a line for people to stderr."""
    if not quiet():
        print(f"neurosim: {line}", file=sys.stderr)


def write_json(json_to: str | None, values: Any) -> None:
    if json_to == "-":
        sys.stdout.write(json.dumps(values, allow_nan=False) + "\n")
    elif json_to is not None:
        with replacing(json_to) as temporary:
            temporary.write_text(json.dumps(values, indent=1, allow_nan=False) + "\n", encoding="utf-8")


def bundled(name: str) -> Path:
    """A file that travels with the package: in the wheel under data/, in a checkout under models/ or traces/."""
    installed = Path(str(resources.files("neurosim"))) / "data" / name
    checkout = Path(__file__).resolve().parents[2]
    return next((p for p in (installed, checkout / "models" / name, checkout / "traces" / name) if p.exists()), installed)


def loaded(path: Path, images: int | None) -> Inputs:
    """The first *images* samples of an inputs file; more than there are is an error."""
    inputs = ns.load_inputs(path)
    check_images(images, path, inputs)
    return inputs if images is None else inputs[:images]


@contextmanager
def opened(path: Path, images: int | None) -> Iterator[Inputs]:
    """As `loaded`, but many images stay in their file."""
    with opened_inputs(path) as inputs:
        check_images(images, path, inputs)
        yield inputs if images is None else inputs.head(images)


def all_of(*makers: Callable[[], Any]) -> list[Any]:
    """What each of them makes; raises NeurosimError with what is wrong with any of them, all at once."""
    found, errors = list[Any](), list[NeurosimError]()
    for make in makers:
        try:
            found.append(make())
        except NeurosimError as error:
            errors.append(error)
    if len(errors) == 1:
        raise errors[0]
    if errors:
        raise NeurosimError("\n".join(dict.fromkeys(map(str, errors))))
    return found


def note_free(chip: str, changes: Sequence[str]) -> None:
    """Say on stderr which changes of a chip cost nothing there."""
    for change in changes:
        path, _, value = (part.strip() for part in change.partition("="))
        others = [each for each in changes if each is not change]
        chips = [load_chip(chip, others), load_chip(chip, changes)]
        # How large a mesh is that fits is not said.
        found = [None] if value == FIT else [follows(chips, place) for place, _ in places(path, value)]
        if chips[0].sha256 != chips[1].sha256 and not any(each is None or each for each in found):
            note(free_words(path, [chips[1].name]))


def check_images(images: int | None, path: Path, inputs: Inputs) -> None:
    """Raise NeurosimError if so many *images* are not in the file."""
    if images is not None and images > len(inputs):
        raise NeurosimError(f"--images {images}: {path} holds {len(inputs)} samples")


@contextmanager
def simulating(
    network: ns.Network, inputs: Inputs, path: Path, state_bits: int = STATE_BITS, workers: int | None = None,
    changes: bool = False, dask: str | None = None, checkpoints: Path | None = None,
) -> Iterator[Iterator[ns.SpikeTrace]]:  # fmt: skip
    """The traces of slices of *inputs*, as they come, with *changes* of potentials where they are asked for; *dask*: the
    scheduler whose workers simulate; *checkpoints*: a folder in which blocks of them are kept until all goes well."""
    with about(path), clustered(dask) as executor, progress("simulating", len(inputs), quiet()) as done:
        blocks = None if checkpoints is None else TraceBlocks(checkpoints, network, inputs, state_bits, changes)
        if blocks:
            blocks.look(note, done)
        parts = simulated(
            network, inputs, state_bits=state_bits, workers=workers, executor=executor, record_changes=changes,
            spans=None if blocks is None else blocks.missing,
        )  # fmt: skip

        def told() -> Generator[ns.SpikeTrace]:
            for part in parts:
                yield part
                done(len(part))

        with closing(blocks.parts(told()) if blocks else told()) as found:
            yield found
        if blocks:
            blocks.remove()


@contextmanager
def recorded(network: ns.Network, inputs: Inputs, path: Path, *how: Any) -> Iterator[ns.SpikeTrace]:
    """The trace, in memory or in a temporary file; see `simulating`."""
    with ExitStack() as stack:
        with simulating(network, inputs, path, *how) as parts:
            found = stack.enter_context(spooled(parts, len(inputs)))
        yield found


@contextmanager
def clustered(address: str | None) -> Iterator[Cluster | None]:
    """The Dask cluster with a scheduler at *address*, none without one; says how many workers it has."""
    if address is None:
        yield None
        return
    with Cluster(address) as cluster:
        note(f"{cluster.workers} workers at {address}")
        yield cluster


def mapped(
    network: ns.Network, chip: ns.Chip, placer: str | None, json_to: str | None, *, given: Path | None = None,
    partitioner: str | None = None, seed: int = 0,
    seconds: float | None = None, trace: ns.SpikeTrace | None = None, pins: dict[str, list[int]] | None = None,
) -> ns.Mapping:  # fmt: skip
    """The mapping, or the one *given*, its bricks placed anew if there is a placer; what does not fit is also written as
    JSON."""
    with violations_to(json_to), share("placing", quiet()) as done:
        search = ns.Search(seed, seconds, done)
        if given is None:
            name, aim = placer or USUAL, partitioner or "cores"
            return ns.map_network(network, chip, name, partitioner=aim, trace=trace, pins=pins, search=search)
        if pins or partitioner:
            raise NeurosimError("--mapping says itself how layers are cut and what is pinned; leave out --partition and --pin")
        mapping = ns.load_mapping(given, network, chip)
        return placed(mapping, placer, trace, search) if placer else mapping


def parsed_pins(pins: list[str]) -> dict[str, list[int]]:
    """The cores of every layer in words like ``conv1=0,8-15``; raises NeurosimError with all that are no such words."""
    found, wrong = {}, []
    for pin in pins:
        name, _, listed = pin.partition("=")
        spans = [re.fullmatch(r"(\d{1,9})(?:-(\d{1,9}))?", span) for span in listed.split(",")]
        if not name or not all(spans) or name in found:
            wrong.append(pin)
            continue
        ends = [(int(span[1]), int(span[2] or span[1])) for span in spans if span]
        if any(last < first for first, last in ends):
            wrong.append(pin)
            continue
        found[name] = [core for first, last in ends for core in range(first, min(last, first + MAX_CORES) + 1)]
    if wrong:
        raise NeurosimError(f"--pin {', '.join(wrong)}: give each layer once, as LAYER=CORES, for example conv1=0,8-15")
    return found


def time_choice(timing: str, schedule: str, packet_images: str, seed: int, placer: str | None) -> TimeChoice:
    """How runs are timed; raises NeurosimError with all that cannot be used, the *placer* too."""
    how = TimeChoice(timing, schedule, int(packet_images) if packet_images.isdecimal() else packet_images, seed)
    how.check((PLACERS, placer or USUAL))
    return how


def check_scale(scale: str | None) -> None:
    """Raise NeurosimError for a node that the rule of scaling is not known for, whatever the chip is."""
    if scale is not None:
        parsed_scale(scale)


def ann_choice(chip: str | None, bits: int | None, sparsity: str | None) -> AnnChoice:
    """What is chosen of the network without spikes; what is no number stays a word, which `AnnChoice` judges. Raises
    NeurosimError with all that no network and no chip could make right."""
    given: float | str = sparsity or 0.0
    with suppress(ValueError):
        given = float(given)
    choice = AnnChoice(None, bits, given)
    machine, _ = all_of(lambda: None if chip is None else load_chip(chip), choice.check_values)
    return choice._replace(chip=machine)


def spikeless(choice: AnnChoice, mapping: ns.Mapping, placer: str | None, json_to: str | None) -> Spikeless:
    """The network without spikes beside *mapping*; what does not fit its own machine is also written as JSON."""
    with violations_to(json_to):
        return choice.beside(mapping, choice.placed([mapping], placer or USUAL))


def note_unused(how: TimeChoice, images: int) -> None:
    """Say on stderr that an option on time makes no difference, if one does not."""
    if said := how.unused(images):
        note(f"--packet-images {how.packet_images} {said}")


def evaluated(
    trace: ns.SpikeTrace, mapping: ns.Mapping, spikeless: Spikeless, how: TimeChoice, workers: int | None,
    perfetto: Path | None, json_to: str | None,
) -> Result:  # fmt: skip
    """The result; the answer and the analytic estimate are printed before packets travel."""
    note_unused(how, len(trace))
    left = len(trace)

    def first(result: Result) -> None:
        if not left:
            bar.close()
        if json_to != "-":
            say(text.first_answer(result.document))
        if not left:
            bar.enter_context(waiting("following packets", quiet()))

    def done(images: int) -> None:
        nonlocal left
        left -= images
        count(images)

    with recording(perfetto, mapping) as recorder, ExitStack() as bar:
        count = bar.enter_context(progress("timing", len(trace), quiet()))
        result = pipeline.evaluated(
            trace, mapping, spikeless, how, workers=workers, progress=done, recorder=recorder, preview=first, command=command()
        )
        if recorder:
            recorder.sampled(result.time)
    return pipeline.bracketed(result)


@contextmanager
def recording(path: Path | None, mapping: ns.Mapping) -> Iterator[PerfettoTrace | None]:
    """A recorder of what every core does, if a *path* is given; says what it recorded."""
    if path is None:
        yield None
        return
    with PerfettoTrace(path, mapping) as recorder:
        yield recorder
    if not quiet():
        print(f"{path}: {recorder.summary}; open it at https://ui.perfetto.dev", file=sys.stderr)


@contextmanager
def violations_to(json_to: str | None) -> Iterator[None]:
    try:
        yield
    except ns.MappingError as error:
        write_json(json_to, {"feasible": False, "violations": [v.to_dict() for v in error.violations]})
        raise


def check_targets(*paths: Path | str | None, sources: tuple[Path | None, ...] = ()) -> None:
    """Notice before the work that a result could not be written after it, or over another result or a *source*."""
    targets = [Path(path) for path in paths if path is not None and path != "-"]
    taken = [path.resolve() for path in sources if path is not None]
    for path in targets:
        check_target(path)
        if path.resolve() in taken:
            raise NeurosimError(f"{path}: is also read, or written twice; give every result a file of its own")
        taken.append(path.resolve())


def finish(result: Result, output: Path | None, report: Path | None, json_to: str | None, neurobench: bool = False) -> None:
    """Write what was asked for, print the summary."""
    if output is not None:
        result.save(str(output))
    if report is not None:
        result.report(str(report))
    document = result.document
    metrics = [text.neurobench_text(document)] if neurobench else []
    summary = text.run_summary(document, result.trace.network)
    show(Group(summary, *metrics), json_to, document.to_dict())
