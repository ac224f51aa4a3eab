"""What stands between two populations of a PyTorch model: one weight, with the pools and normalisations folded into it."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn

from neurosim.frameworks.watch import Unit
from neurosim.network.layers import POOL, Pooling

# Modules that change nothing when a trained model is used, or only how neurons are counted.
PASSIVE = ("Identity", "Flatten", "Dropout", "Dropout1d", "Dropout2d", "Dropout3d", "AlphaDropout", "FeatureAlphaDropout")
SUPPORTED = "Linear, Conv1d, Conv2d, AvgPool2d(2), MaxPool2d(2), BatchNorm, Flatten, Dropout and Identity"
AVERAGE = 1 / POOL**2


class Stage:
    """Folds modules, one after another; *problems* lists what cannot be folded."""

    def __init__(self, problems: list[str]):
        self.problems = problems
        self.unit: Unit | None = None
        self.interrupted = False  # by something unsupported, of which nothing more is known
        self.weight: np.ndarray = np.empty(0, np.float32)
        self.bias: np.ndarray | None = None
        self.pool: Pooling = None
        self.factor = 1.0
        self.stride: tuple[int, int] = (1, 1)
        self.padding: tuple[int, int] = (0, 0)

    @property
    def conv(self) -> bool:
        return self.weight.ndim == 4

    def add(self, unit: Unit) -> None:
        package = type(unit.module).__module__
        kind = unit.kind if package.startswith(("torch.nn.modules.", "spikingjelly.activation_based.layer.")) else ""
        module: Any = unit.module
        if unit.module.training and (getattr(module, "p", False) or "Norm" in kind):
            self._say(unit, "is in training mode; call model.eval() first")
        elif kind in PASSIVE:
            pass
        elif kind in ("Linear", "Conv1d", "Conv2d"):
            self._weights(unit, module)
        elif kind in ("AvgPool2d", "MaxPool2d"):
            self._pool(unit, module, kind == "MaxPool2d")
        elif kind in ("BatchNorm1d", "BatchNorm2d"):
            self._normalise(unit, module)
        else:
            from neurosim.frameworks.neuron import known

            self._say(unit, f"is not supported; what is: {SUPPORTED}, and the neurons {known()}")
            self.interrupted = True

    def _say(self, unit: Unit, message: str) -> None:
        self.problems.append(f"{unit}: {message}")

    def _weights(self, unit: Unit, module: Any) -> None:
        if self.unit is not None:
            if not self.interrupted:
                self._say(unit, f"follows {self.unit} without neurons between them; multiply the two weights into one")
            return
        if module.weight.dtype != torch.float32:
            self._say(unit, f"its weights are {module.weight.dtype}; float32 is needed: model.float()")
        self.unit = unit
        self.weight = module.weight.detach().cpu().float().numpy()
        self.bias = None if module.bias is None else module.bias.detach().cpu().float().numpy()
        if isinstance(module, nn.Linear):
            if len(unit.native) != 1:
                self._say(unit, f"reads samples of shape {list(unit.native)}, row by row; flatten them first")
        else:
            self._convolution(unit, module)
        self.weight = self.weight * np.float32(self.factor)

    def _convolution(self, unit: Unit, module: Any) -> None:
        if module.groups != 1 or set(module.dilation) != {1} or module.padding_mode != "zeros":
            said = f"groups {module.groups}, dilation {list(module.dilation)}, padding_mode {module.padding_mode!r}"
            self._say(unit, f"has {said}; only groups 1, dilation 1 and zeros are supported")
        kernel = module.kernel_size
        if module.padding == "same" and any(k % 2 == 0 for k in kernel):
            self._say(unit, "pads an even kernel by more on one side; only equal sides are supported")
        padding = module.padding
        if isinstance(padding, str):
            padding = tuple((k - 1) // 2 if padding == "same" else 0 for k in kernel)
        # A signal over time or frequency is a map of one row.
        flat = (1,) * (2 - len(kernel))
        self.weight = self.weight.reshape(*self.weight.shape[:2], *flat, *kernel)
        self.stride, self.padding = (*flat, *module.stride), (*(0 for _ in flat), *padding)

    def _pool(self, unit: Unit, module: Any, largest: bool) -> None:
        def both(value: Any) -> tuple[int, int]:
            return tuple(value) if isinstance(value, tuple | list) else (value, value)

        plain = both(module.kernel_size) == both(module.stride or module.kernel_size) == (POOL, POOL)
        if not plain or both(module.padding) != (0, 0) or module.ceil_mode or getattr(module, "divisor_override", None):
            self._say(unit, "is not a pool of 2x2 with stride 2; only those are supported")
        elif both(getattr(module, "dilation", 1)) != (1, 1):
            self._say(unit, "has a dilation; only 1 is supported")
        elif self.unit is None and self.pool is None:
            self.pool, self.factor = ("max2", 1.0) if largest else ("sum2", AVERAGE)
        elif self.unit is None:
            self._say(unit, "follows another pool; only one pool can stand before a weight")
        elif largest or not self.conv:
            self._say(unit, f"stands between {self.unit} and its neurons; put it behind the neurons")
        else:
            self._pool_after()

    def _pool_after(self) -> None:
        """The average of four neighbouring outputs of a convolution is a convolution: its kernel, shifted and added up."""
        down, across = self.stride
        high, broad = self.weight.shape[2:]
        wide: np.ndarray = np.zeros((*self.weight.shape[:2], high + down, broad + across), np.float32)
        for y in (0, down):
            for x in (0, across):
                wide[:, :, y : y + high, x : x + broad] += self.weight * np.float32(AVERAGE)
        self.weight, self.stride = wide, (2 * down, 2 * across)

    def _normalise(self, unit: Unit, module: Any) -> None:
        if self.unit is None:
            self._say(unit, "stands before a weight; only a normalisation behind one can be folded into it")
            return
        if module.running_mean is None:
            self._say(unit, "normalises by what it sees; it needs track_running_stats=True")
            return
        mean, variance = (x.detach().cpu().double().numpy() for x in (module.running_mean, module.running_var))
        scale = 1 / np.sqrt(variance + module.eps)
        shift = np.zeros_like(mean)
        if module.affine:
            scale = scale * module.weight.detach().cpu().double().numpy()
            shift = module.bias.detach().cpu().double().numpy()
        old = np.zeros_like(mean) if self.bias is None else self.bias
        self.bias = ((old - mean) * scale + shift).astype(np.float32)
        self.weight = (self.weight * scale.reshape(-1, *(1,) * (self.weight.ndim - 1))).astype(np.float32)
