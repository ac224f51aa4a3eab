"""What the operations of ATen are here."""

from __future__ import annotations

import hashlib
from typing import Any

from torch import Tensor

# Operations that copy numbers from one place to another. What only looks at them in another way needs no name.
MOVES = frozenset(
    (
        "clone", "contiguous", "cat", "stack", "index_select", "index", "repeat", "flip", "roll", "gather", "_to_copy",
        "_unsafe_view", "_reshape_copy", "view_copy", "expand_copy", "permute_copy", "slice_copy", "select_copy",
        "pixel_shuffle", "pixel_unshuffle", "channel_shuffle",
    )
)  # fmt: skip
# What is made like a tensor, whatever numbers that holds.
LIKES = frozenset(
    (
        "zeros_like", "ones_like", "empty_like", "full_like", "rand_like", "randn_like", "new_zeros", "new_ones",
        "new_empty", "new_full", "new_empty_strided", "bernoulli", "scalar_tensor",
    )
)  # fmt: skip
WEIGHTED = frozenset(("convolution", "linear", "mm", "addmm"))
# Number by number.
ELEMENTWISE = frozenset(("sum of", "scale", "or"))
REDUCING = frozenset(("mean", "sum", "amax", "max", "amin"))
KINDS = {
    "convolution": "conv", "mm": "linear", "addmm": "linear", "linear": "linear",
    "native_batch_norm": "norm", "cudnn_batch_norm": "norm", "_native_batch_norm_legit_no_training": "norm",
    "avg_pool2d": "average", "avg_pool1d": "average", "_adaptive_avg_pool2d": "average", "upsample_nearest2d": "upsample",
    "max_pool2d_with_indices": "largest", "mean": "mean", "sum": "sum", "amax": "max", "max": "max", "maximum": "or",
    "add": "sum of", "sub": "sum of", "rsub": "sum of", "mul": "scale", "div": "scale", "neg": "scale",
    "constant_pad_nd": "pad",
}  # fmt: skip
# What is said of some operations, where others are no part of a network.
SAID = {"_local_scalar_dense": "looks at a number of the samples"}
# What would help, by the operation that was met.
HELP = {
    **dict.fromkeys(
        ("bmm", "_scaled_dot_product_attention_math", "baddbmm"),
        "products of what two layers answer, as in attention, are no synapses; leave out the block, or wait for them",
    ),
    **dict.fromkeys(
        (
            "relu", "sigmoid", "tanh", "gelu", "silu", "elu", "leaky_relu", "hardtanh", "clamp", "hardswish", "exp", "log",
            "pow", "sqrt",
        ),
        "between layers only spikes and sums travel; put spiking neurons there, or leave it out",
    ),
    **dict.fromkeys(
        ("gt", "ge", "lt", "le", "where", "heaviside", "sign", "floor", "round", "eq", "ne", "logical_and"),
        "neurons written by hand are not seen through; use neurosim.frameworks.Lif, or those of a framework",
    ),
    **dict.fromkeys(
        ("native_layer_norm", "native_group_norm", "var_mean", "std", "var"),
        "it normalises by what it sees at the moment, which no synapse does; use BatchNorm",
    ),
    **dict.fromkeys(
        ("argmax", "topk", "sort", "_softmax", "_log_softmax"), "return the scores of the classes from which this is computed"
    ),
    "_local_scalar_dense": "what the model does must not depend on its numbers (`.item()`, `if x.sum() > 0`)",
}  # fmt: skip
ELSE = (
    "what is understood: convolutions, linear layers, pools, batch normalisation, sums, constant factors, what moves numbers "
    "around, and neurons"
)


def identity(value: Any, lasting: set[int]) -> Any:
    """What tells one constant from another: where it lies if that is among the *lasting* (parameters), else its numbers."""
    if not isinstance(value, Tensor):
        return repr(value)
    if value.untyped_storage().data_ptr() in lasting:
        return (value.data_ptr(), *value.shape, *value.stride())
    return hashlib.sha1(value.detach().cpu().contiguous().numpy().tobytes()).hexdigest(), tuple(value.shape)
