"""What `plainfilm reproduce` prints in the end, and what `--list` prints."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from plainfilm.core.bootstrap import format_interval
from plainfilm.core.recipe import Claimed, Recipe
from plainfilm.core.reproduction import WAYS, Reproduction, Trained
from plainfilm.judge.reproduce.words import (
    MEASURES,
    sees_lungs_alone,
    unequal_trainings,
    weaknesses,
    why_not_comparable,
)

_F1 = "F1 "
_WAYS = {"own": "own split", "leak-free": "leak-free", "no-lungs": "without the lungs"}


def reproduction_text(reproduction: Reproduction) -> str:
    """One line a network and measure: accuracy, and what else was claimed, in each way with its interval; then what weighs against
    them, and why trainings failed.
    """
    networks = list(dict.fromkeys(row.network for row in reproduction.rows))
    is_of_complements = any(sees_lungs_alone(reproduction, each) for each in reproduction.recipe.networks)
    ways = {**_WAYS, "no-lungs": "all but the lungs"} if is_of_complements else _WAYS
    rows = [["accuracy", "claimed", *ways.values()]]
    for name in networks:
        for measure, claim in claims_by_measure(reproduction.recipe.network(name).claimed).items():
            title = name if measure == "accuracy" else f"  its {MEASURES[measure]}"
            rows.append([title, claim, *(score_text(reproduction.row(name, way), measure) for way in WAYS)])
    lines = _columns(rows)
    lines += ["", "In brackets: 95% interval, by groups. Each network was trained once in each way."]
    leaks = max((row.leaks for row in reproduction.rows), default=0)
    if leaks:
        films = sum(reproduction.films["own"]["test"].values())
        lines.append(f"Own split: {leaks:,} of {films:,} test films share a patient or a picture with a training film.")
    unequal = list(unequal_trainings(reproduction))
    if unequal:
        lines += ["Training was unequal, or may have been:", *(f"  {line}" for line in unequal)]
    lines += weaknesses(reproduction)
    reasons = why_not_comparable(reproduction)
    if reasons:
        lines.append(f"NOT COMPARABLE with what was claimed: {'; '.join(reasons)}.")
    lines += [f"{row.network}, {row.way}: FAILED: {row.problem}" for row in reproduction.rows if row.problem]
    return "\n".join(lines)


def recipes_text(recipes: Iterable[Recipe]) -> str:
    """The recipes: name, title and classes of each, and below it what was claimed of which network."""
    told = []
    for recipe in recipes:
        year = f" ({recipe.year})" if recipe.year and str(recipe.year) not in recipe.title else ""
        told.append(f"{recipe.name}: {recipe.title}{year}; {', '.join(recipe.classes)}")
        claims: dict[str, list[str]] = {}
        for network in recipe.networks:
            claims.setdefault(_claims(network.claimed), []).append(network.name)
        told += [f"    {', '.join(networks)}: {claim}" for claim, networks in claims.items()]
    return "\n".join(told)


def _claims(claimed: Claimed) -> str:
    """Every measure that was claimed of a network, by its name; the source's words where they name no number."""
    known = {"accuracy": claimed.accuracy, "macro F1": claimed.macro_f1, "AUROC": claimed.auroc}
    told = [f"{measure} {value:.3f}" for measure, value in known.items() if value is not None]
    if claimed.f1:
        told.append(f"F1 {', '.join(f'{name} {value:.2f}' for name, value in claimed.f1.items())}")
    return "; ".join(told) or claimed.words or "nothing"


def claims_by_measure(claimed: Claimed) -> dict[str, str]:
    """What was claimed of a network, by the measure that it is to be held against: accuracy first, whether claimed or not."""
    others = {
        name: f"{value:.3f}"
        for name, value in (("macro_f1", claimed.macro_f1), ("macro_auroc", claimed.auroc))
        if value is not None
    }
    if claimed.words.startswith(_F1) and "macro_f1" not in others:  # a range of several trainings
        others["macro_f1"] = claimed.words.removeprefix(_F1)
    words = "–" if others else claimed.words or "nothing"
    return {"accuracy": words if claimed.accuracy is None else f"{claimed.accuracy:.3f}", **others}


def score_text(row: Trained | None, measure: str) -> str:
    """A score of a training with its interval, or why there is none."""
    if row is None:
        return "not trained"
    return "FAILED" if row.problem else format_interval(row.scores[measure])


def _columns(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
