"""What a training needs to go on, in one safetensors file: tensors as they are, everything else as JSON in its header.

Nothing is pickled, so a checkpoint from a stranger runs no code.
"""

from __future__ import annotations

import errno
import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn

from plainfilm.core.files import written_whole
from plainfilm.errors import BadRun

FORMAT_VERSION = 1


def save_checkpoint(
    path: Path, networks: dict[str, nn.Module], optimizer: torch.optim.Optimizer, facts: dict[str, Any]
) -> None:
    """Write networks, optimizer and facts (JSON), whole or not at all."""
    tensors = {
        f"{name}/{key}": value for name, module in networks.items() for key, value in module.state_dict().items()
    }
    for index, values in optimizer.state_dict()["state"].items():
        for key, value in values.items():
            if isinstance(value, torch.Tensor):
                tensors[f"optimizer/{index}/{key}"] = value
    header = {"format_version": FORMAT_VERSION, **facts}
    _save(tensors, path, {"plainfilm": json.dumps(header)})


def load_checkpoint(path: Path, networks: dict[str, nn.Module], optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """Put networks and optimizer back as they were and return the facts. Raises BadRun where the file is damaged or foreign."""
    try:
        with safe_open(path, framework="pt") as opened:
            facts: dict[str, Any] = json.loads((opened.metadata() or {}).get("plainfilm", "{}"))
            tensors = {key: opened.get_tensor(key) for key in opened.keys()}  # noqa: SIM118 - not a dict
        if facts.pop("format_version", None) != FORMAT_VERSION:
            raise BadRun(f"is no checkpoint of format version {FORMAT_VERSION}: train anew into another folder", path)
        for name, module in networks.items():
            module.load_state_dict(_below(tensors, name))
        _load_optimizer(optimizer, _below(tensors, "optimizer"))
    except (OSError, SafetensorError, ValueError, RuntimeError, KeyError) as cause:
        raise BadRun(f"is damaged ({cause}): train anew into another folder", path) from cause
    return facts


def save_weights(path: Path, network: nn.Module) -> None:
    """Write a network's weights, whole or not at all. Raises CannotWrite."""
    _save(dict(network.state_dict()), path)


def _save(tensors: dict[str, torch.Tensor], path: Path, metadata: dict[str, str] | None = None) -> None:
    plain = _plain(tensors)
    with written_whole(path) as temporary:
        temporary.touch()  # the library makes files that only their owner can read; one that is there keeps its mode
        mode = temporary.stat().st_mode
        try:
            save_file(plain, temporary, metadata=metadata)
        except SafetensorError as cause:
            if "I/O error" in str(cause):
                raise OSError(errno.EIO, str(cause).rpartition("I/O error: ")[2]) from cause
            raise
        temporary.chmod(mode)


def _plain(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {key: value.detach().cpu().contiguous().clone() for key, value in tensors.items()}


def _below(tensors: dict[str, torch.Tensor], name: str) -> dict[str, torch.Tensor]:
    return {key.removeprefix(f"{name}/"): value for key, value in tensors.items() if key.startswith(f"{name}/")}


def _load_optimizer(optimizer: torch.optim.Optimizer, tensors: dict[str, torch.Tensor]) -> None:
    """Fill the optimizer's state, each tensor in the memory layout of its parameter; a fused optimizer counts on the device."""
    parameters = [(each, group) for group in optimizer.param_groups for each in group["params"]]
    for key, value in tensors.items():
        index, _, name = key.partition("/")
        parameter, group = parameters[int(index)]
        if value.shape == parameter.shape:
            optimizer.state[parameter][name] = torch.empty_like(parameter).copy_(value)
        else:
            is_there = value.ndim or group.get("fused") or group.get("capturable")
            optimizer.state[parameter][name] = value.to(parameter.device) if is_there else value
