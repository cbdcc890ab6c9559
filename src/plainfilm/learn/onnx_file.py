"""Our small networks as ONNX files: any number of films at a time, and nothing in them of the machine that wrote them."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import nn

_TURNS_INPUT = {"Transpose": 0, "ConvTranspose": 1}  # operation -> which of its inputs it takes transposed


def write_onnx(network: nn.Module, side_px: int, outputs: Sequence[str], path: Path) -> None:
    """Write a network that takes "films", (N, 1, side_px, side_px) float32, and gives `outputs`, for any N."""
    films = torch.rand(2, 1, side_px, side_px)
    network = network.eval().float().to(memory_format=torch.contiguous_format)
    path.parent.mkdir(parents=True, exist_ok=True)
    names = {"input_names": ["films"], "output_names": list(outputs), "dynamic_shapes": ({0: "count"},)}
    with redirect_stdout(StringIO()):  # it prints how far it is
        torch.onnx.export(network, (films,), path, dynamo=True, external_data=False, opset_version=18, **names)  # type: ignore[arg-type]
    model = onnx.load(path)
    for part in (model, model.graph, *model.graph.node, *model.graph.value_info, *model.graph.initializer):
        part.doc_string = ""
        del part.metadata_props[:]  # where in this machine's files each operation was written
    _give_own_weights(model.graph)
    onnx.save(model, path)


def _give_own_weights(graph: onnx.GraphProto) -> None:
    """A square matrix that is used as it stands and transposed, as for a gradient, becomes two.

    OpenVINO (2026.4, on the CPU) knows prepared weights by address and size alone, and would take the one for the other.
    """
    held = {
        weights.name: weights
        for weights in graph.initializer
        if len(weights.dims) > 1 and weights.dims[0] == weights.dims[1]
    }
    users = {name: {node.op_type for node in graph.node if name in node.input} for name in held}
    own: dict[str, onnx.TensorProto] = {}
    renamed: dict[str, str] = {}
    for node in list(graph.node):
        place = _TURNS_INPUT.get(node.op_type, -1)
        name = node.input[place] if place >= 0 else ""
        if len(users.get(name, ())) < 2:
            continue
        values, copy = numpy_helper.to_array(held[name]), f"{name}_turned"
        if node.op_type == "Transpose" and values.ndim > 2:
            continue
        if node.op_type == "Transpose":
            values = np.ascontiguousarray(values.T)
            renamed[node.output[0]] = copy
            graph.node.remove(node)
        else:
            node.input[place] = copy
        own[copy] = numpy_helper.from_array(values, copy)
    for node in graph.node:
        node.input[:] = [renamed.get(name, name) for name in node.input]
    graph.initializer.extend(own.values())
