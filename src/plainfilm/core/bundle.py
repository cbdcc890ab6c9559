"""The bundle: a trained model as one file that runs without torch.

Opening checks the file (`bundle_file.py`), then sends the probes through decoding, preprocessing and network, and compares. So what
opens here answers as it answered there.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files
from os import cpu_count
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plainfilm.core.audit import Audit
from plainfilm.core.bundle_file import (
    ABOUT,
    CARD,
    FORMAT_VERSION,
    NETWORK,
    PROBES,
    REMEDY,
    SUFFIX,
    about_of,
    checked_digest,
    content_of,
    packed,
    parts_of,
    probe_of,
)
from plainfilm.core.calibration import Calibration
from plainfilm.core.chest import reasons
from plainfilm.core.files import written_whole
from plainfilm.core.lungs import segmenter_version
from plainfilm.core.network import OnnxNetwork
from plainfilm.core.predictor import Answer, Predictor
from plainfilm.core.preprocess import Preprocess
from plainfilm.core.words import one_line
from plainfilm.errors import BadBundle, BadConfig, BadImage

# What is compared of a probe; of the last two, what the calibration makes of the first two: how far it lies from the training
# films, over the limit at which it would be turned away.
_NUMBERS = ("logit", "embedding", "strength", "probability", "strangeness")
_UPDATE = "Update plainfilm and its libraries"
_ADVICE = re.compile(r"[.] (?:Copy|Export|A run) |[:;] (?:expected|name) ")
_INSTALL_AGAIN = "install plainfilm again with pip install --force-reinstall, which brings it back"
SHIPPED = Path(str(files("plainfilm.models").joinpath(f"default{SUFFIX}")))
"""The model inside the package: of recipes/default.toml."""


@dataclass(frozen=True)
class Probe:
    """A phantom film that a bundle carries, and what its network must give for it.

    name: of its file. content: the file. expected: _NUMBERS as nested lists, None for what it lacks; the "gate"'s word; and
        the "answer", to be read.
    """

    name: str
    content: bytes
    expected: Mapping[str, Any]


@dataclass(frozen=True)
class Bundle:
    """An open bundle.

    path: where it lies. sha256: of all before its last digits, 64 hex digits. about: all of bundle.json.
    classes, preprocess, calibration: from there. card: the model card, Markdown. probes: see there. network: ready to be asked.
    """

    path: Path
    sha256: str
    about: Mapping[str, Any]
    classes: tuple[str, ...]
    preprocess: Preprocess
    calibration: Calibration
    card: str
    probes: tuple[Probe, ...]
    network: OnnxNetwork

    @classmethod
    def open(cls, path: str | Path, threads: int = 1) -> Bundle:
        """Open a bundle and try its probes. threads: for one film, see `OnnxNetwork`.

        Raises BadBundle, naming the file, where it is missing, no bundle, of another format, changed, lacks a part, or answers its
        probes otherwise than it did where it was made.
        """
        path = Path(path)
        try:
            return cls._opened(path, content_of(path), threads)
        except BadBundle as error:
            told = _of_own_model(error.message) if path == SHIPPED else error.message
            raise BadBundle(one_line(told), path) from error.__cause__

    @classmethod
    def _opened(cls, path: Path, content: bytes, threads: int) -> Bundle:
        sha256 = checked_digest(content)
        parts = parts_of(content)
        about = about_of(parts[ABOUT])
        try:
            classes = tuple(str(name) for name in about["classes"])
            preprocess = Preprocess.from_dict(about["preprocess"])
            calibration = Calibration.from_dict(about["calibration"])
            probes = tuple(
                Probe(str(one["file"]), probe_of(parts, str(one["file"])), dict(one["expected"]))
                for one in about["probes"]
            )
            tolerance = float(about["tolerance"])
            segmenter = str(about["segmenter"])
        except (BadConfig, KeyError, TypeError, ValueError, AttributeError, OverflowError) as cause:
            raise BadBundle(f"its {ABOUT} is damaged ({type(cause).__name__}: {cause}). {REMEDY}") from cause
        if calibration.classes != classes:
            raise BadBundle(f"its calibration is of other classes ({', '.join(calibration.classes)}). {REMEDY}")
        if preprocess.looks_for_lungs and segmenter != segmenter_version():
            raise BadBundle(
                f"goes by the lungs that segmenter {segmenter} finds, and this plainfilm has {segmenter_version()}. "
                "Export it with this version, or use the version that made it"
            )
        network = OnnxNetwork(parts[NETWORK], preprocess, threads)
        card = parts[CARD].decode("utf-8", "replace")
        bundle = cls(path, sha256, about, classes, preprocess, calibration, card, probes, network)
        bundle._try_probes(tolerance)
        extra = parts.keys() - {ABOUT, NETWORK, CARD, *(PROBES + probe.name for probe in probes)}
        if extra:
            raise BadBundle(f"holds {min(extra)!r}, which is no part of a bundle. {REMEDY}")
        return bundle

    @property
    def name(self) -> str:
        """What it is called: the run that it was made of, and its network."""
        return str(self.about.get("name", self.path.stem))

    @property
    def precision(self) -> str:
        """ "fp32" or "int8"."""
        return str(self.about.get("precision", "unknown"))

    @cached_property
    def audit(self) -> Audit | None:
        """The audit of the run that it was made of; None where it was never audited. Raises BadBundle where that is damaged."""
        known = self.about.get("audit")
        try:
            return None if known is None else Audit.from_dict(known)
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as cause:
            told = f"its audit is damaged ({cause}). {REMEDY}"
            raise BadBundle(one_line(_of_own_model(told) if self.path == SHIPPED else told), self.path) from cause

    @property
    def predictor(self) -> Predictor:
        """What answers."""
        return Predictor(self.name, self.classes, self.preprocess, self.calibration, self.network)

    def _try_probes(self, tolerance: float) -> None:
        """Raise BadBundle where a probe gets other numbers, or another word of the gate, than when the bundle was made."""
        if not self.probes:
            raise BadBundle(f"carries no probes, so nobody can tell whether it answers as it should. {REMEDY}")
        predictor = self.predictor
        with ThreadPoolExecutor(cpu_count() or 1) as pool:  # side by side, since every start waits for them
            answered = list(pool.map(lambda probe: probed(predictor, probe.name, probe.content), self.probes))
        for probe, found in zip(self.probes, answered, strict=True):
            worst = _difference(probe.expected, found)
            if not worst <= tolerance:
                raise BadBundle(
                    f"answers its probe {probe.name} otherwise than where it was made: a number is off by {worst:.3g}, "
                    f"expected at most {tolerance:g}. {_UPDATE}, or export it on a machine like this one"
                )
            expected = probe.expected.get("gate")
            if found["gate"] != expected:
                was, is_now = (said or "a chest film" for said in (expected, found["gate"]))
                raise BadBundle(f"sees its probe {probe.name} as {is_now}, expected {was}. {REMEDY}")


def probed(predictor: Predictor, name: str, content: bytes) -> dict[str, Any]:
    """What a predictor makes of a probe, in the form in which a bundle keeps what it expects."""
    try:
        seen = predictor.see(content, name)
    except BadImage as error:
        raise BadBundle(f"its probe {error}. {REMEDY}") from error
    scores = predictor.network.scores(seen.fitted[None], maps=True)
    if scores.logit.shape != (1, len(predictor.classes)) or not np.isfinite(scores.logit).all():
        raise BadBundle(
            f"gives {scores.logit.tolist()} for its probe {name}, expected a number for each class. {REMEDY}"
        )
    familiarity = predictor.calibration.familiarity
    try:
        (answer,) = predictor.answers_from([seen], scores)
        probability = predictor.calibration.probability(scores.logit.astype(np.float64))
    except ValueError as cause:
        raise BadBundle(f"its calibration gives no answer for its probe {name} ({cause}). {REMEDY}") from cause
    return {
        "logit": _short(scores.logit[0]),
        "embedding": _short(scores.embedding[0]),
        "strength": None if scores.strength is None else _short(scores.strength[0]),
        "probability": probability[0].tolist(),
        "strangeness": None
        if familiarity is None
        else float(familiarity.distance(scores.embedding)[0] / familiarity.limit),
        "gate": reasons(seen.thumbnail[None])[0],
        "answer": _said(answer),
    }


def write_bundle(
    path: Path, about: Mapping[str, Any], network: bytes, card: str, probes: Sequence[tuple[str, bytes]]
) -> None:
    """Write a bundle, whole or not at all.

    about: of bundle.json, format_version apart; with classes, preprocess, calibration, tolerance, segmenter, and under probes what
    `probed` gives for each. Nothing is checked here but what opening checks: a bundle that would not open is not left behind.
    Raises BadBundle where it does not open, CannotWrite where it cannot be written.
    """
    parts = {
        ABOUT: (json.dumps({"format_version": FORMAT_VERSION, **about}, indent=1, ensure_ascii=False) + "\n").encode(),
        CARD: card.encode(),
        **{PROBES + name: content for name, content in probes},
        NETWORK: network,
    }
    content = packed(parts)
    try:
        Bundle._opened(path, content, 1)
    except BadBundle as error:
        raise BadBundle(f"was not written, since it would not open: {error.message}", path) from error
    with written_whole(path) as temporary:
        temporary.write_bytes(content)


def _of_own_model(message: str) -> str:
    """What is wrong with the model inside the package, said to whoever named no bundle and has none to copy or to export.

    message: what would be said of any other bundle; its advice is left out where it is none here.
    """
    if not SHIPPED.exists():
        return f"plainfilm's own model is missing: {_INSTALL_AGAIN}"
    if _UPDATE in message:
        return f"plainfilm's own model {message.partition(_UPDATE)[0]}{_UPDATE}"
    return f"plainfilm's own model is damaged ({_ADVICE.split(message, maxsplit=1)[0]}): {_INSTALL_AGAIN}"


def _short(numbers: NDArray[np.float32]) -> Any:
    """Nested lists of the shortest decimals that are these float32 numbers."""
    return numbers.astype(str).astype(np.float64).tolist()


def _said(answer: Answer) -> str:
    """An answer in few words, for whoever reads bundle.json. It is not compared: a set may hang on a number's last digit."""
    return answer.error or answer.turned_away or f"{answer.label} of {', '.join(answer.prediction_set or ()) or 'none'}"


def _difference(expected: Mapping[str, Any], found: Mapping[str, Any]) -> float:
    """The largest difference of two probes' numbers, each kind over its largest number or 1; infinite where shapes differ."""
    worst = 0.0
    for name in _NUMBERS:
        one, other = expected.get(name), found.get(name)
        if one is None and other is None:
            continue
        try:
            first, second = np.asarray(one, np.float64), np.asarray(other, np.float64)
        except (TypeError, ValueError, OverflowError):
            return math.inf
        if first.shape != second.shape or not (np.isfinite(first).all() and np.isfinite(second).all()):
            return math.inf
        worst = max(worst, float(np.abs(first - second).max() / max(1.0, np.abs(first).max())))
    return worst
