"""The break-even as a picture: energy over spikes per neuron, with spikes and without."""

from __future__ import annotations

from html import escape

from neurosim.baseline import STATED
from neurosim.comparison import BreakEven
from neurosim.report.units import si

WIDTH, HEIGHT, LEFT, BOTTOM, TOP = 640, 260, 62, 34, 14
# How far beyond the run the picture goes to show a crossing.
FARTHEST = 4
# Where the labels of the lower axis are held.
ENDS = ("middle",) * 4 + ("end",)


def curve(line: BreakEven) -> str:
    """A figure; nothing where no neuron fired."""
    here = line.spikes_per_neuron
    if not here:
        return ""
    crossings = [x for x in line.meets.values() if x is not None and x < FARTHEST * here]
    right = 1.2 * max([here, *crossings])
    low, stated, high = (line.ann_J[reuse] for reuse in ("perfect", STATED, "none"))
    now = line.fixed_J + line.slope_J * here
    top = 1.1 * max(line.fixed_J + line.slope_J * right, stated, 1e-30)

    def x(rate: float) -> float:
        return LEFT + rate / right * (WIDTH - LEFT - 10)

    def y(joules: float) -> float:
        return HEIGHT - BOTTOM - min(joules, top) / top * (HEIGHT - BOTTOM - TOP)

    meets, beyond = line.meets[STATED], f", up to {si(high, 'J')}" if high > top else ""
    shapes = [
        f'<rect class="band" x="{LEFT}" y="{y(high):.1f}" width="{x(right) - LEFT:.1f}" height="{y(low) - y(high):.1f}"/>',
        _line("ann", LEFT, y(stated), x(right), y(stated)),
        _line("snn", LEFT, y(line.fixed_J), x(right), y(line.fixed_J + line.slope_J * right)),
        _line("axis", LEFT, TOP, LEFT, HEIGHT - BOTTOM), _line("axis", LEFT, HEIGHT - BOTTOM, x(right), HEIGHT - BOTTOM),
        f'<circle class="here" cx="{x(here):.1f}" cy="{y(now):.1f}" r="5"/>',
        *(_label(x(right * k / 4), HEIGHT - BOTTOM + 15, f"{right * k / 4:.3g}", ENDS[k]) for k in range(5)),
        *(_label(LEFT - 6, y(top * k / 4) + 4, si(top * k / 4, "J"), "end") for k in range(1, 5)),
        _label(x(right), y(stated) - 6, f"without spikes (band: perfect reuse to none{beyond})", "end"),
        _label(x(here) - 8, y(now) - 8, f"this run, {here:.3f}", "end" if x(here) > WIDTH / 3 else "start"),
        _label((LEFT + WIDTH) / 2, HEIGHT - 4, "spikes per neuron, all steps", "middle"),
    ]  # fmt: skip
    if meets is not None and meets <= right:
        shapes.append(f'<circle class="meets" cx="{x(meets):.1f}" cy="{y(stated):.1f}" r="5"/>')
    words = escape(f"energy per image over spikes per neuron; this run at {here:.3f}")
    svg = f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{words}">{"".join(shapes)}</svg>'
    caption = "Energy per image without leakage, if all spikes were rarer or more frequent; open circle: break-even"
    return f'<figure class="curve"><figcaption>{caption}</figcaption>{svg}</figure>'


def _line(kind: str, x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def _label(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" style="text-anchor:{anchor}">{escape(text)}</text>'
