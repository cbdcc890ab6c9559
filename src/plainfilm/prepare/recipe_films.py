"""The films of a manifest as a published recipe has them: its classes, its own split, and a leak-free one of the same counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from plainfilm.core.config import did_you_mean
from plainfilm.core.manifest import SPLIT_BY_FILM, SPLITS, Manifest
from plainfilm.core.recipe import Recipe, RecipeSplit
from plainfilm.core.words import counted
from plainfilm.errors import BadConfig, BadManifest, TooFewFilms
from plainfilm.prepare.split import refuse_missing_classes, split_to_quota


class RecipeFilms(NamedTuple):
    """What a recipe is trained on.

    manifest: the readable films of its classes, under its labels, not written yet; `split` leak-free, `split_own` the recipe's.
    left_out: label -> films of classes that it has not. notes: where films were too few for it, a sentence each.
    """

    manifest: Manifest
    left_out: dict[str, int]
    notes: tuple[str, ...]


def recipe_films(manifest: Manifest, recipe: Recipe, stated: Mapping[str, str]) -> RecipeFilms:
    """The films of a recipe, and both splits of them.

    stated: label of the manifest -> class of the recipe, over what the recipe itself says and the very same names.
    Raises BadConfig where `stated` names what is not there, BadManifest where a class has no film or too few.
    """
    usable = manifest.ok[manifest.ok["label"] != ""]
    labels = [name for name in manifest.classes if name in set(usable["label"])]
    class_of = _classes_of(labels, recipe, stated)
    missing = [name for name in recipe.classes if name not in class_of.values()]
    if missing:
        free = next((label for label in labels if label not in class_of), "THEIRS")
        raise BadManifest(
            f"has no film of {', '.join(missing)}. {recipe.title} has the classes {', '.join(recipe.classes)}; the manifest's are"
            f' {", ".join(labels) or "none"}. If one of these is the same: --map "{free}={missing[0]}"',
            manifest.path,
        )
    chosen = usable[usable["label"].isin(class_of)]
    films = chosen.assign(label=[class_of[label] for label in chosen["label"]]).reset_index(drop=True)
    counts = films["label"].value_counts()
    quota, notes = quota_of({name: int(counts[name]) for name in recipe.classes}, recipe.split)
    others = [name for name in manifest.split_columns if name != "split"]
    films = films.drop(columns=others)
    try:
        films["split"] = split_to_quota(films, recipe.classes, quota, recipe.split.seed)
        refuse_missing_classes(films, {"split": films["split"]}, recipe.classes)
        alone = films.assign(group=films["image_id"])
        films[SPLIT_BY_FILM] = split_to_quota(
            alone, recipe.classes, _as_drawn(films, recipe.classes), recipe.split.seed
        )
    except TooFewFilms as error:
        told = f"is too small for {recipe.title}: {error.fact}. Add films, or take another recipe"
        raise BadManifest(told, manifest.path) from error
    left_out = {name: int((usable["label"] == name).sum()) for name in labels if name not in class_of}
    info = {"recipe": recipe.name, "notes": list(notes)}
    return RecipeFilms(Manifest(films, recipe.classes, manifest.root, info), left_out, tuple(notes))


def _as_drawn(films: pd.DataFrame, classes: Sequence[str]) -> NDArray[np.int64]:
    """(4, C) films a class that `split` has in train, val, test and none: whole groups seldom give the numbers asked for."""
    drawn = pd.crosstab(films["split"], films["label"]).reindex(index=[*SPLITS, ""], columns=[*classes], fill_value=0)
    return drawn.to_numpy(dtype=np.int64)


def quota_of(counts: Mapping[str, int], split: RecipeSplit) -> tuple[NDArray[np.int64], list[str]]:
    """(4, C) films a class for train, val, test and none of them; and a note for each class that has fewer films than it takes.

    Where a recipe fixes numbers and a class has too few films, all its parts shrink alike; where the rest trains, it is at least
    half of the class.
    """
    columns, notes = [], []
    for name, films in counts.items():
        val, test = (_films(amount, films) for amount in (split.val, split.test))
        train = None if split.train is None or _is_rest(split) else _films(split.train, films)
        needed = val + test + (val + test if train is None else train)
        is_fixed = any(amount is not None and amount >= 1 for amount in (split.val, split.test, split.train))
        if is_fixed and needed > films:
            fixed, share = val + test + (train or 0), films / needed
            val, test = max(1, int(val * share)), max(1, int(test * share))
            train = None if train is None else max(1, int(train * share))
            why = (
                "fewer than the recipe's numbers take"
                if fixed > films
                else f"and at least half of a class trains here, which the recipe's {fixed:,} for validation and test do not leave"
            )
            notes.append(f"{name} has {counted(films, 'film')}, {why}: {val} validate and {test} test")
        train = films - val - test if train is None else min(train, films - val - test)
        columns.append([train, val, test, films - train - val - test])
    return np.array(columns, dtype=np.int64).T, notes


def _is_rest(split: RecipeSplit) -> bool:
    """Whether the shares add up to all films, so that what rounding leaves over is trained on."""
    parts = (split.train or 0.0, split.val, split.test)
    return max(parts) < 1 and abs(sum(parts) - 1) < 1e-6


def leaking(films: pd.DataFrame, column: str) -> int:
    """How many test films share a patient, a group or their pixels with a training film. films: rows of a manifest."""
    train, test = (films[films[column] == name] for name in ("train", "test"))
    shared = [test[name].isin(set(train[name]) - {""}) for name in ("patient_id", "group", "sha256")]
    return int(np.logical_or.reduce(shared).sum())


def split_counts(manifest: Manifest, column: str) -> dict[str, dict[str, int]]:
    """split -> class -> films."""
    return {
        name: {label: int((rows["label"] == label).sum()) for label in manifest.classes}
        for name in ("train", "val", "test")
        for rows in [manifest.split(name, column)]
    }


def _films(amount: float, films: int) -> int:
    return max(1, round(films * amount)) if amount < 1 else int(amount)


def _classes_of(labels: Sequence[str], recipe: Recipe, stated: Mapping[str, str]) -> dict[str, str]:
    """label -> class of the recipe, for those that have one."""
    for theirs, ours in stated.items():
        if theirs not in labels:
            raise BadConfig(
                f'--map "{theirs}={ours}": no film is labelled "{theirs}"{did_you_mean(theirs, labels)}; the labels are'
                f" {', '.join(labels) or 'none'}"
            )
        if ours not in recipe.classes:
            raise BadConfig(
                f'--map "{theirs}={ours}": {recipe.title} has no class "{ours}"{did_you_mean(ours, recipe.classes)}; its classes'
                f" are {', '.join(recipe.classes)}"
            )
    found = {}
    for label in labels:
        ours = stated.get(label, recipe.merge.get(label, label))
        if ours in recipe.classes:
            found[label] = ours
    return found
