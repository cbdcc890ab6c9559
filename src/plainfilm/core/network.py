"""What a trained network is to everything outside `learn`: films in, logits, embedding and heatmaps out.

Two things are one: the network of a run, in torch (`learn/infer.py`), and that of a bundle, in ONNX Runtime (`OnnxNetwork`).
Whoever predicts, explains or serves speaks to `Network` and cannot tell which it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from plainfilm.core.onnx_session import onnx_session
from plainfilm.core.preprocess import Preprocess
from plainfilm.errors import BadBundle

if TYPE_CHECKING:
    import onnxruntime

OUTPUTS = ("logit", "embedding", "strength")
_MOST_AT_ONCE = 16  # films; more need more memory and are no faster


class Scores(NamedTuple):
    """What a network gives for N films.

    logit: (N, C) float32. embedding: (N, D) float32, the input of its last layer.
    strength: (N, C, h, w) float32, the heatmaps of all classes, raw and signed (`core/maps.py`); None where nobody asked or the
        network has none.
    """

    logit: NDArray[np.float32]
    embedding: NDArray[np.float32]
    strength: NDArray[np.float32] | None = None

    def of(self, places: NDArray[np.intp]) -> Scores:
        """The scores of some of the films."""
        strength = None if self.strength is None else self.strength[places]
        return Scores(self.logit[places], self.embedding[places], strength)

    @property
    def are_finite(self) -> bool:
        """Whether no number is infinite or none at all."""
        return all(numbers is None or bool(np.isfinite(numbers).all()) for numbers in self)


def joined(parts: Sequence[Scores]) -> Scores:
    """The scores of several batches as one."""
    has_maps = parts[0].strength is not None
    return Scores(
        np.concatenate([part.logit for part in parts]),
        np.concatenate([part.embedding for part in parts]),
        np.concatenate([part.strength for part in parts if part.strength is not None]) if has_maps else None,
    )


class Network(Protocol):
    """A trained network. It may be asked by several threads at once."""

    @property
    def has_maps(self) -> bool:
        """Whether it gives heatmaps."""

    def scores(self, films: NDArray[np.uint8], *, maps: bool = False) -> Scores:
        """Scores of (N, S, S) fitted films (`Preprocess.fitted`), N >= 1; with heatmaps where `maps` and the network has them."""


class OnnxNetwork:
    """A network in ONNX Runtime, on the CPU.

    model: the graph; "films" (N, 1, S, S) float32 in, OUTPUTS out, strength where it has maps. threads: for one film; whoever has
    many films has many threads, and then one is best.
    Raises BadBundle where ONNX Runtime cannot open the graph, or where it takes or gives something else.
    """

    def __init__(self, model: bytes, preprocess: Preprocess, threads: int = 1) -> None:
        self._preprocess = preprocess
        self._session = _session(model, threads)
        try:
            given = [output.name for output in self._session.get_outputs()]
            taken = [(entry.name, list(entry.shape[1:])) for entry in self._session.get_inputs()]
        except UnicodeDecodeError as cause:
            raise BadBundle("its network has names that are no UTF-8") from cause
        expected = [("films", [1, preprocess.size, preprocess.size])]
        if taken != expected or given not in (list(OUTPUTS), list(OUTPUTS[:2])):
            raise BadBundle(
                f"its network takes {taken} and gives {given}, expected {expected} and {', '.join(OUTPUTS)}"
            )
        self.has_maps = OUTPUTS[2] in given

    def scores(self, films: NDArray[np.uint8], *, maps: bool = False) -> Scores:
        """As `Network.scores`. Raises BadBundle where ONNX Runtime fails on them."""
        wanted = OUTPUTS if maps and self.has_maps else OUTPUTS[:2]
        parts = []
        for start in range(0, len(films), _MOST_AT_ONCE):
            given = {"films": self._preprocess.network_input(films[start : start + _MOST_AT_ONCE])}
            try:
                parts.append(Scores(*self._session.run(list(wanted), given)))
            except Exception as cause:  # ONNX Runtime's errors share no class but this one
                raise BadBundle(f"its network fails ({_line(cause)})") from cause
        return joined(parts)


def _session(model: bytes, threads: int) -> onnxruntime.InferenceSession:
    try:
        return onnx_session(model, threads)
    except Exception as cause:
        raise BadBundle(f"its network cannot be opened ({_line(cause)})") from cause


def _line(cause: BaseException) -> str:
    text = " ".join(str(cause).split())
    return text if len(text) <= 200 else text[:200] + " ..."
