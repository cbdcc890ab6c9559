"""What `plainfilm tune` searches: settings with their ranges around fixed ones, checked by TrainConfig; in and out of text.

A range is written as it is typed: `learning-rate=1e-4..1e-2:log`, `dropout=0..0.5`, `size=96,128,160`. Besides the settings of
TrainConfig there is `augment`, a factor on the strengths of augmentation: all of it but flip and share.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from plainfilm.core.config import TYPED, TrainConfig, did_you_mean
from plainfilm.errors import BadConfig

Value = float | int | str | bool
Values = dict[str, Value]

AUGMENT = "augment"
USUAL = ("learning_rate", "weight_decay", AUGMENT, "size", "model")
_SETTINGS = {setting.name: setting for setting in fields(TrainConfig)}
# What is multiplied by AUGMENT: 0 of it is none. The flip, and which share of films is varied until when, are no strengths.
STRENGTHS = tuple(
    f"augment_{name}"
    for name in (
        "rotation", "zoom", "translation", "brightness", "contrast", "gamma", "noise", "resampling", "erasing", "border",
        "swap", "style", "hidden",
    )
)  # fmt: skip
_NOT_SEARCHED = {
    "split": "trials must be judged on the same films",
    "monitor": "trials must be judged by the same score",
    "seed": "a lucky seed is no setting: repeat the best one over seeds by plainfilm train --seeds",
    "minutes": "trials must have the same time: give it by --trial-minutes",
    "device": "it decides nothing that is learnt",
}
_DIGITS = 3  # of a decimal that is tried: more tell nothing, and are long to read
_SIZE_SHARES = (0.5, 0.75, 1.0)
_SIZE_MULTIPLE_PX = 16
_SMALLEST_PX = 32
_NETWORKS = {"imagenet": ("resnet18", "resnet34", "densenet121"), "scratch": ("cnn-swish", "resnet18", "densenet121")}


@dataclass(frozen=True)
class Range:
    """The values that one setting may take: between two ends, or one of several.

    name: of a setting of TrainConfig, or AUGMENT. low, high: the ends, of one kind, None where there are choices.
    is_log: a step is a factor. choices: two or more.
    """

    name: str
    low: float | int | None = None
    high: float | int | None = None
    is_log: bool = False
    choices: tuple[Value, ...] = ()

    @property
    def is_whole(self) -> bool:
        """Whether the values between the ends are whole numbers."""
        return isinstance(self.low, int)

    @property
    def text(self) -> str:
        """As it is typed: `1e-4..1e-2:log`, `96,128,160`."""
        if self.choices:
            return ",".join(_typed(value) for value in self.choices)
        return f"{self.low!r}..{self.high!r}{':log' if self.is_log else ''}"

    def holds(self, value: Value) -> bool:
        """Whether the value is one that may be tried."""
        if self.choices:
            return value in self.choices
        if isinstance(value, str) or self.low is None or self.high is None:
            return False
        return self.low <= value <= self.high

    @property
    def middle(self) -> Value:
        """The middle of the ends, in factors where a step is one; of choices the middle one."""
        if self.low is None or self.high is None:
            return self.choices[len(self.choices) // 2]
        middle = math.sqrt(self.low * self.high) if self.is_log else (self.low + self.high) / 2
        return round(middle) if self.is_whole else self.rounded(middle)

    def rounded(self, value: Value) -> Value:
        """The value as it is tried: decimals have few digits, and stay between the ends."""
        if not isinstance(value, float) or self.low is None or self.high is None:
            return value
        return float(min(max(_short(value), self.low), self.high))

    def samples(self) -> Sequence[Value]:
        """Values that TrainConfig must take if it takes all: the ends, or every choice."""
        return self.choices or tuple(end for end in (self.low, self.high) if end is not None)


@dataclass(frozen=True)
class Search:
    """Settings that are fixed, and the ranges of those that are not. Raises BadConfig for what TrainConfig does not take.

    config: the fixed settings; those that are searched stand in it with the value they are tried at first.
    ranges: one a setting, each once.
    """

    config: TrainConfig
    ranges: tuple[Range, ...]

    def __post_init__(self) -> None:
        """Check every end and choice."""
        names = [one.name for one in self.ranges]
        if not names:
            raise BadConfig("nothing is left to search: every setting is fixed. Name one by --over, or fix fewer")
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise BadConfig(f"--over {_dashed(twice[0])} is given twice: say one of them")
        for one in self.ranges:
            for value in one.samples():
                self.config_of({one.name: value})

    def config_of(self, values: Mapping[str, Value]) -> TrainConfig:
        """All settings of a trial. values: of the searched settings, by name."""
        changes: dict[str, Any] = _strengths(self.config, float(values[AUGMENT])) if AUGMENT in values else {}
        for name, value in values.items():
            if name != AUGMENT:
                is_list = isinstance(_SETTINGS[name].default, tuple)
                changes[name] = tuple(str(value).split("+")) if is_list else value
        return self.config.with_changes(changes, "--over")

    @property
    def own_values(self) -> Values | None:
        """The values that the fixed settings have themselves; None where one of them lies outside its range."""
        own: Values = {one.name: _own(self.config, one.name) for one in self.ranges}
        return own if all(one.holds(own[one.name]) for one in self.ranges) else None

    @property
    def first_values(self) -> Values:
        """The values to begin with: those that the fixed settings have, and where one lies outside its range the middle of that."""
        return {one.name: own if one.holds(own := _own(self.config, one.name)) else one.middle for one in self.ranges}

    @property
    def count(self) -> float:
        """How many different trials there can be; infinity where a range holds decimals."""
        return math.prod(_count(one) for one in self.ranges)

    @property
    def lower_is_better(self) -> bool:
        """Whether the score that trials are judged by is a loss."""
        return self.config.monitor == "loss"

    @property
    def texts(self) -> dict[str, str]:
        """Each range as it is typed, by the setting's name."""
        return {one.name: one.text for one in self.ranges}

    @classmethod
    def of_texts(cls, config: TrainConfig, texts: Mapping[str, str]) -> Search:
        """The inverse of `texts`. Raises BadConfig."""
        return cls(config, tuple(range_of(name, text) for name, text in texts.items()))


def search_of(config: TrainConfig, fixed: Sequence[str], names: Sequence[str], over: Sequence[str]) -> Search:
    """What the options of the command line ask for.

    config: the settings to begin with. fixed: names of those that were typed, and are not searched.
    names: what is searched; the usual five, less what is fixed, where empty. over: NAME=RANGE, searched besides.
    Raises BadConfig for an unknown name, a range that cannot be read, a setting that is both fixed and searched.
    """
    given = dict(_parted(text) for text in over)
    if len(given) < len(over):
        texts = [_parted(text)[0] for text in over]
        raise BadConfig(f"--over {_dashed(next(name for name in texts if texts.count(name) > 1))} is given twice")
    chosen = [_known(name, "--search") for name in names] or [name for name in USUAL if _is_open(name, config, fixed)]
    wanted = list(dict.fromkeys([*chosen, *given]))
    for name in wanted:
        if name in fixed:
            raise BadConfig(f"--{_dashed(name)} is both fixed and searched: leave out one of them")
        if name == AUGMENT and (typed := sorted(set(fixed) & set(STRENGTHS))):
            raise BadConfig(
                f"--{_dashed(typed[0])} is fixed, and augment, which is searched, multiplies it: leave out one"
            )
    return Search(
        config, tuple(range_of(name, given[name]) if name in given else usual_range(name, config) for name in wanted)
    )


def search_again(begun: Search, settings: Mapping[str, Any], names: Sequence[str], over: Sequence[str]) -> Search:
    """What the options of the command line ask for where a search goes on: all that is not typed is as it was begun.

    settings: that were typed, and are not searched. names, over: as in `search_of`; names say all that is searched.
    Raises BadConfig as `search_of` does.
    """
    config = begun.config.with_changes(settings, TYPED)
    given = [_parted(text)[0] for text in over]
    kept = {name: text for name, text in begun.texts.items() if not names and name not in (*settings, *given)}
    return search_of(
        config, list(settings), names or [*kept, *given], [*over, *(f"{name}={kept[name]}" for name in kept)]
    )


def range_of(name: str, text: str) -> Range:
    """A range out of its text. name: of a setting. Raises BadConfig."""
    name = _known(name, "--over")
    body, colon, scale = text.strip().rpartition(":") if text.strip().endswith((":log", ":linear")) else (text, "", "")
    low, dots, high = body.partition("..")
    is_list = "," in body and isinstance(getattr(_SETTINGS.get(name), "default", None), str)
    if dots and not is_list:  # ../a.pth,../b.pth are two values
        return _between(name, low, high, is_log=scale == "log")
    if colon:
        raise BadConfig(f"--over {_dashed(name)}={text}: log goes with two ends, such as 1e-5..1e-2:log")
    items = [item.strip() for item in text.split(",")]
    if len(items) < 2 or "" in items or len(set(items)) < len(items):
        raise BadConfig(
            f"--over {_dashed(name)}={text}: expected two ends, such as 0..0.5 or 1e-5..1e-2:log, or two different values or more"
            f", such as 96,128,160; one value is given by --{_dashed(name)}"
        )
    return Range(name, choices=tuple(_read(name, item) for item in items))


def usual_range(name: str, config: TrainConfig) -> Range:
    """The range of a setting for which none was given, around the value that it has. Raises BadConfig where there is none."""
    if name == "learning_rate":
        return _tenfold(name, config.learning_rate, 100.0)
    if name == "weight_decay":
        return _tenfold(name, config.weight_decay or 0.01, 10.0)
    if name == AUGMENT:
        return Range(name, 0.0, 2.0)
    if name == "size":
        return Range(name, choices=_sizes(config.size))
    if name == "model" and config.weights in _NETWORKS:
        return Range(name, choices=tuple(dict.fromkeys([config.model, *_NETWORKS[config.weights]])))
    setting = _SETTINGS[name]
    if setting.metadata["choices"]:
        return Range(name, choices=setting.metadata["choices"])
    if isinstance(setting.default, bool):
        return Range(name, choices=(False, True))
    raise BadConfig(f"{_dashed(name)} has no usual range: give it by --over {_dashed(name)}=LOW..HIGH or =A,B,C")


def _is_open(name: str, config: TrainConfig, fixed: Sequence[str]) -> bool:
    """Whether a usual setting is searched where nobody says: typed ones are not, nor the network of given weights."""
    if name == "model" and config.weights not in _NETWORKS:
        return False
    if name == "size" and len(_sizes(config.size)) < 2:
        return False
    if name == AUGMENT and (set(fixed) & set(STRENGTHS) or not any(getattr(config, one) for one in STRENGTHS)):
        return False
    return name not in fixed


def _tenfold(name: str, middle: float, highest: float) -> Range:
    return Range(name, _short(middle / 10), min(_short(middle * 10), highest), is_log=True)


def _sizes(size: int) -> tuple[int, ...]:
    grid = (round(size * share / _SIZE_MULTIPLE_PX) * _SIZE_MULTIPLE_PX for share in _SIZE_SHARES[:-1])
    return tuple(sorted({*(px for px in grid if _SMALLEST_PX <= px < size), size}))


def _strengths(config: TrainConfig, factor: float) -> dict[str, float]:
    """Every strength of augmentation, times a factor, as far as TrainConfig goes."""
    if not 0 <= factor < math.inf:
        raise BadConfig(f"--over augment: a factor of {factor:g}, expected 0 or more; 1 is the strength that is given")
    return {name: _short(min(getattr(config, name) * factor, _SETTINGS[name].metadata["high"])) for name in STRENGTHS}


def _parted(text: str) -> tuple[str, str]:
    name, sign, values = text.partition("=")
    if not (sign and name.strip() and values.strip()):
        raise BadConfig(f'--over "{text}": expected NAME=RANGE, such as learning-rate=1e-4..1e-2:log')
    return _known(name, "--over"), values.strip()


def _known(name: str, option: str) -> str:
    """The setting's own name. Raises BadConfig for one that is unknown or cannot be searched."""
    own = name.strip().replace("-", "_")
    known = [AUGMENT, *_SETTINGS]
    if own not in known:
        every = ", ".join(_dashed(one) for one in known if one not in _NOT_SEARCHED)
        meant = did_you_mean(own, known) or f"; these can be searched: {every}"
        raise BadConfig(f'{option}: no setting is called "{name.strip()}"{meant}')
    if own in _NOT_SEARCHED:
        raise BadConfig(f"{option}: {_dashed(own)} cannot be searched: {_NOT_SEARCHED[own]}")
    return own


def _between(name: str, low: str, high: str, *, is_log: bool) -> Range:
    ends = [_read(name, end.strip()) for end in (low, high)]
    where = f"--over {_dashed(name)}={low}..{high}"
    first, last = (end if isinstance(end, int | float) and not isinstance(end, bool) else None for end in ends)
    if first is None or last is None:
        raise BadConfig(f"{where}: only numbers have ends; list the values, such as A,B,C")
    for end in (first, last):
        if math.isnan(end):
            raise BadConfig(f"{where}: nan is no number, and cannot be an end")
        if math.isinf(end):
            raise BadConfig(
                f"{where}: {end} cannot be an end, since a range has two finite ones; list the values, such as 1,2,inf"
            )
    if first == last:
        raise BadConfig(f"{where}: both ends are {last}, which is one value: give it by --{_dashed(name)}")
    if first > last:
        raise BadConfig(
            f"{where}: the ends stand the wrong way round; write {high.strip()}..{low.strip()}, the lower one first"
        )
    if is_log and first <= 0:
        raise BadConfig(f"{where}: a range in log begins above 0")
    return Range(name, first, last, is_log)


def _read(name: str, text: str) -> Value:
    """One value of a setting out of its text; TrainConfig checks it later. Several names at once are joined by +."""
    default = 1.0 if name == AUGMENT else _SETTINGS[name].default
    try:
        if isinstance(default, bool):
            return {"true": True, "false": False}[text.lower()]
        if isinstance(default, int):
            return int(text)
        return float(text) if isinstance(default, float) else text
    except (KeyError, ValueError):
        kinds = {bool: "true or false", int: "a whole number"}
        kind = kinds.get(type(default), "a number")
        raise BadConfig(f'--over {_dashed(name)}: "{text}" is not {kind}') from None


def _short(value: float) -> float:
    return float(f"{value:.{_DIGITS}g}")


def _typed(value: Value) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _own(config: TrainConfig, name: str) -> Value:
    if name == AUGMENT:
        return 1.0
    value = getattr(config, name)
    return "+".join(value) if isinstance(value, tuple) else value


def _count(one: Range) -> float:
    if one.choices:
        return len(one.choices)
    return one.high - one.low + 1 if isinstance(one.low, int) and one.high is not None else math.inf


def _dashed(name: str) -> str:
    return name.replace("_", "-")
