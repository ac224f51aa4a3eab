"""What is chosen of how a run is timed."""

from __future__ import annotations

from typing import Any, NamedTuple

from neurosim import families
from neurosim.errors import NeurosimError
from neurosim.families import Family
from neurosim.mapping.mapping import Mapping
from neurosim.spikes.trace import SpikeTrace
from neurosim.timing import sample
from neurosim.timing.sample import ALL, AUTO, PacketImages
from neurosim.timing.sampled import SampledTimeline
from neurosim.timing.schedule import SCHEDULES, Scheduler
from neurosim.timing.timeline import ANALYTIC, TIMINGS, Maker, Recorder, Timeline


class TimeChoice(NamedTuple):
    """timing: level of detail of time (TIMINGS), or a function that makes a network of a Machine. schedule: order of the layers
    (SCHEDULES), or a function of a Network like them. packet_images: how many images of each step are timed so, see
    `neurosim.timing.sample`; seed: of their drawing."""

    timing: str | Maker = "packet"
    schedule: str | Scheduler = "sequential"
    packet_images: PacketImages = AUTO
    seed: int = 0

    def check(self, *others: tuple[Family[Any], Any]) -> None:
        """Raise NeurosimError with all that cannot be used, of this and of *others* that were chosen."""
        problems = sample.problem(self.packet_images), sample.seed_problem(self.seed)
        besides = [NeurosimError(problem) for problem in problems if problem]
        families.check(*others, (TIMINGS, self.timing), (SCHEDULES, self.schedule), others=besides)

    def unused(self, images: int) -> str | None:
        """Why it has no effect how many of so many images are to be timed; None where it has one, or nobody asked."""
        asked = self.packet_images
        if asked == AUTO:
            return None
        if self.timing == ANALYTIC:
            return f"has no effect: no packets are followed with {ANALYTIC} timing"
        if asked == ALL or next(sample.sizes(asked, images, 1)) < images:
            return None
        return f"has no effect: packets are followed in all of {images:,} images anyway"

    def timeline(
        self, trace: SpikeTrace, mapping: Mapping, workers: int, recorder: Recorder | None = None
    ) -> Timeline | SampledTimeline:
        """That of all images where this is asked for, where there are few, or where they are timed analytically anyway."""
        near = Timeline(trace, mapping, self.timing, self.schedule, workers=workers, recorder=recorder)
        first = next(sample.sizes(self.packet_images, len(trace), trace.timesteps))
        if self.timing == ANALYTIC or first == len(trace):
            return near
        far = Timeline(trace, mapping, ANALYTIC, self.schedule, workers=workers)
        return SampledTimeline(far, near, self.packet_images, self.seed)
