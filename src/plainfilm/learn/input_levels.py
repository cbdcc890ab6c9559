"""A film's grey levels as the bytes that a network in whole numbers is given: exact, and twice.

The first layer's weights are few, work on fine texture over a large mean, and rounding them did more harm than rounding all others.
So it is given a second copy of the film at a fifteenth of the contrast, on which a weight is as much finer.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from onnx import helper, numpy_helper
from onnxruntime.quantization import QuantType

from plainfilm.learn.onnx_parts import Graph, replace_constant
from plainfilm.learn.ranges import Range

_GREYS = 255
_TWICE = "films/twice"
GIVEN = ("films", _TWICE)  # the tensors that hold grey levels
ADDED = frozenset(("films/level", "films/fine", _TWICE))  # the nodes before the first layer, in float32
_FINER = 15.5  # not 16: no grey level's fine copy lies half-way between two levels, where processors may differ


def give_films_twice(graph: Graph, mean: float, std: float) -> None:
    """Give the first convolution the films, moved onto the levels of their bytes, and a fine copy of them.

    The weights of the copy are 0 until they are rounded. mean, std: as films are normalised, grey levels in 0..1. Left as it is
    where something else than one convolution takes the films.
    """
    takers = [node for node in graph.graph.node if "films" in node.input]
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.graph.initializer}
    if len(takers) != 1 or takers[0].op_type != "Conv" or not set(takers[0].input[1:]) <= set(constants):
        return
    shift = (_GREYS * mean - _zero(mean)) / (_GREYS * std)  # the mean is no whole level
    name, *bias = takers[0].input[1:]
    weight = constants[name]
    moved = (constants[bias[0]] if bias else 0) - shift * weight.sum(axis=(1, 2, 3))
    replace_constant(graph, name, np.concatenate([weight, np.zeros_like(weight)], axis=1))
    for stale in [each for each in graph.graph.value_info if each.name == name]:
        graph.graph.value_info.remove(stale)
    for left in [each for each in graph.graph.initializer if each.name in bias]:
        graph.graph.initializer.remove(left)
    takers[0].input[:] = [_TWICE, name, "films/bias"]
    for constant, value in (("films/shift", shift), ("films/finer", 1 / _FINER), ("films/bias", moved)):
        graph.graph.initializer.append(numpy_helper.from_array(np.asarray(value, np.float32), constant))
    for place, node in enumerate(
        (
            helper.make_node("Add", ["films", "films/shift"], ["films/level"], "films/level"),
            helper.make_node("Mul", ["films/level", "films/finer"], ["films/fine"], "films/fine"),
            helper.make_node("Concat", ["films/level", "films/fine"], [_TWICE], _TWICE, axis=1),
        )
    ):
        graph.graph.node.insert(place, node)


def input_levels(mean: float, std: float) -> dict[str, Any]:
    """One grey level is one step; the step nearest to the mean is 0."""
    scale, zero = 1 / (_GREYS * std), _zero(mean)
    return {
        "scale": np.array(scale, np.float32),
        "zero_point": np.array(zero, np.uint8),
        "quant_type": QuantType.QUInt8,
    }


def _zero(mean: float) -> int:
    """The grey level nearest to the mean."""
    return min(max(round(_GREYS * mean), 0), _GREYS)


def input_range(mean: float, std: float) -> Range:
    """Of black to white, as `input_levels` has them."""
    zero = _zero(mean)
    return -zero / (_GREYS * std), (_GREYS - zero) / (_GREYS * std)
