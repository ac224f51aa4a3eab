"""What of a chip's costs follows a setting: the prices of what is done, leakage, and area."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from neurosim.chip.chip import PJ_PER_MWS, Chip
from neurosim.chip.memory import Kind
from neurosim.chip.part import Uncertain
from neurosim.chip.settings import DESCRIPTION, FIT

ENERGY, LEAKAGE, AREA = ASPECTS = ("energy", "leakage", "area")
# How wide an entry of each memory is, which says how many it holds.
WIDTHS: dict[Kind, str] = {
    "state": "core.state_bits", "axons": "core.axon_bits", "routes": "core.route_bits", "queue": "mesh.packet_bits",
    "weights": "core.index_bits",
}  # fmt: skip
Costs = dict[str, dict[str, Any]]


def follows(chips: Sequence[Chip], path: str) -> list[str] | None:
    """Which of ASPECTS are not the same on all *chips*, which differ in the setting at *path*; None for what is no number or
    describes alone, and for a limit that none follows."""
    if path in DESCRIPTION or not all(_is_number(chip, path) for chip in chips):
        return None
    found = followed(chips)
    return found if found or not all(_is_limit(chip, path) for chip in chips) else None


def followed(chips: Sequence[Chip]) -> list[str]:
    """Which of ASPECTS are not the same on all *chips*; a mesh that is to fit has other tiles than one that is given."""
    most = max(chip.mesh.width * chip.mesh.height for chip in chips)
    found = [costs(_larger(chip, most) if chip.mesh.size == FIT else chip) for chip in chips]
    return [aspect for aspect in ASPECTS if any(each[aspect] != found[0][aspect] for each in found)]


def _larger(chip: Chip, tiles: int) -> Chip:
    """The same with more tiles than so many."""
    return chip.model_copy(update={"mesh": chip.mesh.model_copy(update={"width": tiles + 1, "height": 1})})


def differing(chips: Sequence[Chip]) -> list[str]:
    """Paths of every setting that is not the same on all *chips*; words, and how uncertain prices are, left out."""
    settings, words = [chip.settings for chip in chips], {*DESCRIPTION, "name", *Uncertain.model_fields}
    places = dict.fromkeys(place for each in settings for place in each if not words & {*place.split(".")})
    return [place for place in places if any(each.get(place) != settings[0].get(place) for each in settings)]


def costs(chip: Chip) -> Costs:
    """By aspect and place, all that a setting may change: pJ of one of everything, and for the entries of memories with prices
    their bits; mW of what leaks, as often as it is there where idle cores stay on; mm2 of everything."""
    hz, found = chip.clock.hz, chip.prices
    powers = {place: price for place, price in found.items() if place.endswith("_mw")}
    many = chip.cores if chip.policy.idle == "on" else 1
    return {
        ENERGY: {place: price.pj for place, price in found.items() if place not in powers} | _entries(chip, ENERGY),
        LEAKAGE: {place: _rounded(price.pj * hz / PJ_PER_MWS * many) for place, price in powers.items()}
        | _entries(chip, LEAKAGE),
        AREA: chip.areas_mm2 | _entries(chip, AREA),
    }


def _entries(chip: Chip, aspect: str) -> dict[str, int | None]:
    """Bits of the entries of the memories in which they cost something."""
    found: dict[str, int | None] = {}
    for kind, path in WIDTHS.items():
        prices = chip.home(kind).prices
        amount = {ENERGY: prices.read_pj + prices.write_pj, LEAKAGE: prices.leakage_mw, AREA: prices.area_mm2}[aspect]
        paths = [path, *(["mesh.payload_bits"] if kind == "queue" and chip.mesh.carry else [])]
        found |= {path: chip.sizes.get(path) for path in paths} if amount else {}
    return found


def _is_number(chip: Chip, path: str) -> bool:
    """Whether a setting says how large, how many or how fast something is. How uncertain a price is costs nothing."""
    value = chip.settings.get(path)
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return (number or value is None) and path.rpartition(".")[2] not in Uncertain.model_fields


def _is_limit(chip: Chip, path: str) -> bool:
    """Whether it may be left out, and says how much is used of what has a size of its own: the memories of a core, the ports of
    a memory with a law; or what packets have if they carry values, which these do not."""
    if path == "mesh.payload_bits":
        return not chip.mesh.carry
    section, _, rest = path.partition(".")
    if section == "memory":
        name, _, key = rest.rpartition(".")
        memory = next((m for m in chip.memory if m.name == name), None)
        return memory is not None and memory.law is not None and _may_be_left_out(memory, key)
    return section in ("core", "mesh") and _may_be_left_out(getattr(chip, section), rest)


def _may_be_left_out(part: Any, key: str) -> bool:
    field = type(part).model_fields.get(key)
    return field is not None and field.default is None and not field.is_required()


def _rounded(amount: float) -> float:
    """The clock that it was divided by and multiplied with is not to be seen."""
    return float(f"{amount:.12g}")
