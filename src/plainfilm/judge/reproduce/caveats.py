"""What was not the recipe: is its claim a yardstick, which trainings failed, which films lacked, what its source leaves open."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from plainfilm.core.chart import CATEGORY_COLOURS, Bar, Part, bars
from plainfilm.core.page import (
    Html,
    Level,
    alert,
    bullets,
    drawing,
    drawings,
    heading,
    joined,
    legend,
    numbers,
    paragraph,
    strong,
    table,
    texts,
)
from plainfilm.core.reproduction import WAYS, Counts, Reproduction, Trained, Way
from plainfilm.core.words import counted
from plainfilm.judge.evaluate import SPLIT_NAMES
from plainfilm.judge.reproduce.words import (
    WAY_WORDS,
    sees_lungs_alone,
    setting_name,
    setting_value,
    why_not_comparable,
)

NOT_COMPARABLE = "Not comparable with the claim"
_SPLITS = ("train", "val", "test")
_MUCH_LESS = 0.5  # of the recipe's films


def caveats(reproduction: Reproduction) -> Iterator[Html]:
    """From the gravest to what is only told."""
    reasons = why_not_comparable(reproduction)
    if reasons:
        yield alert("warning", NOT_COMPARABLE, bullets(reasons.values()))
    yield from _failures(reproduction)
    yield from _fewer_films(reproduction)
    told = [*reproduction.notes, *_about_films(reproduction)]
    if told:
        yield bullets(told)
    yield from _changed(reproduction)
    not_stated = reproduction.recipe.not_stated
    if not_stated:
        yield heading("What our notes of its source do not state, and what was taken")
        yield bullets(not_stated)
    differs = reproduction.recipe.differs
    if differs:
        yield heading("What is otherwise here than in its source")
        yield bullets(differs)
    if not (reasons or not_stated or differs or _changes(reproduction)):
        yield paragraph("Nothing is known to differ from the recipe but the films and the machine.")


def _failures(reproduction: Reproduction) -> Iterator[Html]:
    failed = [row for row in reproduction.rows if row.problem]
    if failed:
        title = f"{counted(len(failed), 'training')} failed"
        lines = [joined(strong(f"{row.network}, {WAY_WORDS[row.way]}: "), row.problem) for row in failed]
        yield alert("failure", title, bullets(lines))
    absent = [
        f"{network.name}: {', '.join(WAY_WORDS[way] for way in ways) if len(ways) < len(WAYS) else 'in no way'}"
        for network in reproduction.recipe.networks
        if (ways := [way for way in WAYS if reproduction.row(network.name, way) is None])
    ]
    if absent:
        yield alert("note", "Not all was trained", bullets(absent), "The same command with --resume goes on.")


def _fewer_films(reproduction: Reproduction) -> Iterator[Html]:
    had, have = reproduction.recipe.had, _by_class(reproduction.films.get("own", {}))
    if not had or not have:
        return
    share = {name: have.get(name, 0) / films for name, films in had.items() if films}
    fewer = [name for name, part in share.items() if part < 1]
    if not fewer:
        return
    level: Level = "warning" if min(share.values()) < _MUCH_LESS else "note"
    all_had, all_have = sum(had.values()), sum(have.values())
    title = f"Fewer films than the recipe had{f': {all_have:,} of {all_had:,}' if all_have < all_had else ''}"
    lines = [f"{name}: {have.get(name, 0):,} of {had[name]:,} ({share[name]:.0%})" for name in fewer]
    yield alert(level, title, bullets(lines))


def _about_films(reproduction: Reproduction) -> Iterator[str]:
    if not reproduction.recipe.had:
        yield "How many films of each class it had is not in our notes of its source."
    for label, films in reproduction.left_out.items():
        yield f"{counted(films, 'film')} of “{label}” {'is' if films == 1 else 'are'} left out: the recipe has no such class."
    if reproduction.without_lungs:
        used = sum(_by_class(reproduction.films.get("leak-free", {})).values())
        of = f" of {used:,} ({reproduction.without_lungs / used:.1%})" if used else ""
        lungs_alone = [each.name for each in reproduction.recipe.networks if sees_lungs_alone(reproduction, each)]
        black = " The other ways, which show the lungs alone, show them all black." if lungs_alone else ""
        yield (
            f"In {counted(reproduction.without_lungs, 'film')}{of} no lungs were found; “{WAY_WORDS['no-lungs']}” shows them "
            f"as they are.{black}"
        )


# Settings -------------------------------------------------------------------------------------------------------------


def _changed(reproduction: Reproduction) -> Iterator[Html]:
    found = _changes(reproduction)
    if found:
        rows = ([setting_name(name), theirs, ours, ", ".join(where)] for (name, theirs, ours), where in found.items())
        yield table("Settings that differ from the recipe's", texts("Setting", "The recipe", "Here", "Of"), rows)


def _changes(reproduction: Reproduction) -> dict[tuple[str, str, str], list[str]]:
    """(setting, theirs, ours) -> the networks that it holds for, or "every network"."""
    found: dict[tuple[str, str, str], list[Trained]] = {}
    for row in reproduction.rows:
        for name, (theirs, ours) in row.changed.items():
            found.setdefault((name, setting_value(name, theirs), setting_value(name, ours)), []).append(row)
    return {change: _where(rows, reproduction.rows) for change, rows in found.items()}


def _where(rows: Sequence[Trained], all_rows: Sequence[Trained]) -> list[str]:
    tried = [row for row in all_rows if row.changed or not row.problem]
    if len(rows) == len(tried):
        return ["every training"]
    told = []
    for network in dict.fromkeys(row.network for row in rows):
        ways = [row.way for row in rows if row.network == network]
        is_all = len(ways) == sum(row.network == network for row in tried)
        told.append(network if is_all else f"{network} ({'; '.join(WAY_WORDS[way] for way in ways)})")
    return told


# Films ----------------------------------------------------------------------------------------------------------------


def films_of_ways(reproduction: Reproduction) -> Iterator[Html]:
    """How many films of each class the recipe had, and how many each split got."""
    recipe = reproduction.recipe
    ways: list[Way] = [way for way in ("own", "leak-free") if way in reproduction.films]
    columns = [(way, split) for way in ways for split in _SPLITS if split in reproduction.films[way]]
    titles = ["The recipe had", *(f"{WAY_WORDS[way].capitalize()}: {SPLIT_NAMES[split]}" for way, split in columns)]
    rows = [
        [name, _had(recipe.had.get(name)), *(f"{_count(reproduction, way, split, name):,}" for way, split in columns)]
        for name in recipe.classes
    ]
    sums = [sum(_count(reproduction, way, split, name) for name in recipe.classes) for way, split in columns]
    footer = [["All films", _had(sum(recipe.had.values()) or None), *(f"{films:,}" for films in sums)]]
    yield paragraph(
        "The own split is drawn at random over films, but held to as many films of each class in each part as the leak-free one "
        "has, so that the two differ in which films alone; its authors need not have done that. "
        f"“{WAY_WORDS['no-lungs'].capitalize()}” has the films of the {WAY_WORDS['leak-free']}, in the same places."
    )
    yield _chart(reproduction, ways)
    yield table("Films of each class", [*texts("Class"), *numbers(*titles)], rows, footer)


def _chart(reproduction: Reproduction, ways: Sequence[Way]) -> Html:
    splits = [split for split in _SPLITS if any(split in reproduction.films[way] for way in ways)]
    parts = [Part(SPLIT_NAMES[split], colour) for split, colour in zip(splits, CATEGORY_COLOURS, strict=False)]
    if not parts:
        return Html()
    drawn = [
        drawing(
            WAY_WORDS[way].capitalize(),
            bars(
                f"Films of the {WAY_WORDS[way]}",
                [
                    Bar(name, [_count(reproduction, way, split, name) for split in splits])
                    for name in reproduction.recipe.classes
                ],
                parts,
            ),
            "Films by class and split.",
        )
        for way in ways
    ]
    return joined(legend((part.colour, part.name) for part in parts), drawings(*drawn))


def _count(reproduction: Reproduction, way: Way, split: str, name: str) -> int:
    return reproduction.films[way].get(split, {}).get(name, 0)


def _by_class(counts: Counts) -> dict[str, int]:
    found: dict[str, int] = {}
    for each in counts.values():
        for name, films in each.items():
            found[name] = found.get(name, 0) + films
    return found


def _had(films: int | None) -> str:
    return "–" if films is None else f"{films:,}"
