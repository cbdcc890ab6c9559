"""The bundle: a trained model as one file that runs without torch.

A ZIP archive, nothing compressed, that any archiver opens:

    bundle.json     what it is: classes, preprocess, calibration, intended use, data, metrics with intervals, audit, parity, probes
    network.onnx    films -> logit, embedding, strength (the heatmaps)
    card.md         the model card
    probes/         phantom films; bundle.json says what must be answered to them

The archive's comment, which ends the file, names the format version and the sha256 of every byte before it. Opening checks both,
then sends the probes through decoding, preprocessing and network, and compares. So what opens here answers as it answered there.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
import re
import zipfile
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
from plainfilm.core.calibration import Calibration
from plainfilm.core.chest import reasons
from plainfilm.core.files import written_whole
from plainfilm.core.lungs import segmenter_version
from plainfilm.core.network import OnnxNetwork
from plainfilm.core.predictor import Answer, Predictor
from plainfilm.core.preprocess import Preprocess
from plainfilm.core.words import one_line
from plainfilm.errors import BadBundle, BadConfig, BadImage

FORMAT_VERSION = 1
SUFFIX = ".plainfilm"
_ABOUT, _NETWORK, _CARD, _PROBES = "bundle.json", "network.onnx", "card.md", "probes/"
_COMMENT = "plainfilm bundle, format {}, sha256 of all before: "
_ENDS = re.compile(rb"plainfilm bundle, format (\d+), sha256 of all before: ([0-9a-f]{64})\Z")
_LONGEST_COMMENT = 200
_MOST_BYTES = 4 << 30
# What is compared of a probe; of the last two, what the calibration makes of the first two: how far it lies from the training
# films, over the limit at which it would be turned away.
_NUMBERS = ("logit", "embedding", "strength", "probability", "strangeness")
# What is told as it is.
_TOLD: dict[str, type] = {
    **dict.fromkeys(("name", "network", "precision", "intended_use", "why_no_heatmaps"), str),
    **dict.fromkeys(("data", "metrics", "parity", "made"), dict),
    "not_for": list,
}
SHIPPED = Path(str(files("plainfilm.models").joinpath(f"default{SUFFIX}")))
"""The model inside the package: of recipes/default.toml."""

_EPOCH = (1980, 1, 1, 0, 0, 0)
_REMEDY = 'Copy it again, or make it anew with "plainfilm export"'


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
            return cls._opened(path, _content(path), threads)
        except BadBundle as error:
            raise BadBundle(one_line(error.message), path) from error.__cause__

    @classmethod
    def _opened(cls, path: Path, content: bytes, threads: int) -> Bundle:
        sha256 = _checked(content)
        parts = _parts(content)
        about = _json(parts[_ABOUT])
        try:
            classes = tuple(str(name) for name in about["classes"])
            preprocess = Preprocess.from_dict(about["preprocess"])
            calibration = Calibration.from_dict(about["calibration"])
            probes = tuple(
                Probe(str(one["file"]), _probe(parts, str(one["file"])), dict(one["expected"]))
                for one in about["probes"]
            )
            tolerance = float(about["tolerance"])
            segmenter = str(about["segmenter"])
        except (BadConfig, KeyError, TypeError, ValueError, AttributeError, OverflowError) as cause:
            raise BadBundle(f"its {_ABOUT} is damaged ({type(cause).__name__}: {cause}). {_REMEDY}") from cause
        if calibration.classes != classes:
            raise BadBundle(f"its calibration is of other classes ({', '.join(calibration.classes)}). {_REMEDY}")
        if preprocess.looks_for_lungs and segmenter != segmenter_version():
            raise BadBundle(
                f"goes by the lungs that segmenter {segmenter} finds, and this plainfilm has {segmenter_version()}. "
                "Export it with this version, or use the version that made it"
            )
        network = OnnxNetwork(parts[_NETWORK], preprocess, threads)
        card = parts[_CARD].decode("utf-8", "replace")
        bundle = cls(path, sha256, about, classes, preprocess, calibration, card, probes, network)
        bundle._try_probes(tolerance)
        extra = parts.keys() - {_ABOUT, _NETWORK, _CARD, *(_PROBES + probe.name for probe in probes)}
        if extra:
            raise BadBundle(f"holds {min(extra)!r}, which is no part of a bundle. {_REMEDY}")
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
            raise BadBundle(one_line(f"its audit is damaged ({cause}). {_REMEDY}"), self.path) from cause

    @property
    def predictor(self) -> Predictor:
        """What answers."""
        return Predictor(self.name, self.classes, self.preprocess, self.calibration, self.network)

    def _try_probes(self, tolerance: float) -> None:
        """Raise BadBundle where a probe gets other numbers, or another word of the gate, than when the bundle was made."""
        if not self.probes:
            raise BadBundle(f"carries no probes, so nobody can tell whether it answers as it should. {_REMEDY}")
        predictor = self.predictor
        with ThreadPoolExecutor(cpu_count() or 1) as pool:  # side by side, since every start waits for them
            answered = list(pool.map(lambda probe: probed(predictor, probe.name, probe.content), self.probes))
        for probe, found in zip(self.probes, answered, strict=True):
            worst = _difference(probe.expected, found)
            if not worst <= tolerance:
                raise BadBundle(
                    f"answers its probe {probe.name} otherwise than where it was made: a number is off by {worst:.3g}, "
                    f"expected at most {tolerance:g}. Update plainfilm and its libraries, or export it on a machine like this one"
                )
            expected = probe.expected.get("gate")
            if found["gate"] != expected:
                was, is_now = (said or "a chest film" for said in (expected, found["gate"]))
                raise BadBundle(f"sees its probe {probe.name} as {is_now}, expected {was}. {_REMEDY}")


def probed(predictor: Predictor, name: str, content: bytes) -> dict[str, Any]:
    """What a predictor makes of a probe, in the form in which a bundle keeps what it expects."""
    try:
        seen = predictor.see(content, name)
    except BadImage as error:
        raise BadBundle(f"its probe {error}. {_REMEDY}") from error
    scores = predictor.network.scores(seen.fitted[None], maps=True)
    if scores.logit.shape != (1, len(predictor.classes)) or not np.isfinite(scores.logit).all():
        raise BadBundle(
            f"gives {scores.logit.tolist()} for its probe {name}, expected a number for each class. {_REMEDY}"
        )
    familiarity = predictor.calibration.familiarity
    try:
        (answer,) = predictor.answers_from([seen], scores)
        probability = predictor.calibration.probability(scores.logit.astype(np.float64))
    except ValueError as cause:
        raise BadBundle(f"its calibration gives no answer for its probe {name} ({cause}). {_REMEDY}") from cause
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
        _ABOUT: (json.dumps({"format_version": FORMAT_VERSION, **about}, indent=1, ensure_ascii=False) + "\n").encode(),
        _CARD: card.encode(),
        **{_PROBES + name: content for name, content in probes},
        _NETWORK: network,
    }
    content = _packed(parts)
    try:
        Bundle._opened(path, content, 1)
    except BadBundle as error:
        raise BadBundle(f"was not written, since it would not open: {error.message}", path) from error
    with written_whole(path) as temporary:
        temporary.write_bytes(content)


def _packed(parts: Mapping[str, bytes]) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_STORED) as archive:
        for name, part in parts.items():
            archive.writestr(zipfile.ZipInfo(name, _EPOCH), part)
        archive.comment = (_COMMENT.format(FORMAT_VERSION) + "0" * 64).encode()
    before = held.getvalue()[:-64]
    return before + hashlib.sha256(before).hexdigest().encode()


def _content(path: Path) -> bytes:
    try:
        if path.is_dir():
            raise BadBundle(
                'is a folder; expected a bundle, the file that "plainfilm export" writes. A run is named by --run'
            )
        if not path.exists():
            raise BadBundle('is missing: name the file that "plainfilm export" wrote')
        if not path.is_file():
            raise BadBundle("is a pipe or a device; expected a bundle")
        if path.stat().st_size > _MOST_BYTES:
            raise BadBundle(f"has {path.stat().st_size:,} bytes, more than any bundle")
        return path.read_bytes()
    except OSError as cause:
        raise BadBundle(f"cannot be read ({cause.strerror or cause})") from cause


def _checked(content: bytes) -> str:
    """The digest that the file ends with. Raises BadBundle where it is not that of this format and these bytes."""
    end = _ENDS.search(content[-_LONGEST_COMMENT:])
    if end is None:
        is_archive = content[:4] == b"PK\x03\x04" and _ABOUT.encode() in content[:64]
        raise BadBundle(
            f"is cut off, or something was added to it: it does not end as a bundle does. {_REMEDY}"
            if is_archive
            else 'is no bundle: expected the file that "plainfilm export" writes'
        )
    if int(end[1]) != FORMAT_VERSION:
        raise BadBundle(
            f"has format version {int(end[1])}; this plainfilm reads {FORMAT_VERSION}. "
            "Export it again with this version, or use the version that made it"
        )
    if hashlib.sha256(memoryview(content)[:-64]).hexdigest().encode() != end[2]:
        raise BadBundle(f"has changed since it was written: its sha256 is another. {_REMEDY}")
    return end[2].decode()


def _parts(content: bytes) -> dict[str, bytes]:
    """The files in the archive. Raises BadBundle where one is missing, compressed or damaged."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for entry in archive.infolist():
                if entry.compress_type != zipfile.ZIP_STORED or entry.file_size > len(content) or entry.flag_bits & 1:
                    raise BadBundle(f"its part {entry.filename!r} is packed as no bundle's is. {_REMEDY}")
            parts = {entry.filename: archive.read(entry) for entry in archive.infolist()}
    except (
        zipfile.BadZipFile,
        NotImplementedError,
        EOFError,
        OSError,
        ValueError,
        RuntimeError,
        OverflowError,
    ) as cause:
        raise BadBundle(f"is no sound archive ({cause}). {_REMEDY}") from cause
    for name in (_ABOUT, _NETWORK, _CARD):
        if name not in parts:
            raise BadBundle(f"lacks its part {name}. {_REMEDY}")
    return parts


def _probe(parts: Mapping[str, bytes], name: str) -> bytes:
    if _PROBES + name not in parts:
        raise BadBundle(f"lacks its part {_PROBES}{name}. {_REMEDY}")
    return parts[_PROBES + name]


def _json(text: bytes) -> dict[str, Any]:
    try:
        about = json.loads(text)
        if b"\\ud" in text.lower():  # halves of a letter, which nobody can write down
            json.dumps(about, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as cause:
        raise BadBundle(f"its {_ABOUT} is no JSON ({cause}). {_REMEDY}") from cause
    if not isinstance(about, dict) or about.get("format_version") != FORMAT_VERSION:
        raise BadBundle(f"its {_ABOUT} is not of format version {FORMAT_VERSION}. {_REMEDY}")
    for name, kind in _TOLD.items():
        if not isinstance(about.get(name, kind()), kind):
            raise BadBundle(f"its {_ABOUT} says {about[name]!r} for {name}, expected a {kind.__name__}. {_REMEDY}")
    return about


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
