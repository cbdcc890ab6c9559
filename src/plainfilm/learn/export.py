"""A trained network as an ONNX graph: films in; logits, embedding and the heatmaps of all classes out, from one pass.

Where the class weights are the gradients the heatmaps are one convolution more. For the others the gradient from the last feature
map to the logits is written out as forward operations, traced once, so that no runtime has to differentiate.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import nn
from torch._decomp import get_decompositions
from torch.fx.experimental.proxy_tensor import make_fx
from torch.nn.attention import SDPBackend, sdpa_kernel

from plainfilm.core.network import OUTPUTS
from plainfilm.core.run import Run
from plainfilm.errors import BadConfig, BadRun
from plainfilm.learn.heatmaps import MapSource, map_source, maps_of
from plainfilm.learn.model import last_layer, load_network
from plainfilm.learn.onnx_file import write_onnx


class WithMaps(nn.Module):
    """A network with all that a bundle's graph gives: (B, 1, S, S) -> logit (B, C), embedding (B, D), strength (B, C, h, w).

    source: where its heatmaps come from, None where it has none; then there is no strength.
    """

    def __init__(self, network: nn.Module, source: MapSource | None) -> None:
        super().__init__()
        self.network, self.source = network, source

    def forward(self, films: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """See the class."""
        taken: list[torch.Tensor] = []
        hook = last_layer(self.network).register_forward_pre_hook(lambda _, given: taken.append(given[0]))
        try:
            if self.source is None:
                return self.network(films), taken[0].flatten(1)
            logit, strength = maps_of(self.network, films, self.source)
            return logit, taken[0].detach().flatten(1), strength
        finally:
            hook.remove()


def onnx_graph(run: Run) -> tuple[bytes, str]:
    """The network of a run as ONNX, float32, for any number of films at a time; and why it gives no heatmaps, "" where it does.

    Raises BadRun where its weights are missing or damaged, or it cannot be written as ONNX.
    """
    network = load_network(run).float().to(memory_format=torch.contiguous_format)
    try:
        return as_onnx(network, run.preprocess.size)
    except _ONNX_FAILED as cause:
        text = " ".join(str(cause).split())[:200]
        raise BadRun(f"its network {run.config.model} cannot be written as ONNX ({text})", run.directory) from cause


def as_onnx(network: nn.Module, size: int) -> tuple[bytes, str]:
    """A network in evaluation mode, on the CPU, for films of `size` x `size` pixels, as `onnx_graph` gives it."""
    source, why_none = None, ""
    try:
        source = map_source(network, size)
    except BadConfig as cause:
        why_none = str(cause)
    whole: nn.Module = WithMaps(network.requires_grad_(False), source)
    if source is not None and source.way != "pooled":
        whole = traced(whole, size)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "network.onnx"
        write_onnx(whole, size, OUTPUTS if source else OUTPUTS[:2], path)
        return path.read_bytes(), why_none


def traced(network: nn.Module, size: int) -> nn.Module:
    """What the network does with films, gradients included, as forward operations alone, for any number of films."""
    films = torch.rand(_TRACED_FILMS, 1, size, size)
    with sdpa_kernel(SDPBackend.MATH):  # the only attention whose gradient is made of plain operations
        return make_fx(network, decomposition_table=_gradients(), tracing_mode="symbolic", _allow_non_fake_inputs=True)(
            films
        )


_ONNX_FAILED = (RuntimeError, TypeError, ValueError, NotImplementedError, AttributeError, IndexError, KeyError)
_TRACED_FILMS = 13  # no side, head or channel of a network counts as many, so that the number stays free


def _gradients() -> dict[Any, Callable[..., Any]]:
    """How the gradients of layers are made of operations that ONNX has."""
    aten = torch.ops.aten
    known = [
        *(aten.native_layer_norm_backward, aten.native_group_norm_backward, aten.native_batch_norm_backward),
        *(aten.gelu_backward, aten.silu_backward, aten.threshold_backward, aten.hardtanh_backward, aten.elu_backward),
        *(aten.hardswish_backward, aten.hardsigmoid_backward, aten.sigmoid_backward, aten.tanh_backward),
        *(aten.leaky_relu_backward, aten.softplus_backward, aten.mish_backward, aten.glu_backward),
        *(aten._softmax_backward_data, aten.select_backward, aten.slice_backward),
    ]
    return {
        **get_decompositions(known),
        aten.convolution_backward.default: _convolution_backward,
        aten._adaptive_avg_pool2d_backward.default: _adaptive_average_backward,
    }


def _convolution_backward(
    gradient: torch.Tensor,
    given: torch.Tensor,
    weight: torch.Tensor,
    bias_sizes: Sequence[int] | None,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    transposed: bool,
    output_padding: Sequence[int],
    groups: int,
    wanted: Sequence[bool],
) -> tuple[torch.Tensor | None, None, None]:
    """The gradient of a convolution's input is a transposed convolution; those of its weights nobody asks for."""
    if transposed or wanted[1] or wanted[2]:
        raise NotImplementedError("the gradient of weights, or of a transposed convolution")
    rest = [
        (given.shape[2 + side] + 2 * padding[side] - dilation[side] * (weight.shape[2 + side] - 1) - 1) % stride[side]
        for side in range(len(stride))
    ]
    back = torch.ops.aten.convolution(gradient, weight, None, stride, padding, dilation, True, rest, groups)
    return back, None, None


def _adaptive_average_backward(gradient: torch.Tensor, given: torch.Tensor) -> torch.Tensor:
    """Adaptive average pooling is a product with a matrix on either side; so is its gradient."""
    down, across = (_averages(int(gradient.shape[side]), int(given.shape[side])) for side in (2, 3))
    return down.T @ gradient @ across


def _averages(places: int, given: int) -> torch.Tensor:
    """(places, given): what share of each place of the pooled side comes from each given one."""
    matrix = torch.zeros(places, given)
    for place in range(places):
        start, stop = place * given // places, -(-(place + 1) * given // places)
        matrix[place, start:stop] = 1 / (stop - start)
    return matrix
