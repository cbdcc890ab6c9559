"""What turns a network's logits into an answer: everything that is fitted after training, on training and validation films.

    logit  ->  probability            temperature or vector scaling
    probability  ->  prediction set   class-conditional conformal prediction at a wanted error
    probability  ->  yes or no        a threshold a class for a wanted sensitivity or specificity
    embedding, thumbnail  ->  reason to turn the film away

`calibration.json` in a run holds it; `judge.calibrate` fits it; evaluation, prediction, the bundle and the server apply it here.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, Self, get_args

import numpy as np
import numpy.typing as npt
from numpy.typing import NDArray

from plainfilm.core.chest import REASONS
from plainfilm.core.files import check_format, read_json, write_json
from plainfilm.core.metrics import softmax
from plainfilm.core.ranking import Floats
from plainfilm.errors import BadConfig, BadRun

FORMAT_VERSION = 1
Kind = Literal["none", "temperature", "vector"]
Aim = Literal["sensitivity", "specificity"]
UNFAMILIAR = "unlike the films it was trained on"


@dataclass(frozen=True)
class Wishes:
    """What the user wants of the answers.

    sensitivity, specificity: class -> what its threshold is to reach, 0..1; the key "" stands for every class not named.
    error: the share of films whose prediction set may miss their class, 0..1.
    prevalence: class -> how common it is where the network is to be used, 0..1, for predictive values there.
    """

    sensitivity: Mapping[str, float] = field(default_factory=lambda: {"": 0.95})
    specificity: Mapping[str, float] = field(default_factory=lambda: {"": 0.95})
    error: float = 0.05
    prevalence: Mapping[str, float] = field(default_factory=dict)

    def check(self, classes: Sequence[str]) -> None:
        """Raise BadConfig where a class is none of the run's, a share is out of its range, or shares cannot be meant together."""
        for name in ("sensitivity", "specificity", "prevalence"):
            for label, share in getattr(self, name).items():
                typed = f"--{name} {label + '=' if label else ''}{share:g}"
                if label not in classes and (label or name == "prevalence"):
                    example = f", such as {classes[0]}=0.02" if not label else ""
                    raise BadConfig(f"{typed}: expected a class of the run ({', '.join(classes)}){example}")
                if not 0 < share <= 1 or (share == 1 and name == "prevalence"):
                    raise BadConfig(
                        f"{typed}: expected a share above 0 and {'below' if name == 'prevalence' else 'up to'} 1"
                    )
        if sum(self.prevalence.values()) > 1:
            raise BadConfig("--prevalence: the shares add up to more than 1, and a film has one class")
        if not 0 < self.error < 1:
            raise BadConfig(f"--error {self.error:g}: expected between 0 and 1, such as 0.05")


@dataclass(frozen=True)
class Scaling:
    """Probabilities from logits: softmax(weight * logit + bias).

    kind: "none"; "temperature", one weight 1/T for all classes; "vector", a weight and a bias a class.
    weight, bias: (C,). Source: Guo et al. 2017, arXiv:1706.04599.
    """

    kind: Kind
    weight: tuple[float, ...]
    bias: tuple[float, ...]

    @classmethod
    def none(cls, classes: int) -> Self:
        """Logits as they are."""
        return cls("none", (1.0,) * classes, (0.0,) * classes)

    @property
    def temperature(self) -> float:
        """T; 1 where there is no scaling, NaN for vector scaling."""
        return math.nan if self.kind == "vector" else 1 / self.weight[0]

    def probability(self, logit: npt.ArrayLike) -> Floats:
        """(N, C) finite logits -> (N, C) probabilities. Raises ValueError as `metrics.softmax` does."""
        logit = np.asarray(logit, dtype=np.float64)
        if self.kind == "none":
            return softmax(logit)
        return softmax(logit * np.array(self.weight) + np.array(self.bias))


@dataclass(frozen=True)
class Conformal:
    """Class-conditional conformal prediction sets.

    A set holds each class that the film would not be odd for: one whose films in validation were, in more than the wanted error of
    cases, given at most the probability that this film is given. Of the films of each class, the set then misses the class in no
    more than that share, as long as films are drawn alike; nothing else is assumed.

    probability: for each class, what its validation films were given for it, from low to high.
    Source: Vovk 2012, arXiv:1209.2673 (conditional); Sadinle, Lei & Wasserman 2019, doi:10.1080/01621459.2017.1395341.
    """

    probability: tuple[tuple[float, ...], ...]

    def p_value(self, probability: Floats) -> Floats:
        """(N, C) probabilities -> (N, C) p-values in 0..1: how usual the film would be among the films of each class."""
        columns = []
        for given, known in zip(probability.T, self.probability, strict=True):
            at_most = np.searchsorted(np.array(known, dtype=np.float64), given, side="right")
            columns.append((1 + at_most) / (1 + len(known)))
        return np.stack(columns, axis=1)

    def prediction_set(self, probability: Floats, error: float) -> NDArray[np.bool_]:
        """(N, C) whether each class belongs to the film's set. error: the share of films that may miss their class, 0..1."""
        return np.asarray(self.p_value(probability) > error, np.bool_)

    def least_error(self) -> tuple[float, ...]:
        """(C,) the wanted error below which a class is in every set, since it has too few validation films."""
        return tuple(1 / (1 + len(known)) for known in self.probability)


@dataclass(frozen=True)
class OperatingPoint:
    """A film is called positive for a class where the class's probability is at least the threshold.

    aim, wanted: which of sensitivity and specificity the threshold is to reach, and how much of it, 0..1.
    threshold: 0..1, the one that reaches it on validation with the most of the other.
    reached: what it reaches on validation. films: how many validation films that rests on: the positives, or the negatives.
    """

    label: str
    aim: Aim
    wanted: float
    threshold: float
    reached: float
    films: int


@dataclass(frozen=True)
class Familiarity:
    """How far a film lies from the training films in the network's embedding, and how far is too far.

    The embedding is the input of the network's last layer, each number drawn to its root, sign kept, so that strong ones vary
    about as much as weak ones. Around the mean of each class lies one common normal cloud, whose small directions share one
    variance (probabilistic principal components). The distance is that of Mahalanobis to the nearest class, over the root of D.

    mean: (C, D); direction: (K, D), orthonormal; variance: (K,); rest: variance of every other direction.
    limit: the distance beyond which a film is turned away.
    Source: Lee et al. 2018, arXiv:1807.03888; Tipping & Bishop 1999, doi:10.1111/1467-9868.00196.
    """

    mean: NDArray[np.float32]
    direction: NDArray[np.float32]
    variance: NDArray[np.float32]
    rest: float
    limit: float

    def distance(self, embedding: npt.ArrayLike) -> Floats:
        """(N, D) embeddings -> (N,) distances, 0 or more; NaN for an embedding that holds NaN."""
        embedding = rooted(embedding)
        mean, direction = self.mean.astype(np.float64), self.direction.astype(np.float64)
        nearest = np.full(len(embedding), np.inf)
        for centre in mean:
            apart = embedding - centre
            along = apart @ direction.T
            outside = np.maximum((apart**2).sum(axis=1) - (along**2).sum(axis=1), 0)
            nearest = np.minimum(nearest, (along**2 / self.variance).sum(axis=1) + outside / self.rest)
        return np.asarray(np.sqrt(nearest / embedding.shape[1]), np.float64)

    def to_dict(self) -> dict[str, Any]:
        """Arrays as little-endian float32 in base64, with their shapes."""
        arrays = {"mean": self.mean, "direction": self.direction, "variance": self.variance}
        return {**{name: _packed(array) for name, array in arrays.items()}, "rest": self.rest, "limit": self.limit}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """The inverse of to_dict()."""
        mean, direction, variance = (_unpacked(values[name]) for name in ("mean", "direction", "variance"))
        return cls(mean, direction, variance, float(values["rest"]), float(values["limit"]))


@dataclass(frozen=True)
class Calibration:
    """All that is fitted after training.

    classes: in the order of the logits.
    scaling, conformal: see there; conformal is None where validation holds no film.
    error: the wanted error of prediction sets, 0..1.
    operating_points: thresholds, by class and aim.
    familiarity: None where no embedding is known, as for a table of scores.
    gate: the reasons for which the gate (core/chest.py) may turn a film away, without those that fit too many validation films.
    films, groups: of validation, that the fit rests on.
    notes: what a reader should know of the fit.
    """

    classes: tuple[str, ...]
    scaling: Scaling
    conformal: Conformal | None = None
    error: float = 0.05
    operating_points: tuple[OperatingPoint, ...] = ()
    familiarity: Familiarity | None = None
    gate: tuple[str, ...] = ()
    films: int = 0
    groups: int = 0
    notes: tuple[str, ...] = field(default=())

    @classmethod
    def none(cls, classes: Sequence[str]) -> Self:
        """Nothing fitted: probabilities are the softmax of the logits; the gate, which needs no fit, may use all its reasons."""
        return cls(tuple(classes), Scaling.none(len(classes)), gate=REASONS)

    def probability(self, logit: npt.ArrayLike) -> Floats:
        """(N, C) finite logits -> (N, C) calibrated probabilities."""
        return self.scaling.probability(logit)

    def prediction_set(self, logit: npt.ArrayLike) -> NDArray[np.bool_]:
        """(N, C) whether each class belongs to the film's prediction set; all of them where none could be fitted."""
        probability = self.probability(logit)
        if self.conformal is None:
            return np.ones(probability.shape, np.bool_)
        return self.conformal.prediction_set(probability, self.error)

    def reasons_to_turn_away(self, gate: Sequence[str], embedding: npt.ArrayLike) -> list[str]:
        """(N,) why each film gets no answer; "" where it gets one.

        gate: (N,) what the gate says of each film, "" for nothing. embedding: (N, D), NaN for a film that could not be read.
        """
        is_far = np.zeros(len(gate), np.bool_)
        if self.familiarity is not None:
            is_far = self.familiarity.distance(embedding) > self.familiarity.limit  # false for NaN
        return [
            said if said in self.gate else UNFAMILIAR if far else "" for said, far in zip(gate, is_far, strict=True)
        ]

    def write(self, path: str | Path) -> None:
        """Write as JSON, whole or not at all."""
        write_json(Path(path), self.to_dict())

    @classmethod
    def open(cls, path: str | Path) -> Self:
        """Read what write() wrote. Raises BadRun where it is missing, damaged or of another format."""
        values = read_json(Path(path), BadRun)
        check_format(values, FORMAT_VERSION, Path(path), BadRun)
        try:
            return cls.from_dict(values)
        except (KeyError, TypeError, ValueError, AttributeError) as cause:
            raise BadRun(f'is damaged ({cause}): make it again with "plainfilm evaluate"', path) from cause

    def to_dict(self) -> dict[str, Any]:
        """The values, for JSON."""
        return {
            "format_version": FORMAT_VERSION,
            "classes": list(self.classes),
            "scaling": asdict(self.scaling),
            "conformal": None if self.conformal is None else asdict(self.conformal),
            "error": self.error,
            "operating_points": [asdict(point) for point in self.operating_points],
            "familiarity": None if self.familiarity is None else self.familiarity.to_dict(),
            "gate": list(self.gate),
            "films": self.films,
            "groups": self.groups,
            "notes": list(self.notes),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """The inverse of to_dict(). Raises KeyError, TypeError or ValueError where something is missing or of the wrong kind."""
        missing = [name for name in cls.__dataclass_fields__ if name not in values]
        if missing:
            raise ValueError(f"it lacks {', '.join(missing)}")
        classes = tuple(str(name) for name in values["classes"])
        scaling = values["scaling"]
        weight, bias = (tuple(float(number) for number in scaling[name]) for name in ("weight", "bias"))
        if scaling["kind"] not in get_args(Kind) or not len(weight) == len(bias) == len(classes):
            raise ValueError(f"scaling is {scaling['kind']!r} of {len(weight)} classes, expected {len(classes)}")
        conformal, familiarity = values["conformal"], values["familiarity"]
        known = conformal and tuple(tuple(sorted(map(float, column))) for column in conformal["probability"])
        if known and len(known) != len(classes):
            raise ValueError(f"conformal is of {len(known)} classes, expected {len(classes)}")
        found = cls(
            classes,
            Scaling(scaling["kind"], weight, bias),
            Conformal(known) if known else None,
            float(values["error"]),
            tuple(OperatingPoint(**point) for point in values["operating_points"]),
            Familiarity.from_dict(familiarity) if familiarity else None,
            tuple(values["gate"]),
            int(values["films"]),
            int(values["groups"]),
            tuple(values["notes"]),
        )
        found._check()
        return found

    def _check(self) -> None:
        """Raise ValueError for a value that no fit gives."""
        scaling, familiarity = self.scaling, self.familiarity
        if not all(math.isfinite(number) for number in (*scaling.weight, *scaling.bias)) or min(scaling.weight) <= 0:
            raise ValueError(f"the weights of the scaling are {scaling.weight}, expected finite numbers above 0")
        if not 0 < self.error < 1:
            raise ValueError(f"error is {self.error}, expected between 0 and 1")
        if self.conformal and not all(0 <= one <= 1 for column in self.conformal.probability for one in column):
            raise ValueError("conformal holds a number that is no probability")
        for point in self.operating_points:
            if point.label not in self.classes or point.aim not in get_args(Aim) or not math.isfinite(point.threshold):
                raise ValueError(f"it has an operating point of {point.label!r} for {point.aim!r} at {point.threshold}")
        strange = [reason for reason in self.gate if reason not in REASONS]
        if strange:
            raise ValueError(f"the gate knows no reason {strange[0]!r}")
        if familiarity is not None:
            arrays = (familiarity.mean, familiarity.direction, familiarity.variance)
            numbers = (familiarity.rest, familiarity.limit, float(familiarity.variance.min(initial=1)))
            widths = {familiarity.mean.shape[-1], familiarity.direction.shape[-1]}
            if not all(np.isfinite(array).all() for array in arrays) or not all(0 < one < math.inf for one in numbers):
                raise ValueError("familiarity holds a number that is not finite or not above 0")
            if len(widths) > 1 or familiarity.variance.shape != familiarity.direction.shape[:1]:
                raise ValueError("the arrays of familiarity do not fit each other")


def rooted(embedding: npt.ArrayLike) -> Floats:
    """The root of each number, with its sign."""
    embedding = np.asarray(embedding, dtype=np.float64)
    return np.asarray(np.sign(embedding) * np.sqrt(np.abs(embedding)), np.float64)


def _packed(array: NDArray[np.float32]) -> dict[str, Any]:
    return {"shape": list(array.shape), "float32": base64.b64encode(array.astype("<f4").tobytes()).decode()}


def _unpacked(values: Mapping[str, Any]) -> NDArray[np.float32]:
    return np.frombuffer(base64.b64decode(values["float32"]), "<f4").reshape(values["shape"]).astype(np.float32)
