"""What `reproduce` is to train: which networks of a recipe, in which way, with which settings, and what is not the recipe's."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

from plainfilm.core.config import TrainConfig
from plainfilm.core.manifest import SPLIT_BY_FILM
from plainfilm.core.recipe import Recipe, RecipeNetwork
from plainfilm.core.reproduction import WAYS, Way
from plainfilm.errors import BadConfig

QUICK_SIZE = 64
QUICK_MINUTES = 1.0
_RUNS_OWN = (
    "split",
    "region",
    "device",
    "seed",
)  # settings that make the way or the machine, no difference from the recipe


@dataclass(frozen=True)
class Instead:
    """What is done in place of what the recipe says; 0 or "" for as it says.

    quick: 64 pixels and a minute, where neither size nor time is given. minutes: of a network's first training, in place
    of epochs; its other trainings take as many steps.
    size: pixels. epochs: of one training. weights: "scratch" or a file, for networks that the recipe starts from ImageNet.
    networks: of the recipe, all where empty. device: "auto", "cpu", "cuda" or "mps".
    """

    quick: bool = False
    minutes: float = 0.0
    size: int = 0
    epochs: int = 0
    weights: str = ""
    networks: tuple[str, ...] = ()
    device: str = "auto"

    def __post_init__(self) -> None:
        """Raise BadConfig for what contradicts itself."""
        if self.minutes and self.epochs:
            raise BadConfig("--minutes and --epochs: each says when a training ends; give one of them")
        if self.minutes < 0 or self.epochs < 0:
            raise BadConfig("--minutes and --epochs: expected more than 0")

    @property
    def training_minutes(self) -> float:
        """Minutes of one training; 0 where epochs decide."""
        return self.minutes or (QUICK_MINUTES if self.quick and not self.epochs else 0.0)

    @property
    def side(self) -> int:
        """Pixels; 0 for the recipe's own."""
        return self.size or (QUICK_SIZE if self.quick else 0)


class Training(NamedTuple):
    """One training to come: of a network, in a way, with settings, in a folder below the reproduction's."""

    network: RecipeNetwork
    way: Way
    config: TrainConfig
    theirs: TrainConfig
    folder: str

    @property
    def changed(self) -> dict[str, tuple[Any, Any]]:
        """Setting -> (the recipe's, ours), for those that differ."""
        theirs, ours = asdict(self.theirs), asdict(self.config)
        return {
            name: (_speakable(theirs[name]), _speakable(ours[name]))
            for name in ours
            if theirs[name] != ours[name] and name not in _RUNS_OWN
        }


def plan(recipe: Recipe, instead: Instead, directory: Path) -> list[Training]:
    """The trainings, network by network, each in all ways: of the networks asked for, and of those begun in `directory` before.

    Raises BadConfig for a network or a value that is none.
    """
    chosen = [recipe.network(name) for name in instead.networks] or recipe.networks
    changes: dict[str, Any] = {"device": instead.device}
    if instead.side:
        changes["size"] = instead.side
    if instead.epochs:
        changes["epochs"] = instead.epochs
    if instead.training_minutes:
        changes["minutes"] = float(instead.training_minutes)
    trainings = []
    for network in recipe.networks:
        if network not in chosen and not (directory / network.slug).is_dir():
            continue
        theirs = recipe.config(network)
        weights: dict[str, Any] = {}
        if instead.weights and theirs.weights == "imagenet":
            weights = {"weights": instead.weights}
            if instead.weights == "scratch":
                weights["frozen_epochs"] = 0.0  # random weights that are frozen learn nothing
        for way in WAYS:
            region = {"region": "background"} if way == "no-lungs" else {}
            config = theirs.with_changes({**changes, **weights, **region, "split": split_of(way)}, "options")
            trainings.append(Training(network, way, config, theirs, f"{network.slug}/{way}"))
    return trainings


def split_of(way: Way) -> str:
    """The split column that a way goes by."""
    return SPLIT_BY_FILM if way == "own" else "split"


def _speakable(value: Any) -> Any:
    """The value as JSON can hold it."""
    return "inf" if value == math.inf else value
