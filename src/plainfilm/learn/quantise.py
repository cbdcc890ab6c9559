"""A network in whole numbers: activations as unsigned bytes, weights as signed ones, for ONNX Runtime and OpenVINO.

    float32 graph -> folded -> ranges of the activations -> weights rounded -> QuantizeLinear and DequantizeLinear -> logits evened

What is put in, and where, is ONNX Runtime's (`onnxruntime.quantization`). Ours are the numbers: a chest film is fine texture over a
large mean, and the tool's own rules lose the texture (docs/results/bundle.md).

- The input is quantised exactly: a film's grey levels are whole numbers already. The first layer is given it twice, the second time
  at a fifteenth of the contrast, so that its weights there are as much finer: rounding these few did more harm than rounding
  all others.
- Ranges of the activations: `ranges.py`. Weights: `rounding.py`, by GPTQ; channel by channel where each is made of one other alone;
  where a layer has more than MOST_INPUTS inputs, or other groups, to the nearest.
- No level is so small that the bias, in such levels, overflows 32 bits: a channel that has died keeps its bias, not its weights.
- The last layer and the heatmaps stay in float32: little work, and all of the answer.
- Weights have 129 levels, not 255: processors without VNNI add two products in 16 bits, and 255 * 64 * 2 is the most that fits.
  With 255 levels such a processor gives other answers.
- At the end each class gets back what its logit has lost in the median film of `films`.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper
from onnxruntime.quantization import QuantType
from onnxruntime.quantization.calibrate import TensorData
from onnxruntime.quantization.qdq_quantizer import QDQQuantizer
from onnxruntime.quantization.shape_inference import quant_pre_process

from plainfilm.core.progress import Progress
from plainfilm.learn.input_levels import ADDED, GIVEN, give_films_twice, input_levels, input_range
from plainfilm.learn.onnx_parts import Films, Graph, attribute, inner_values, logits_of, replace_constant, way_to
from plainfilm.learn.ranges import Range, best_range, distance, refined, rounded
from plainfilm.learn.rounding import compensated, nearest, steps_of

MOST_INPUTS = 4608  # of a layer that GPTQ is affordable for: 85 MB and some seconds
_OPS = ("Conv", "Relu", "Clip", "Add", "MaxPool", "Concat")
_PASSING = ("Relu", "Clip", "Concat")  # what comes out of these went in
_VALUES = 600  # of each activation that are drawn from a film, to choose its range by
_REFINED = 16  # groups of activations whose range is refined by the logits; the last holds all that are left
_REFINING_FILMS = 64
_PATCHES = 80  # of each layer's input that are drawn from a film
_MOST_BIAS = 2.0**30  # levels of a bias, of 2 ** 31 that fit

Advance = Callable[[int], None]


@dataclass(frozen=True)
class _Layer:
    """A convolution. weight: (O, I, h, w). bias: (O,). given: the tensor that it is given."""

    node: Any
    weight: NDArray[np.float32]
    bias: NDArray[np.float32]

    @property
    def given(self) -> str:
        return str(self.node.input[0])

    @property
    def is_by_channel(self) -> bool:
        """Whether each channel is made of one other alone."""
        groups = attribute(self.node, "group", 1)
        return bool(groups > 1 and self.weight.shape[:2] == (groups, 1))

    @property
    def is_compensated(self) -> bool:
        return self.is_by_channel or bool(attribute(self.node, "group", 1) == 1 and self.weight[0].size <= MOST_INPUTS)


def quantise(model: bytes, films: Films, mean: float, std: float, progress: Progress) -> bytes:
    """The network with 8-bit convolutions, as ONNX.

    model: a float32 ONNX graph that takes "films", (N, 1, S, S) float32, (grey / 255 - mean) / std of whole grey levels.
    films: (M, 1, S, S), films of the training split; some 128 to 256 are enough.
    """
    graph = _folded(model, mean, std)
    layers = _layers(graph)
    steps = 3 * len(films) + len(layers) + _REFINED
    with progress.task("Rounding the network", steps, "steps") as task:
        ranges = _ranges(graph, films, task.advance) | dict.fromkeys(GIVEN, input_range(mean, std))
        moments = _moments(graph, layers, films, ranges, task.advance)
        overrides: dict[str, list[dict[str, Any]]] = {name: [input_levels(mean, std)] for name in GIVEN}
        before = logits_of(graph, films)
        for layer in layers:
            overrides[layer.node.input[1]] = _round(
                graph, layer, ranges[layer.given], moments.pop(layer.node.name, None)
            )
            task.advance()
        ranges = _refined(graph, ranges, overrides, films, before, task.advance)
        made = _with_levels(graph, ranges, overrides)
        _even(made, np.median(before - logits_of(made, films), axis=0))
        task.advance(len(films))
    return _written(made)


def _folded(model: bytes, mean: float, std: float) -> Graph:
    """The graph given films twice, with batch norms folded into convolutions, constants computed, and every shape known."""
    with tempfile.TemporaryDirectory() as folder:
        before, after = Path(folder) / "before.onnx", Path(folder) / "after.onnx"
        graph = onnx.load_from_string(model)
        give_films_twice(graph, mean, std)
        before.write_bytes(graph.SerializeToString())
        quant_pre_process(before, after, skip_symbolic_shape=True)
        return onnx.load(after)


def _layers(graph: Graph) -> list[_Layer]:
    """The convolutions to quantise: those that the embedding comes from. One without a bias is given one of 0."""
    constants = {tensor.name: tensor for tensor in graph.graph.initializer}
    found = []
    for node in way_to(graph, "embedding"):
        if node.op_type != "Conv" or node.input[1] not in constants:
            continue
        weight = numpy_helper.to_array(constants[node.input[1]])
        if len(node.input) < 3:
            name = f"{node.input[1]}_bias"
            graph.graph.initializer.append(numpy_helper.from_array(np.zeros(len(weight), np.float32), name))
            node.input.append(name)
            constants[name] = graph.graph.initializer[-1]
        found.append(_Layer(node, weight, numpy_helper.to_array(constants[node.input[2]])))
    return found


def _ranges(graph: Graph, films: Films, advance: Advance) -> dict[str, Range]:
    """For every activation that may be quantised, from where to where its bytes reach."""
    way = way_to(graph, "embedding")
    constants = {"films", *(tensor.name for tensor in graph.graph.initializer)}
    touched = [name for node in way if node.op_type in _OPS for name in (*node.input, *node.output)]
    names = [name for name in dict.fromkeys(touched) if name not in constants]
    rng = np.random.default_rng(0)
    drawn: dict[str, list[NDArray[np.float32]]] = {name: [] for name in names}
    for batch, values in inner_values(graph, names, films):
        for name, value in values.items():
            flat = value.reshape(-1)
            drawn[name] += [flat[rng.integers(0, flat.size, _VALUES * len(batch))], flat.min(keepdims=True)]
            drawn[name].append(flat.max(keepdims=True))
        advance(len(batch))
    ranges = {name: best_range(np.concatenate(parts)) for name, parts in drawn.items()}
    taken = Counter(name for node in graph.graph.node for name in node.input)
    for node in reversed(way):
        if node.op_type in _PASSING:  # one range for all, or what passes would be rounded twice
            passing = [name for name in node.input if name in ranges and (taken[name] == 1 or node.op_type == "Concat")]
            ranges |= dict.fromkeys(passing, ranges[node.output[0]])
    return ranges


def _moments(
    graph: Graph, layers: Sequence[_Layer], films: Films, ranges: dict[str, Range], advance: Advance
) -> dict[str, Any]:
    """By node: the mean of x x' and of x, over patches x of the layer's input as bytes give it, and that of x before rounding.

    All three for each channel where the layer goes by channel, (O, I, I) and (O, I).
    """
    layers = [layer for layer in layers if layer.is_compensated]
    rng = np.random.default_rng(0)
    total: dict[str, list[Any]] = {}
    for batch, values in inner_values(graph, sorted({layer.given for layer in layers}), films):
        for layer in layers:
            patch = np.clip(_patches(values[layer.given], layer, rng), *ranges[layer.given])
            if layer.is_by_channel:
                patch = patch.reshape(len(patch), len(layer.weight), -1).swapaxes(0, 1)  # (O, K, I)
            whole = rounded(patch, ranges[layer.given])
            known = total.setdefault(layer.node.name, [0, 0, 0, 0])
            sums = (whole.swapaxes(-1, -2) @ whole, whole.sum(axis=-2), patch.sum(axis=-2), patch.shape[-2])
            for place, each in enumerate(sums):
                known[place] += each
        advance(len(batch))
    return {name: [part / sums[-1] for part in sums[:-1]] for name, sums in total.items()}


def _patches(given: Films, layer: _Layer, rng: np.random.Generator) -> NDArray[np.float32]:
    """What a convolution multiplies with its weights, at some random places of (N, I, H, W): (K, I h w)."""
    pads = attribute(layer.node, "pads", [0, 0, 0, 0])
    stride = attribute(layer.node, "strides", [1, 1])
    spacing = attribute(layer.node, "dilations", [1, 1])
    given = np.pad(given, ((0, 0), (0, 0), (pads[0], pads[2]), (pads[1], pads[3])))
    reach = [(side - 1) * apart + 1 for side, apart in zip(layer.weight.shape[2:], spacing, strict=True)]
    windows = np.lib.stride_tricks.sliding_window_view(given, reach, axis=(2, 3))
    windows = windows[:, :, :: stride[0], :: stride[1], :: spacing[0], :: spacing[1]]
    rows, columns = windows.shape[2:4]
    place = np.concatenate([rng.permutation(rows * columns)[:_PATCHES] for _ in given])
    film = np.repeat(np.arange(len(given)), len(place) // len(given))
    return np.ascontiguousarray(windows[film, :, place // columns, place % columns]).reshape(len(place), -1)


def _round(graph: Graph, layer: _Layer, given: Range, moments: Any) -> list[dict[str, Any]]:
    """Write the layer's weights as levels into the graph, correct its bias, and tell the size of each row's level.

    given: from where to where the bytes of its input reach.
    """
    weight = layer.weight.reshape(len(layer.weight), -1).astype(np.float64)
    bias = layer.bias.astype(np.float64)
    smallest = np.abs(bias)[:, None] / ((given[1] - given[0]) / 255 * _MOST_BIAS)
    step = np.maximum(steps_of(weight), smallest)
    if moments is None:
        whole = nearest(weight, step)
    else:
        moment, mean, mean_before = (np.asarray(part, np.float64) for part in moments)
        if layer.is_by_channel:
            rows = [compensated(*row) for row in zip(weight[:, None], step[:, None], moment, strict=True)]
            whole = np.concatenate(rows)
        else:
            whole = compensated(weight, step, moment)
        bias = bias + (weight * mean_before).sum(axis=1) - (whole * mean).sum(axis=1)
    replace_constant(graph, layer.node.input[1], whole.reshape(layer.weight.shape))
    replace_constant(graph, layer.node.input[2], bias)
    kind = {"axis": 0, "zero_point": np.array(0, np.int8), "quant_type": QuantType.QInt8}
    return [{**kind, "scale": np.array(size, np.float32)} for size in step[:, 0]]


def _refined(
    graph: Graph,
    ranges: dict[str, Range],
    overrides: dict[str, list[dict[str, Any]]],
    films: Films,
    before: NDArray[np.float32],
    advance: Advance,
) -> dict[str, Range]:
    """Ranges that keep the logits near those before, (N, C); the largest activations one by one, the others together."""
    some = slice(None, None, max(1, len(films) // _REFINING_FILMS))

    def moved(tried: Mapping[str, Range]) -> float:
        return distance(logits_of(_with_levels(graph, tried, overrides), films[some]), before[some])

    size = {
        each.name: int(np.prod([side.dim_value for side in each.type.tensor_type.shape.dim[1:]]))
        for each in graph.graph.value_info
    }
    kept = {
        node.input[0] for node in _with_levels(graph, ranges, overrides).graph.node if node.op_type == "QuantizeLinear"
    }
    alike: dict[Range, list[str]] = {}
    for name in kept.intersection(ranges).difference(GIVEN):
        alike.setdefault(ranges[name], []).append(name)
    groups = sorted(
        (sorted(names) for names in alike.values()), key=lambda names: (-sum(size.get(n, 0) for n in names), names)
    )
    left = [name for names in groups[_REFINED - 1 :] for name in names]
    return refined(ranges, [*groups[: _REFINED - 1], left], moved, advance)


def _with_levels(graph: Graph, ranges: Mapping[str, Range], overrides: dict[str, list[dict[str, Any]]]) -> Graph:
    """The graph with QuantizeLinear and DequantizeLinear where ONNX Runtime's tool wants them."""
    ends = {name: TensorData(lowest=np.float32(low), highest=np.float32(high)) for name, (low, high) in ranges.items()}
    known = {node.name for node in way_to(graph, "embedding")} - ADDED
    left_out = [node.name for node in graph.graph.node if node.name not in known]
    options = {"TensorQuantOverrides": overrides}
    copy = onnx.ModelProto()
    copy.CopyFrom(graph)
    tool = QDQQuantizer(copy, True, False, QuantType.QInt8, QuantType.QUInt8, ends, [], left_out, list(_OPS), options)
    return tool.quantize_model()


def _even(graph: Graph, missing: NDArray[np.float32]) -> None:
    """Add to the logits what they lack, (C,), as rounding moves some classes more than others."""
    for node in graph.graph.node:
        node.output[:] = ["logit/uneven" if name == "logit" else name for name in node.output]
    graph.graph.initializer.append(numpy_helper.from_array(missing.astype(np.float32), "logit/missing"))
    graph.graph.node.append(helper.make_node("Add", ["logit/uneven", "logit/missing"], ["logit"], "logit/even"))


def _written(graph: Graph) -> bytes:
    """The graph's bytes, with nothing in it of the machine or of domains that it does not use."""
    for part in (graph, graph.graph, *graph.graph.node, *graph.graph.value_info, *graph.graph.initializer):
        part.doc_string = ""
        del part.metadata_props[:]
    used = {node.domain for node in graph.graph.node}
    kept = [each for each in graph.opset_import if each.domain in used]
    del graph.opset_import[:]
    graph.opset_import.extend(kept)
    return bytes(graph.SerializeToString())
