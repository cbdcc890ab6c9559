"""A published recipe: how others trained which networks on these films, what they claimed, and what they do not say.

One TOML file each in `plainfilm/recipes/`. Its sections [network], [films], [augment] and [training] are those of TrainConfig's
TOML, and what a recipe does not name is off or as PyTorch has it (PLAIN), not as plainfilm would do it.
"""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from importlib.resources import files
from pathlib import Path
from typing import Any

from plainfilm.core.config import TrainConfig, changes_of, did_you_mean
from plainfilm.errors import BadConfig

SECTIONS = ("network", "films", "augment", "training")
PLAIN = TrainConfig(
    whitening=False,
    augment_flip=0.0,
    augment_share=1.0,
    augment_rotation=0.0,
    augment_zoom=0.0,
    augment_translation=0.0,
    augment_brightness=0.0,
    augment_contrast=0.0,
    augment_gamma=0.0,
    optimizer="adam",
    weight_decay=0.0,
    schedule="constant",
    clip_norm=0.0,
    averaging=0.0,
    progressive="none",
    monitor="accuracy",
)
"""The usual loop: Adam at 0.001, no augmentation, decay or clipping, nothing of plainfilm's; weights by validation accuracy."""

_SLUG = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_OURS_ALONE = ("split", "minutes", "seed", "precision", "device")  # settings of a run, which a recipe does not set


@dataclass(frozen=True)
class RecipeSplit:
    """How its authors split their films, at random over films.

    val, test, train: each a share of the films (below 1) or a number of films a class (1 or more); train None is the rest.
    seed: of our draw.
    """

    val: float
    test: float
    train: float | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        """Check the amounts. Raises BadConfig."""
        for name, amount in (("val", self.val), ("test", self.test), ("train", self.train)):
            if amount is not None and not (0 < amount < 1 or (amount >= 1 and float(amount).is_integer())):
                raise BadConfig(
                    f"[split] {name} is {amount}, expected a share below 1 or a whole number of films a class"
                )
        shares = [amount for amount in (self.val, self.test, self.train) if amount is not None and amount < 1]
        if sum(shares) > 1 + 1e-9 or (self.train is None and sum(shares) > 1 - 1e-9):
            raise BadConfig("[split]: the shares leave nothing to train on")


@dataclass(frozen=True)
class Claimed:
    """What the authors report of one network, on their own test films; each 0..1, None or empty where they do not say.

    f1: by class of the recipe. words: theirs, where a number alone would say too much or too little.
    """

    accuracy: float | None = None
    macro_f1: float | None = None
    auroc: float | None = None
    f1: Mapping[str, float] = field(default_factory=dict)
    words: str = ""


@dataclass(frozen=True)
class RecipeNetwork:
    """One network of a recipe: the name it is shown by, what it changes in the recipe's settings, what was claimed for it.

    sections: TOML sections of TrainConfig, over those of the recipe.
    """

    name: str
    sections: Mapping[str, Mapping[str, Any]]
    claimed: Claimed = Claimed()

    @property
    def slug(self) -> str:
        """Its name as a folder."""
        return re.sub(r"[^a-z0-9]+", "-", self.name.lower()).strip("-")


@dataclass(frozen=True)
class Recipe:
    """A published recipe. Raises BadConfig for what cannot be.

    name: as it is called on the command line. title: as people know it. year: 0 where unknown. source: repository or DOI.
    about: what it is, in a sentence or two.
    classes: in its order. merge: label of the database -> class of the recipe, where the recipe joins or renames classes.
    had: class -> films its authors had, empty where they do not say. split, sections, networks: how they trained.
    shows: what they report. wished: what they would have liked.
    not_stated: what our notes of the source do not say, and what we took. differs: what the source has and is done otherwise here,
    or not at all.
    """

    name: str
    title: str
    source: str
    about: str
    classes: tuple[str, ...]
    split: RecipeSplit
    networks: tuple[RecipeNetwork, ...]
    year: int = 0
    merge: Mapping[str, str] = field(default_factory=dict)
    had: Mapping[str, int] = field(default_factory=dict)
    sections: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    shows: tuple[str, ...] = ()
    wished: str = ""
    not_stated: tuple[str, ...] = ()
    differs: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Check all of it, the settings of every network by TrainConfig itself."""
        if not _SLUG.fullmatch(self.name):
            raise BadConfig(f'name is "{self.name}", expected small letters, digits and single hyphens')
        if len(self.classes) < 2 or len(set(self.classes)) < len(self.classes):
            raise BadConfig(f"classes are {', '.join(self.classes) or 'none'}, expected two or more, each once")
        for what, names in (
            ("merge", self.merge.values()),
            ("had", self.had),
            *(("f1", network.claimed.f1) for network in self.networks),
        ):
            for name in names:
                if name not in self.classes:
                    raise BadConfig(
                        f'{what} names the class "{name}"{did_you_mean(name, self.classes)}; classes: {", ".join(self.classes)}'
                    )
        for name, films in self.had.items():
            if films < 0:
                raise BadConfig(f"[had] {name} is {films}, expected 0 or more films")
        slugs = [network.slug for network in self.networks]
        if not slugs or len(set(slugs)) < len(slugs) or not all(slugs):
            raise BadConfig("networks: expected one or more, each with a name of its own")
        for network in self.networks:
            self.config(network)

    def config(self, network: RecipeNetwork) -> TrainConfig:
        """The settings of one of its networks: PLAIN, then the recipe's, then the network's. Raises BadConfig."""
        config = PLAIN
        for where, sections in ((self.name, self.sections), (f"{self.name}, {network.name}", network.sections)):
            changes = changes_of(sections, where)
            foreign = [name for name in changes if name in _OURS_ALONE]
            if foreign:
                raise BadConfig(f"{where}: {foreign[0]} is no matter of a recipe, but of who runs it")
            config = config.with_changes(changes, where)
        return config

    def network(self, name: str) -> RecipeNetwork:
        """The network of that name, as shown or as its folder. Raises BadConfig, naming those that there are."""
        for network in self.networks:
            if name.lower() in (network.name.lower(), network.slug):
                return network
        names = [network.name for network in self.networks]
        raise BadConfig(
            f'{self.name} has no network "{name}"{did_you_mean(name, names)}; its networks: {", ".join(names)}'
        )

    def to_dict(self) -> dict[str, Any]:
        """As its TOML holds it; without what is empty, and infinity as "inf", which JSON lacks."""
        networks = [
            {"name": network.name, **network.sections, "claimed": _filled(asdict(network.claimed))}
            for network in self.networks
        ]
        plain = {name: getattr(self, name) for name in (*_TEXTS, "year", *_LISTS)}
        tables = {"merge": self.merge, "had": self.had, "split": _filled(asdict(self.split))}
        values: dict[str, Any] = _speakable(
            {**_filled(plain), **_filled(tables), **self.sections, "networks": networks}
        )
        return values

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], where: str = "recipe") -> Recipe:
        """The inverse of to_dict(), and what reads a TOML file. Raises BadConfig, which begins with `where`."""
        try:
            return cls(**_recipe_values(values))
        except BadConfig as error:
            raise BadConfig(f"{where}: {error}") from error


def recipe_names() -> list[str]:
    """The recipes that ship inside."""
    shipped = (entry for entry in files("plainfilm").joinpath("recipes").iterdir() if entry.name.endswith(".toml"))
    return sorted(entry.name.removesuffix(".toml") for entry in shipped if entry.name != "default.toml")


def open_recipe(name: str) -> Recipe:
    """A recipe that ships inside, by its name, or one's own, by its file. Raises BadConfig where there is none."""
    if name.endswith(".toml"):
        try:
            return recipe_of_toml(Path(name).read_text(encoding="utf-8"), name)
        except (OSError, UnicodeDecodeError) as cause:
            raise BadConfig(f"{name}: cannot be read as a recipe ({cause})") from cause
    if name not in recipe_names():
        raise BadConfig(
            f'no recipe is called "{name}"{did_you_mean(name, recipe_names())}; recipes: {", ".join(recipe_names())}'
        )
    text = files("plainfilm").joinpath("recipes", f"{name}.toml").read_text(encoding="utf-8")
    recipe = recipe_of_toml(text, f"{name}.toml")
    if recipe.name != name:
        raise BadConfig(f'{name}.toml: name is "{recipe.name}", expected "{name}"')
    return recipe


def recipe_of_toml(text: str, where: str) -> Recipe:
    """A recipe out of TOML. where: the file, for messages. Raises BadConfig."""
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as cause:
        raise BadConfig(f"{where}: is no TOML ({cause})") from cause
    return Recipe.from_dict(values, where)


# From plain values ----------------------------------------------------------------------------------------------------

_TEXTS = ("name", "title", "source", "about", "wished")
_LISTS = ("classes", "shows", "not_stated", "differs")
_OPTIONAL = ("wished", "shows", "not_stated", "differs")


def _recipe_values(values: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of Recipe, each of its kind."""
    known = [setting.name for setting in fields(Recipe) if setting.name != "sections"]
    _refuse_unknown(values, [*known, *SECTIONS], "")
    missing = [name for name in (*_TEXTS, *_LISTS, "split", "networks") if name not in values and name not in _OPTIONAL]
    if missing:
        raise BadConfig(f"{missing[0]} is missing")
    found: dict[str, Any] = {}
    for name in _TEXTS:
        found[name] = _of_kind(values.get(name, ""), str, name)
    for name in _LISTS:
        items = values.get(name, [])
        _of_kind(list(items) if isinstance(items, tuple) else items, list, name)
        found[name] = tuple(_of_kind(item, str, name) for item in items)
    found["year"] = _of_kind(values.get("year", 0), int, "year")
    found["merge"] = {key: _of_kind(value, str, "merge") for key, value in _table(values, "merge").items()}
    found["had"] = {key: _of_kind(value, int, "had") for key, value in _table(values, "had").items()}
    found["split"] = RecipeSplit(**_numbers(_table(values, "split"), RecipeSplit, "split"))
    found["sections"] = {name: _spoken(_table(values, name)) for name in SECTIONS if name in values}
    found["networks"] = tuple(_network(each) for each in _of_kind(values["networks"], list, "networks"))
    return found


def _network(values: Any) -> RecipeNetwork:
    _of_kind(values, dict, "networks")
    _refuse_unknown(values, ["name", "claimed", *SECTIONS], "networks: ")
    if "name" not in values:
        raise BadConfig("networks: name is missing")
    name = _of_kind(values["name"], str, "networks: name")
    claimed = dict(_table(values, "claimed"))
    words = _of_kind(claimed.pop("words", ""), str, f"{name}: words")
    f1 = {key: _share(value, f"{name}: f1") for key, value in _table(claimed, "f1").items()}
    claimed.pop("f1", None)
    shares = {key: _share(value, f"{name}: {key}") for key, value in _numbers(claimed, Claimed, name).items()}
    sections = {section: _spoken(_table(values, section)) for section in SECTIONS if section in values}
    return RecipeNetwork(name, sections, Claimed(**shares, f1=f1, words=words))


def _numbers(table: Mapping[str, Any], noun: type[Any], where: str) -> dict[str, Any]:
    """The numbers of a noun's fields that a table names."""
    _refuse_unknown(table, [each.name for each in fields(noun)], f"[{where}] ")
    for key, value in table.items():
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise BadConfig(f"[{where}] {key} is {value!r}, expected a number")
    required = [each.name for each in fields(noun) if noun is RecipeSplit and each.name in ("val", "test")]
    missing = [name for name in required if name not in table]
    if missing:
        raise BadConfig(f"[{where}] {missing[0]} is missing")
    return dict(table)


def _share(value: float, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise BadConfig(f"{where} is {value!r}, expected 0 to 1")
    return float(value)


def _refuse_unknown(values: Mapping[str, Any], known: Sequence[str], where: str) -> None:
    for name in values:
        if name not in known:
            raise BadConfig(f'{where}nothing is called "{name}"{did_you_mean(name, known)}; known: {", ".join(known)}')


def _table(values: Mapping[str, Any], name: str) -> dict[str, Any]:
    table: dict[str, Any] = _of_kind(values.get(name, {}), dict, name)
    return table


def _of_kind(value: Any, kind: type[Any], where: str) -> Any:
    if type(value) is not kind:
        names = {str: "text", list: "a list", dict: "a section", int: "a whole number"}
        raise BadConfig(f"{where} is {value!r}, expected {names[kind]}")
    return value


def _filled(values: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: value
        for name, value in values.items()
        if value is not None and value != () and value != {} and value != ""
    }


def _speakable(value: Any) -> Any:
    """Lists for tuples and "inf" for infinity, at every depth."""
    if isinstance(value, Mapping):
        return {name: _speakable(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_speakable(item) for item in value]
    return "inf" if value == math.inf else value


def _spoken(section: Mapping[str, Any]) -> dict[str, Any]:
    """The inverse for a section of settings."""
    return {name: math.inf if value == "inf" else value for name, value in section.items()}
