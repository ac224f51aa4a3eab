"""The compute-only model of the papers: multiply-accumulates against additions, memories and network left out."""

from __future__ import annotations

import math
from typing import Any

from neurosim.cost.action import PJ
from neurosim.mapping.brick import projections
from neurosim.network.layers import INPUT, Layer
from neurosim.network.network import Network

# 45 nm. fp32: multiply 3.7 + add 0.9 (Horowitz, ISSCC 2014), used by DIET-SNN; int32: multiply 3.1 + add 0.1, used by Datta &
# Beerel (DATE 2022).
PAPER_CONSTANTS = {"fp32": {"mac_pJ": 4.6, "ac_pJ": 0.9}, "int32": {"mac_pJ": 3.2, "ac_pJ": 0.1}}


def paper(network: Network, rates: dict[str, float], accumulates: dict[str, float] | None = None) -> dict[str, Any]:
    """The papers' compute-only model, per image: E_ANN = MACs x e_mac; E_SNN = MACs of the image-fed layer x e_mac +
    sum over the others of (spikes per neuron of the source) x MACs x e_ac.

    *rates*: spikes per neuron over all steps of every source. The first layer's MACs are counted once, since its current is
    the same at every step, and once per step. *accumulates*: what was really added per image and layer, shown beside the
    model's operations; they differ at the borders, for identity shortcuts, and fourfold where an average pool is folded into
    the weights (each spike of a window is added by itself).
    """
    layers = [_layer_operations(network, layer, rates) for layer in network.layers]
    for layer in layers:
        layer["accumulates"] = (accumulates or {}).get(layer["name"])
    macs = sum(layer["ann_macs"] for layer in layers)
    first = sum(layer.ann_macs for layer in network.layers if network.fed_by_image(layer))
    acs = sum(layer["snn_operations"] for layer in layers)

    def energies(mac_pJ: float, ac_pJ: float, times: int) -> dict[str, float | None]:
        snn = (first * times * mac_pJ + acs * ac_pJ) * PJ
        ann_J = macs * mac_pJ * PJ
        return {"ann_J": ann_J, "snn_J": snn, "ratio": ann_J / snn if snn else None}

    by_constants = {
        name: {"once": energies(**c, times=1), "per_step": energies(**c, times=network.timesteps)}
        for name, c in PAPER_CONSTANTS.items()
    }
    return {
        "constants": PAPER_CONSTANTS,
        **by_constants["fp32"]["once"],
        "conv1_mac": by_constants["fp32"],
        "int32": {"conv1_mac": by_constants["int32"]},
        "layers": layers,
    }


def _layer_operations(network: Network, layer: Layer, rates: dict[str, float]) -> dict[str, Any]:
    """MACs of the layer without spikes; with them (spikes per neuron of each source, all steps) x MACs."""
    operations = 0.0
    for source, shortcut in projections(network, layer):
        weight = (shortcut or layer).weight
        if weight is not None and not (source == INPUT and network.input.encoding == "direct"):
            operations += rates[source] * math.prod(layer.landing) * weight[0].size
    return {
        "name": layer.name, "ann_macs": layer.ann_macs, "spikes_per_neuron": rates.get(layer.name),
        "snn_operations": operations,
    }  # fmt: skip
