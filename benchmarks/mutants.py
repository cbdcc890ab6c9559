"""Damaged files, each made from a seed and its number alone: films of every format, and bundles signed anew.

A mutant of a film has bits flipped, bytes changed, numbers that lie, pieces cut, repeated or taken from another file; mostly in its
header. A PNG mostly gets sound checksums again, and a bundle its closing sha256, so that the parsers behind these are reached. Half
of the bundles are damaged inside: a value of bundle.json is exchanged for another, or a part is damaged, and all is packed soundly.
"""

from __future__ import annotations

import hashlib
import json
import random
import sys
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from plainfilm.core.bundle import probed
from plainfilm.core.bundle_file import FORMAT_VERSION, packed
from plainfilm.core.calibration import Calibration, Conformal, Familiarity, OperatingPoint, Scaling
from plainfilm.core.network import OnnxNetwork
from plainfilm.core.predictor import Predictor
from plainfilm.core.preprocess import Preprocess

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from test_image import samples, with_png_checksums  # type: ignore[import-not-found]

CLASSES = ("COVID", "Normal")
_SIDE, _WIDTH = 32, 6  # of the small network: its input, its embedding
_SIGNATURE = 64  # hexadecimal digits that end a bundle
_LIES = (0, 1, 2, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF)
_VALUES: tuple[Any, ...] = (
    *(
        None,
        True,
        False,
        0,
        -1,
        1,
        0.5,
        1e308,
        -1e308,
        1 << 70,
        float("nan"),
        float("inf"),
        "",
        "none",
        "COVID",
        "../../x",
    ),
    *("x" * 5000, [], {}, [[]], [None] * 40, [1e300] * 4, {"": 0}, "AAAA", "\u0000\ud83d", "<script>"),
)


class Mutant(NamedTuple):
    """A damaged file. name: of what it was, such as "dicom RLE" or "bundle". content: its bytes."""

    name: str
    content: bytes

    @property
    def is_bundle(self) -> bool:
        return self.name == "bundle"


@cache
def _films() -> dict[str, bytes]:
    return dict(samples())


def mutant(seed: int, number: int) -> Mutant:
    """The mutant of this number; every seventh is a bundle."""
    chance = random.Random(f"{seed} {number}")
    if number % 7 == 6:
        return Mutant("bundle", _bundle_mutant(chance))
    name = chance.choice(sorted(_films()))
    damaged = damage(_films()[name], chance)
    if damaged[:8] == b"\x89PNG\r\n\x1a\n" and chance.random() < 0.8:
        damaged = bytes(with_png_checksums(bytearray(damaged)))
    return Mutant(name, damaged)


def damage(content: bytes, chance: random.Random) -> bytes:
    """The file with one to sixteen faults."""
    damaged = bytearray(content)
    for _ in range(chance.choice((1, 1, 2, 4, 16))):
        if not damaged:
            break
        at = min(int(len(damaged) * chance.random() ** chance.choice((1, 3))), len(damaged) - 1)
        long = chance.randrange(1, 64)
        kind = chance.random()
        if kind < 0.3:
            damaged[at] ^= 1 << chance.randrange(8)
        elif kind < 0.45:
            damaged[at] = chance.randrange(256)
        elif kind < 0.75:
            size = chance.choice((1, 2, 4))
            lie = chance.choice(_LIES) & ((1 << 8 * size) - 1)
            damaged[at : at + size] = lie.to_bytes(size, chance.choice(("little", "big")))
        elif kind < 0.81:
            del damaged[at : at + long]
        elif kind < 0.87:
            damaged[at:at] = damaged[at : at + long] * chance.choice((1, 1, 50))
        elif kind < 0.93:
            other = _films()[chance.choice(sorted(_films()))]
            start = chance.randrange(len(other))
            damaged[at : at + long] = other[start : start + long]
        elif kind < 0.96:
            damaged[at:at] = bytes(chance.randrange(256) for _ in range(long))
        else:
            del damaged[at:]
    return bytes(damaged)


def _bundle_mutant(chance: random.Random) -> bytes:
    if chance.random() < 0.5:
        return signed(damage(sound_bundle()[:-_SIGNATURE], chance) + bytes(_SIGNATURE))
    parts = dict(_parts())
    name = chance.choice(("bundle.json", "bundle.json", "bundle.json", *parts))
    if name == "bundle.json" and chance.random() < 0.8:
        about = json.loads(parts[name])
        for _ in range(chance.choice((1, 1, 2, 5))):
            about = _exchanged(about, chance)
        parts[name] = json.dumps(about).encode()
    elif chance.random() < 0.05:
        del parts[name]
    else:
        parts[name] = damage(parts[name], chance)
    return packed(parts)


def _exchanged(value: Any, chance: random.Random) -> Any:
    """JSON with one value somewhere in it exchanged, left out, or put in twice."""
    if isinstance(value, dict) and value and chance.random() < 0.93:
        name = chance.choice(sorted(value))
        if chance.random() < 0.05:
            return {key: held for key, held in value.items() if key != name}
        return {**value, name: _exchanged(value[name], chance)}
    if isinstance(value, list) and value and chance.random() < 0.9:
        place = chance.randrange(len(value))
        kind = chance.random()
        if kind < 0.1:
            return value[:place] + value[place + 1 :]
        if kind < 0.2:
            return [*value, value[place]]
        return [*value[:place], _exchanged(value[place], chance), *value[place + 1 :]]
    return chance.choice(_VALUES)


def signed(content: bytes) -> bytes:
    """The bundle with its last 64 digits as they must be for all before them."""
    return content[:-_SIGNATURE] + hashlib.sha256(content[:-_SIGNATURE]).hexdigest().encode()


@cache
def sound_bundle() -> bytes:
    """A bundle of some kB that opens: a network of fixed weights, a calibration with all that one can hold, two probes."""
    return packed(_parts())


@cache
def _parts() -> dict[str, bytes]:
    calibration = Calibration(
        CLASSES,
        Scaling("vector", (1.5, 0.7), (0.1, -0.1)),
        Conformal(((0.2, 0.5, 0.9), (0.3, 0.4, 0.8))),
        0.1,
        (OperatingPoint("COVID", "sensitivity", 0.95, 0.4, 0.96, 30),),
        Familiarity(_noise(2, _WIDTH), _noise(3, _WIDTH), np.ones(3, np.float32), 1.0, 50.0),
        films=60,
        groups=50,
    )
    preprocess = Preprocess(size=_SIDE)
    predictor = Predictor("fuzzed", CLASSES, preprocess, calibration, OnnxNetwork(_network(), preprocess))
    from plainfilm.bundle_jobs import probe_files

    probes = [(name, content) for name, content in probe_files() if len(content) < 200_000][:2]
    about = {
        "format_version": FORMAT_VERSION,
        "name": "fuzzed",
        "network": "small",
        "precision": "fp32",
        "classes": list(CLASSES),
        "preprocess": preprocess.to_dict(),
        "calibration": calibration.to_dict(),
        "segmenter": "none",
        "tolerance": 1e-3,
        "not_for": ["anything"],
        "data": {"training_films": {"COVID": 3, "Normal": 4}},
        "metrics": {"split": "test", "metrics": {"accuracy": {"value": 0.9, "low": 0.8, "high": 0.95}}},
        "audit": _AUDIT,
        "why_no_heatmaps": "",
        "probes": [{"file": name, "expected": probed(predictor, name, content)} for name, content in probes],
    }
    return {
        "bundle.json": json.dumps(about).encode(),
        "card.md": b"# A card\n\n| a | b |\n|---|---|\n| 1 | 2 |\n",
        **{f"probes/{name}": content for name, content in probes},
        "network.onnx": _network(),
    }


_AUDIT = {
    "of": "run",
    "name": "fuzzed",
    "headline": "Accuracy 0.96, of which 0.89 without the lungs",
    "findings": [
        {
            **{"check": "leaks", "verdict": "pass", "measure": "share", "threshold": "0", "advice": "none"},
            **{"number": {"value": 0.0, "low": 0.0, "high": 0.1}, "told": ["nothing"], "evidence": {}},
        }
    ],
    "made": {},
}


def _network() -> bytes:
    """films -> a convolution -> its mean -> logit, embedding; strength by the class weights."""
    shapes = {
        "kernel": (_WIDTH, 1, 8, 8),
        "offset": (_WIDTH,),
        "weight": (2, _WIDTH),
        "bias": (2,),
        "look": (2, _WIDTH, 1, 1),
    }
    held = [numpy_helper.from_array(_noise(*shape), name) for name, shape in shapes.items()]
    nodes = [
        helper.make_node("Conv", ["films", "kernel", "offset"], ["features"], strides=[8, 8]),
        helper.make_node("Relu", ["features"], ["lit"]),
        helper.make_node("GlobalAveragePool", ["lit"], ["mean"]),
        helper.make_node("Flatten", ["mean"], ["embedding"]),
        helper.make_node("Gemm", ["embedding", "weight", "bias"], ["logit"], transB=1),
        helper.make_node("Conv", ["lit", "look"], ["strength"]),
    ]
    taken = [helper.make_tensor_value_info("films", TensorProto.FLOAT, ["count", 1, _SIDE, _SIDE])]
    shape_of: dict[str, list[str | int]] = {
        "logit": ["count", 2],
        "embedding": ["count", _WIDTH],
        "strength": ["count", 2, 4, 4],
    }
    given = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in shape_of.items()]
    graph = helper.make_graph(nodes, "small", taken, given, held)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def _noise(*shape: int) -> NDArray[np.float32]:
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)
