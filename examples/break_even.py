"""What networks cost with spikes and without, chip beside chip: the tables of docs/conclusions.md.

    python examples/break_even.py --images 100

The network without spikes runs on the chip itself, and on each machine of its own that --ann-chip names.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import neurosim as ns

ROOT = Path(__file__).parents[1]
NETWORKS = ("cifar10_vgg9_t5", "cifar10_vgg16_t5", "cifar10_vgg16_t2", "cifar10_resnet20_t5")
CHIPS = ("mesh45:mesh.width=32,mesh.height=16", "lp45")
# Of the network without spikes: every value moves once; a stated dataflow; nothing is reused.
STATED, BEST, WORST = "rows", "perfect", "none"
HEAD = (
    "network", "chip", "without spikes on", "ANN, pJ per MAC", "SNN, pJ per event, dynamic / total", "leakage",
    "papers, first layer once / per step",
    "ANN / SNN, compute", "+ data movement", "+ leakage", "5 to 95 % of prices", "choices of the model", "spikes per neuron",
    "break-even",
)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=100)
    parser.add_argument("--network", nargs="+", default=NETWORKS, metavar="NAME", help="of models/")
    parser.add_argument("--inputs", type=Path, default=ROOT / "traces" / "cifar10_test_1000.h5")
    parser.add_argument("--chip", nargs="+", default=[*CHIPS], help="NAME or NAME:key=value,...")
    parser.add_argument("--ann-chip", nargs="+", default=["ann45"])
    print("\n".join(lines(parser.parse_args())))


def lines(args: argparse.Namespace) -> Iterator[str]:
    """A table in Markdown, line by line."""
    yield f"| {' | '.join(HEAD)} |"
    yield "|" + "---|" * len(HEAD)
    inputs = ns.load_inputs(args.inputs)[: args.images]
    for name in args.network:
        network = ns.load_network(ROOT / "models" / f"{name}.h5")
        for word in args.chip:
            chip, _, changes = word.partition(":")
            for machine in (None, *args.ann_chip):
                target = ns.load_chip(chip, changes.split(",") if changes else ())
                run = ns.run(network, inputs, target, timing="analytic", ann_chip=machine)
                yield f"| {' | '.join((name, chip, machine or 'the same', *cells(run.document)))} |"


def cells(told) -> Iterator[str]:
    """What a run says, but for its names."""
    energy, ann, line = told.energy, told.ann, told.break_even
    steps = {step.purpose: step for step in told.steps}
    yield f"{1e12 * ann.total_J / ann.macs:.2f}"
    yield f"{energy.pj_per_synaptic_event.dynamic:.1f} / {energy.pj_per_synaptic_event.total:.1f}"
    yield f"{energy.static_J / energy.total_J:.0%}"
    papers = told.paper.conv1_mac
    yield f"{papers.once.ratio:.1f} / {papers.per_step.ratio:.1f}"
    for purpose in ("compute", "off chip", "leakage"):
        yield bracket([steps[purpose].ratio(reuse) for reuse in (STATED, BEST, WORST)])
    low, high = told.uncertainty.ratio.get(STATED, (None, None))
    yield "" if low is None else f"{low:.2f} to {high:.2f}"
    yield "" if told.model is None or told.model.ratio is None else "{:.2f} to {:.2f}".format(*told.model.ratio)
    yield f"{line.spikes_per_neuron:.3f}"
    yield bracket([line.meets[reuse] for reuse in (STATED, BEST, WORST)])


def bracket(values: list[float | None]) -> str:
    """The stated one, and from that with the best reuse to that with none."""
    stated, best, worst = ("never" if value is None else f"{value:.2f}" for value in values)
    return stated if stated == best == worst else f"{stated} ({best} to {worst})"


if __name__ == "__main__":
    main()
