"""What `plainfilm reproduce` prints in the end, and what `--list` prints."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from plainfilm.core.bootstrap import format_interval
from plainfilm.core.recipe import Claimed, Recipe
from plainfilm.core.reproduction import WAYS, Reproduction, Trained
from plainfilm.judge.reproduce.words import why_not_comparable

_WAYS = {"own": "own split", "leak-free": "leak-free", "no-lungs": "without the lungs"}


def reproduction_text(reproduction: Reproduction) -> str:
    """One line a network, accuracy in each way with its interval; then why trainings failed, and what is no yardstick."""
    networks = list(dict.fromkeys(row.network for row in reproduction.rows))
    rows = [["accuracy", "claimed", *_WAYS.values()]]
    for name in networks:
        claimed = reproduction.recipe.network(name).claimed
        rows.append([name, claim_text(claimed), *(_accuracy(reproduction.row(name, way)) for way in WAYS)])
    lines = _columns(rows)
    lines += ["", "In brackets: 95% interval, by groups. Each network was trained once in each way."]
    leaks = max((row.leaks for row in reproduction.rows), default=0)
    if leaks:
        films = sum(reproduction.films["own"]["test"].values())
        lines.append(f"Own split: {leaks:,} of {films:,} test films share a patient or a picture with a training film.")
    reasons = why_not_comparable(reproduction)
    if reasons:
        lines.append(f"NOT COMPARABLE with what was claimed: {'; '.join(reasons)}.")
    lines += [f"{row.network}, {row.way}: FAILED: {row.problem}" for row in reproduction.rows if row.problem]
    return "\n".join(lines)


def recipes_text(recipes: Iterable[Recipe]) -> str:
    """The recipes that ship inside, one a line."""
    rows = [["name", "what", "classes", "networks", "claimed"]]
    for recipe in recipes:
        title = recipe.title + (f" ({recipe.year})" if recipe.year and str(recipe.year) not in recipe.title else "")
        claims = [claim_text(network.claimed) for network in recipe.networks]
        rows.append(
            [recipe.name, title, str(len(recipe.classes)), str(len(recipe.networks)), ", ".join(dict.fromkeys(claims))]
        )
    return "\n".join(_columns(rows))


def claim_text(claimed: Claimed) -> str:
    """What was claimed of a network, in a few letters."""
    if claimed.accuracy is not None:
        return f"{claimed.accuracy:.3f}"
    return claimed.words or ("" if claimed.macro_f1 is None else f"F1 {claimed.macro_f1:.2f}") or "nothing"


def _accuracy(row: Trained | None) -> str:
    if row is None:
        return "not trained"
    return "FAILED" if row.problem else format_interval(row.scores["accuracy"])


def _columns(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
