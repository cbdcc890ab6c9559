"""What augmentation does to a film: every setting by itself, as training applies it."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import torch
from numpy.typing import NDArray

from plainfilm.core.config import TrainConfig
from plainfilm.learn.augment import augment, cropped, mixed_up, with_hidden_middles

_IN_A_STRIP = 6
_DRAWS = 48  # of a setting, of which a strip shows some
_DEFAULT = TrainConfig()
_OF_SEVERAL = ("augment_share", "augment_swap", "augment_style", "augment_hidden")  # shown on several films
_BOUNDS = tuple(
    field for field in fields(TrainConfig) if field.metadata["section"] == "augment" and field.name not in _OF_SEVERAL
)
_NOTHING = _DEFAULT.with_changes(
    {**{field.name: 0.0 for field in _BOUNDS}, **dict.fromkeys(_OF_SEVERAL, 0.0), "augment_share": 1.0}
)
# Shown where the default is not to use it.
_INSTEAD_OF_OFF = {
    "augment_noise": 0.08, "augment_resampling": 0.7, "augment_erasing": 1.0, "augment_border": 1.0,
}  # fmt: skip
_MIXUP_ALPHA = 0.4

Shown = tuple[str, str, NDArray[np.uint8]]


def show_augmentations(films: NDArray[np.uint8], seed: int) -> list[Shown]:
    """The name of each setting, its value and meaning, and (K, H, W) uint8 films.

    films: (N, H, W) uint8. Bounds are shown on the first of them: as it is, then from a weak to a strong draw.
    """
    first = _as_batch(np.repeat(films[:1], _DRAWS, axis=0))
    every = _as_batch(films[[place % len(films) for place in range(_IN_A_STRIP)]])
    shown = []
    for field in _BOUNDS:
        value = getattr(_DEFAULT, field.name) or _INSTEAD_OF_OFF[field.name]
        off = "" if getattr(_DEFAULT, field.name) else ", off by default"
        varied = _from_weak_to_strong(films[0], _varied(first, _NOTHING.with_changes({field.name: value}), seed))
        shown.append(
            (
                _option(field.name),
                f"{value:g}{off}: {field.metadata['help']}",
                [films[:1], varied],
            )
        )
    share = f"{_DEFAULT.augment_share:g}: all at their defaults, on that share of the films; the others are at most mirrored"
    shown.append((_option("augment_share"), share, [_varied(every, _DEFAULT, seed)]))
    generator = torch.Generator().manual_seed(seed)
    for name in ("augment_swap", "augment_style"):
        varied = _varied(every, _NOTHING.with_changes({name: 1.0}), seed)
        shown.append((_option(name), f"off by default: {_help(name)}", [varied]))
    hidden, _ = with_hidden_middles(every, torch.zeros(len(every), 1), 1.0, generator)
    shown.append((_option("augment_hidden"), f"off by default: {_help('augment_hidden')}", [_as_films(hidden)]))
    mixed, _ = mixed_up(every, torch.zeros(len(every), 1), _MIXUP_ALPHA, generator)
    shown.append(
        (
            _option("mixup"),
            f"{_MIXUP_ALPHA:g}, off by default: each film blended with another, and so is its target",
            [_as_films(mixed)],
        )
    )
    windows = cropped(every, films.shape[1] // 2, generator)
    shown.append(
        (
            _option("progressive"),
            "crop: the course begins with windows of half the side, and grows to whole films",
            [_as_films(windows)],
        )
    )
    return [(name, told, np.concatenate(parts)) for name, told, parts in shown]


def _from_weak_to_strong(film: NDArray[np.uint8], varied: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(N, H, W) -> a strip less one, evenly chosen from what changes the film least to what changes it most."""
    change = np.abs(varied.astype(np.int16) - film).mean(axis=(1, 2))
    ranks = np.rint(np.linspace(0, len(varied) - 1, _IN_A_STRIP)[1:]).astype(int)
    return np.asarray(varied[np.argsort(change, kind="stable")[ranks]])


def _help(name: str) -> str:
    return next(str(field.metadata["help"]) for field in fields(TrainConfig) if field.name == name)


def _option(name: str) -> str:
    return name.replace("_", "-")


def _varied(batch: torch.Tensor, config: TrainConfig, seed: int) -> NDArray[np.uint8]:
    return _as_films(augment(batch, torch.ones(len(batch)), config, torch.Generator().manual_seed(seed)))


def _as_batch(films: NDArray[np.uint8]) -> torch.Tensor:
    """(N, H, W) uint8 -> (N, 1, H, W) float32 in 0..1."""
    return torch.from_numpy(films.astype(np.float32) / 255)[:, None]


def _as_films(batch: torch.Tensor) -> NDArray[np.uint8]:
    """The inverse of _as_batch."""
    return np.asarray((batch[:, 0].clamp(0, 1) * 255).round().to(torch.uint8).numpy())
