"""Numbers with SI prefixes."""

from __future__ import annotations

import math

PREFIXES = {-15: "f", -12: "p", -9: "n", -6: "µ", -3: "m", 0: "", 3: "k", 6: "M", 9: "G", 12: "T"}


def si(value: float, unit: str, digits: int = 3) -> str:
    """``si(2.5e-6, "J")`` is ``2.50 µJ``."""
    if value == 0:
        return f"0 {unit}"
    exponent = min(max(3 * math.floor(math.log10(abs(value)) / 3), -15), 12)
    scaled = value / 10.0**exponent
    decimals = max(0, digits - 1 - max(0, math.floor(math.log10(abs(scaled)))))
    return f"{scaled:.{decimals}f} {PREFIXES[exponent]}{unit}"


def percent(share: float) -> str:
    return f"{100 * share:.1f} %"
