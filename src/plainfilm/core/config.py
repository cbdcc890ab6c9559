"""The settings of a training: one frozen value, checked, in and out of TOML; an unknown key is an error.

Each setting stands here once, with its section, meaning and range; the command line's options are made from this list.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping, Sequence
from dataclasses import Field, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import tomli_w

from plainfilm.core.files import read_toml
from plainfilm.core.preprocess import IMAGENET_MEAN, IMAGENET_STD, Preprocess
from plainfilm.errors import BadConfig

FINISH = "finish"  # section of a recipe: what its second training changes, which starts from the weights of the first
TYPED = "options"  # where settings come from that were typed as options of a command
OPTIMIZERS = ("adam", "adamw", "sgd")
SCHEDULES = ("constant", "plateau", "cosine", "one-cycle")
IMBALANCES = ("none", "sampling", "loss", "augmentation")
GROWTHS = ("crop", "resize", "none")
PRECISIONS = ("auto", "float32", "bfloat16", "float16")
MONITORS = ("macro_auroc", "accuracy", "balanced_accuracy", "macro_f1", "loss")


def _setting(
    default: Any,
    section: str,
    help: str,
    *,
    low: float = -math.inf,
    high: float = math.inf,
    choices: tuple[str, ...] = (),
) -> Any:
    return field(
        default=default, metadata={"section": section, "help": help, "low": low, "high": high, "choices": choices}
    )


@dataclass(frozen=True)
class TrainConfig:
    """Everything that decides how a network is trained. Raises BadConfig for a value of the wrong kind or out of range."""

    model: str = _setting(
        "resnet18", "network", "network: resnet18, vgg19, densenet121 ..., any timm name, cnn-plain, cnn-swish"
    )
    weights: str = _setting(
        "imagenet", "network", "first weights: imagenet, scratch, a weights file, or a run's folder"
    )
    frozen_epochs: float = _setting(
        0.0, "network", "epochs during which only the last layer learns; inf for all", low=0
    )
    whitening: bool = _setting(
        True, "network", "from scratch, the first convolution is set to the films' principal patterns and kept"
    )
    dropout: float = _setting(0.0, "network", "dropout before the last layer, share", low=0, high=0.95)

    split: str = _setting("split", "films", "the manifest's split column to train on")
    size: int = _setting(224, "films", "side of the network's input, pixels", low=16, high=4096)
    fit: str = _setting("squash", "films", "how a film becomes square", choices=("squash", "pad", "crop"))
    contrast: str = _setting(
        "none", "films", "contrast of every film", choices=("none", "stretch", "equalize", "clahe", "gamma")
    )
    gamma: float = _setting(1.0, "films", "exponent of contrast gamma", low=0.05, high=20)
    region: str = _setting(
        "film",
        "films",
        "what the network sees; lungs: all else is black; background: they are black",
        choices=("film", "lungs", "background"),
    )

    augment_flip: float = _setting(0.5, "augment", "share of films mirrored left to right", low=0, high=1)
    augment_share: float = _setting(
        0.7, "augment", "share of films that are moved, and whose grey levels are varied", low=0, high=1
    )
    augment_rotation: float = _setting(7.0, "augment", "rotation, degrees to either side", low=0, high=180)
    augment_zoom: float = _setting(0.08, "augment", "zoom, share to either side", low=0, high=0.9)
    augment_translation: float = _setting(0.05, "augment", "shift, share of the side, each way", low=0, high=0.9)
    augment_brightness: float = _setting(
        0.05, "augment", "brightness, share of the scale to either side", low=0, high=1
    )
    augment_contrast: float = _setting(0.1, "augment", "contrast, share to either side", low=0, high=0.99)
    augment_gamma: float = _setting(0.1, "augment", "gamma, log to either side", low=0, high=3)
    augment_noise: float = _setting(
        0.0, "augment", "noise, largest standard deviation, share of the scale", low=0, high=1
    )
    augment_resampling: float = _setting(
        0.0, "augment", "films resampled coarser and back, by up to this share of their pixels a side", low=0, high=0.9
    )
    augment_erasing: float = _setting(0.0, "augment", "share of films from which a rectangle is erased", low=0, high=1)
    augment_border: float = _setting(
        0.0, "augment", "share of films whose border, to a sixth of the side, is erased", low=0, high=1
    )
    augment_swap: float = _setting(
        0.0, "augment", "share of films that get the border, to a fifth of the side, of another film", low=0, high=1
    )
    augment_style: float = _setting(
        0.0, "augment", "share of films that take the grey levels and the sharpness of another film", low=0, high=1
    )
    augment_hidden: float = _setting(
        0.0, "augment", "share of films whose middle is hidden, and which are then of no class", low=0, high=1
    )

    epochs: int = _setting(15, "training", "passes over the training films", low=1, high=100_000)
    minutes: float = _setting(0.0, "training", "time for everything; the epochs follow from it (0: use epochs)", low=0)
    batch_size: int = _setting(64, "training", "films a step", low=1, high=65_536)
    optimizer: str = _setting("adamw", "training", "optimizer", choices=OPTIMIZERS)
    learning_rate: float = _setting(1e-3, "training", "largest learning rate", low=1e-12, high=100)
    weight_decay: float = _setting(0.05, "training", "weight decay, decoupled for adamw", low=0, high=10)
    schedule: str = _setting("cosine", "training", "course of the learning rate", choices=SCHEDULES)
    plateau_patience: int = _setting(5, "training", "epochs without gain before plateau lowers the rate", low=1)
    plateau_factor: float = _setting(0.1, "training", "what plateau multiplies the rate by", low=1e-6, high=0.99)
    clip_norm: float = _setting(1.0, "training", "largest norm of the gradient (0: no clipping)", low=0)
    label_smoothing: float = _setting(0.0, "training", "label smoothing", low=0, high=0.9)
    mixup: float = _setting(0.0, "training", "alpha of mixup (0: none)", low=0, high=100)
    imbalance: tuple[str, ...] = _setting(
        ("none",), "training", "against unequal classes, several joined by commas", choices=IMBALANCES
    )
    averaging: float = _setting(
        0.99, "training", "decay of the running mean of the weights, a step (0: none)", low=0, high=0.99999
    )
    progressive: str = _setting(
        "crop",
        "training",
        "begin small and grow to the full size: random crops, resized films, or not",
        choices=GROWTHS,
    )
    monitor: str = _setting("macro_auroc", "training", "validation score that picks the best weights", choices=MONITORS)
    patience: int = _setting(0, "training", "epochs without gain before training stops (0: never)", low=0)
    stop_at: float = _setting(math.inf, "training", "validation score at which training stops (inf: never)")
    seed: int = _setting(0, "training", "seed of weights, order and augmentation", low=0, high=2**31 - 1)
    precision: str = _setting(
        "auto", "training", "arithmetic; auto takes what the device does fast", choices=PRECISIONS
    )
    device: str = _setting("auto", "training", "auto, cpu, cuda or mps", choices=("auto", "cpu", "cuda", "mps"))

    def __post_init__(self) -> None:
        """Check every value against its kind and range; whole numbers serve as decimals."""
        for setting in fields(self):
            object.__setattr__(self, setting.name, _coerced(setting, getattr(self, setting.name)))
            _check(setting, getattr(self, setting.name))
        if "none" in self.imbalance and len(self.imbalance) > 1:
            raise BadConfig(f"imbalance is {','.join(self.imbalance)}: none stands alone")

    @property
    def is_always_frozen(self) -> bool:
        """Whether the last layer alone learns, from the first step to the end."""
        return math.isinf(self.frozen_epochs)

    @property
    def preprocess(self) -> Preprocess:
        """The recipe from pixels to input that these settings ask for."""
        recipe = {name: getattr(self, name) for name in ("size", "fit", "contrast", "gamma", "region")}
        return Preprocess(**recipe, mean=IMAGENET_MEAN, std=IMAGENET_STD)

    def with_changes(self, changes: Mapping[str, Any], where: str = "settings") -> TrainConfig:
        """The same settings but for `changes` (name -> value). Raises BadConfig for an unknown name or a wrong value."""
        known = [setting.name for setting in fields(self)]
        unknown = [name for name in changes if name not in known]
        if unknown:
            raise BadConfig(f'{where}: no setting is called "{unknown[0]}"{did_you_mean(unknown[0], known)}')
        try:
            return replace(self, **changes)
        except BadConfig as error:
            name, _, rest = str(error).partition(" ")
            is_typed = where == TYPED and name in known
            raise BadConfig(f"--{name.replace('_', '-')} {rest}" if is_typed else f"{where}: {error}") from error

    def to_toml(self) -> str:
        """The settings as TOML, by section."""
        sections: dict[str, dict[str, Any]] = {}
        for setting in fields(self):
            section = setting.metadata["section"]
            value = getattr(self, setting.name)
            sections.setdefault(section, {})[_key(setting)] = list(value) if isinstance(value, tuple) else value
        return tomli_w.dumps(sections)

    @classmethod
    def from_toml(cls, path: str | Path) -> TrainConfig:
        """Read settings from TOML; those not named keep their default. Raises BadConfig, naming the file and the key."""
        return cls().with_changes(changes_from_toml(path), str(path))


def changes_from_toml(path: str | Path) -> dict[str, Any]:
    """The settings that a TOML file names: field name -> value. Raises BadConfig for a section or key that is none."""
    changes, finish = stages_from_toml(path)
    if finish:
        raise BadConfig(f"{path}: has a [{FINISH}], a second training, which plainfilm train alone carries out")
    return changes


def stages_from_toml(path: str | Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """The settings that a TOML file names, and what its [finish] changes in them; {} where it has none.

    Raises BadConfig for a section or key that is none.
    """
    path = Path(path)
    sections = read_toml(path)
    finish = sections.pop(FINISH, {})
    if not isinstance(finish, dict):
        raise BadConfig(f"{path}: {FINISH} is a value, expected sections such as [{FINISH}.training]")
    changed = changes_of(finish, f"{path}, [{FINISH}]")
    if "weights" in changed:
        raise BadConfig(f"{path}: [{FINISH}] names weights, but starts from those of the first training")
    return changes_of(sections, str(path)), changed


def changes_of(sections: Mapping[str, Any], where: str) -> dict[str, Any]:
    """The settings that sections of a TOML file name: field name -> value. where: the file, for messages.

    Raises BadConfig for a section or key that is none.
    """
    known = {(setting.metadata["section"], _key(setting)): setting.name for setting in fields(TrainConfig)}
    changes = {}
    for section, values in sections.items():
        if section not in {name for name, _ in known}:
            names = sorted({name for name, _ in known})
            home = next((place for place, key in known if key == section), None)
            if home and not isinstance(values, dict):
                raise BadConfig(f"{where}: {section} stands outside any section: it belongs under [{home}]")
            raise BadConfig(
                f"{where}: no section is called [{section}]{did_you_mean(section, names)}; those are {', '.join(names)}"
            )
        if not isinstance(values, dict):
            raise BadConfig(f"{where}: {section} is a value, expected a section [{section}]")
        for key, value in values.items():
            if (section, key) not in known:
                keys = [name for place, name in known if place == section]
                raise BadConfig(
                    f'{where}: [{section}] has no key "{key}"{did_you_mean(key, keys)}; keys: {", ".join(keys)}'
                )
            changes[known[section, key]] = value
    return changes


def _key(setting: Field[Any]) -> str:
    return setting.name.removeprefix(f"{setting.metadata['section']}_")


def did_you_mean(name: str, known: Sequence[str]) -> str:
    """`; did you mean "sampling"?`, or nothing where no known name is near."""
    close = difflib.get_close_matches(name, known, n=1)
    return f'; did you mean "{close[0]}"?' if close else ""


def _coerced(setting: Field[Any], value: Any) -> Any:
    """Whole numbers for decimal settings, lists and comma-joined text for several choices; nothing else is turned over."""
    if isinstance(setting.default, float) and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(setting.default, tuple):
        return tuple(value.split(",")) if isinstance(value, str) else tuple(value) if isinstance(value, list) else value
    return value


def _check(setting: Field[Any], value: Any) -> None:
    kind = type(setting.default)
    if type(value) is not kind:
        raise BadConfig(f"{setting.name} is {value!r}, expected {_KIND_NAMES[kind]}")
    choices = setting.metadata["choices"]
    for item in value if isinstance(value, tuple) else (value,):
        if choices and item not in choices:
            raise BadConfig(f"{setting.name} is {item!r}, expected one of {', '.join(choices)}")
    low, high = setting.metadata["low"], setting.metadata["high"]
    if isinstance(value, int | float) and not low <= value <= high:
        bounds = (
            "a number" if -low == high == math.inf else f"{low} or more" if high == math.inf else f"{low} to {high}"
        )
        raise BadConfig(f"{setting.name} is {value}, expected {bounds}")


_KIND_NAMES = {
    int: "a whole number", float: "a number", str: "text", bool: "true or false", tuple: "a list of names",
}  # fmt: skip
