"""Our small networks as ONNX files: any number of films at a time, and nothing in them of the machine that wrote them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import onnx
import torch
from torch import nn


def write_onnx(network: nn.Module, side_px: int, outputs: Sequence[str], path: Path) -> None:
    """Write a network that takes "films", (N, 1, side_px, side_px) float32, and gives `outputs`, for any N."""
    films = torch.rand(2, 1, side_px, side_px)
    network = network.eval().float().to(memory_format=torch.contiguous_format)
    path.parent.mkdir(parents=True, exist_ok=True)
    names = {"input_names": ["films"], "output_names": list(outputs), "dynamic_shapes": {"films": {0: "count"}}}
    torch.onnx.export(network, (films,), path, dynamo=True, external_data=False, opset_version=18, **names)  # type: ignore[arg-type]
    model = onnx.load(path)
    for part in (model, model.graph, *model.graph.node, *model.graph.value_info, *model.graph.initializer):
        part.doc_string = ""
        del part.metadata_props[:]  # where in this machine's files each operation was written
    onnx.save(model, path)
