"""LayerNames of layers: those of the modules whose weights feed them."""

from __future__ import annotations

from neurosim.frameworks.graph.refusal import Place
from neurosim.network.layers import INPUT


class LayerNames:
    """Gives every layer a name of its own; what has only a number, or none, is counted by kind."""

    def __init__(self) -> None:
        self.given: list[str] = []

    def of(self, place: Place, kind: str) -> str:
        name = place.path.replace("/", ".")
        last = name.rpartition(".")[2]
        taken = name in (INPUT, "", *self.given)
        if last.isdigit() or taken or name == place.kind or kind == "gate":
            name = self._counted(kind)
        self.given.append(name)
        return name

    def _counted(self, kind: str) -> str:
        number = 1 + sum(name.startswith(kind) for name in self.given)
        while f"{kind}{number}" in self.given:
            number += 1
        return f"{kind}{number}"
