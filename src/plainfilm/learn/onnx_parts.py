"""Looking into an ONNX graph: which nodes an output needs, and what flows between them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from plainfilm.core.onnx_session import onnx_session

Graph = Any  # onnx.ModelProto
Node = Any  # onnx.NodeProto
Films = NDArray[np.float32]
_BATCH = 4  # films; all inner tensors of a batch are held at once


def way_to(graph: Graph, output: str) -> list[Node]:
    """The nodes that an output needs, in order."""
    wanted, way = {output}, []
    for node in reversed(graph.graph.node):
        if wanted.intersection(node.output):
            wanted.update(node.input)
            way.append(node)
    return way[::-1]


def attribute(node: Node, name: str, default: Any) -> Any:
    """An attribute's value, `default` where the node has none of this name."""
    return next((helper.get_attribute_value(each) for each in node.attribute if each.name == name), default)


def replace_constant(graph: Graph, name: str, value: NDArray[Any]) -> None:
    """Give the graph's constant of this name other numbers, as float32."""
    tensor = next(each for each in graph.graph.initializer if each.name == name)
    tensor.CopyFrom(numpy_helper.from_array(value.astype(np.float32), name))


def inner_values(graph: Graph, names: Sequence[str], films: Films) -> Iterator[tuple[Films, dict[str, Films]]]:
    """For every few films: the films, and the values of the tensors named."""
    opened = onnx.ModelProto()
    opened.CopyFrom(graph)
    given = {output.name for output in opened.graph.output}
    opened.graph.output.extend(helper.make_empty_tensor_value_info(name) for name in names if name not in given)
    session = onnx_session(opened.SerializeToString())
    for start in range(0, len(films), _BATCH):
        batch = films[start : start + _BATCH]
        yield batch, dict(zip(names, session.run(list(names), {"films": batch}), strict=True)) if names else {}


def logits_of(graph: Graph | bytes, films: Films) -> NDArray[np.float32]:
    """(N, C) logits of (N, 1, S, S) films."""
    session = onnx_session(graph if isinstance(graph, bytes) else graph.SerializeToString())
    parts = [session.run(["logit"], {"films": films[at : at + _BATCH]})[0] for at in range(0, len(films), _BATCH)]
    return np.concatenate(parts)
