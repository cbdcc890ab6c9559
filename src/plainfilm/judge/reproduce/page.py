"""The page of a reproduction: the finding, what was not the recipe, claimed against measured, then every network by itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from plainfilm.core.html import breakable, element
from plainfilm.core.page import (
    Html,
    Level,
    Section,
    bullets,
    code,
    estimate,
    facts,
    headline,
    joined,
    link,
    number_and_ends,
    numbers,
    page,
    paragraph,
    section,
    strong,
    table,
    texts,
)
from plainfilm.core.recipe import RecipeNetwork
from plainfilm.core.reproduction import WAYS, Reproduction, Trained, Way
from plainfilm.core.words import duration, one_line
from plainfilm.judge.compare.words import signed
from plainfilm.judge.reproduce.caveats import NOT_COMPARABLE, caveats, films_of_ways
from plainfilm.judge.reproduce.charts import claimed_and_measured, title_of
from plainfilm.judge.reproduce.elsewhere import elsewhere
from plainfilm.judge.reproduce.networks import network_section
from plainfilm.judge.reproduce.words import (
    MEASURES,
    WAY_WORDS,
    Runs,
    absence,
    claimed_of,
    finding,
    foremost,
    is_tried,
    leak_words,
    ranges,
    score_of,
    step_words,
    steps,
    test_films,
    why_not_comparable,
)

_COLUMNS = ("accuracy", "balanced_accuracy", "macro_f1", "macro_auroc")
_DIGITS = 3
_LONGEST_PROBLEM = 120  # in the table; the whole stands above


def reproduce_page(reproduction: Reproduction, runs: Runs) -> str:
    """One offline page, to lie where the folders of `Trained.run` start. runs: (network, way) -> its run, for those there are."""
    recipe = reproduction.recipe
    year = f", {recipe.year}" if recipe.year else ""
    lead = joined(f"{recipe.about} Source: ", _source(recipe.source), f"{year}.")
    return page(f"Reproduced: {recipe.title}", list(_sections(reproduction, runs)), lead=lead)


def _sections(reproduction: Reproduction, runs: Runs) -> Iterator[Section]:
    yield section("Finding", *_finding(reproduction, runs))
    yield section("What was not the recipe", *caveats(reproduction))
    yield section("Claimed and measured", *_numbers(reproduction, runs))
    yield section("Films", *films_of_ways(reproduction))
    for network in reproduction.recipe.networks:
        if is_tried(reproduction, network.name):
            yield network_section(reproduction, network, runs)
    yield section("Its authors, and such numbers elsewhere", *_context(reproduction))
    yield section("How to read this", *_reading(reproduction))


def _source(source: str) -> Html:
    """Where the recipe is from; a link where it is an address."""
    text = breakable(source)
    return link(text, source) if source.startswith("https://") else text


# The finding ----------------------------------------------------------------------------------------------------------


def _finding(reproduction: Reproduction, runs: Runs) -> Iterator[Html]:
    network, measure = foremost(reproduction)
    reasons = why_not_comparable(reproduction)
    is_measured = any(score_of(reproduction, network.name, way) for way in WAYS)
    level: Level = "failure" if not is_measured else "warning" if reasons else "note"
    word = "Nothing measured" if not is_measured else NOT_COMPARABLE if reasons else "Claimed and measured"
    why = [f"{'; '.join(reasons)}.".capitalize()] if reasons else []
    yield headline(level, word, finding(reproduction), *why, is_long=True)
    own = reproduction.row(network.name, "own")
    of = f"{network.name}, {MEASURES[measure]}: " if len(reproduction.recipe.networks) > 1 else ""
    told = [
        ranges(reproduction),
        leak_words(own),
        *(f"{of}{step_words(step)}" for step in steps(reproduction, network.name, measure, runs)),
    ]
    if any(told):
        yield bullets(filter(None, told))
    yield paragraph(
        "Each network was trained once in each way. The intervals are about other test films, not about another training: "
        "another seed alone often moves accuracy by a point.",
        soft=True,
    )


# The numbers ----------------------------------------------------------------------------------------------------------


def _numbers(reproduction: Reproduction, runs: Runs) -> Iterator[Html]:
    yield claimed_and_measured(reproduction)
    columns = [*texts("Network"), *numbers(*map(title_of, _COLUMNS), "Test films", "Leaks", "Epochs", "Time")]
    rows = [row for network in reproduction.recipe.networks for row in _rows(reproduction, network)]
    yield table("Claimed, and measured on the test films with 95% intervals", columns, rows)
    yield paragraph("Leaks: test films that share a patient or a picture with a training film.", soft=True)
    quoted = [
        joined(strong(f"{network.name}: "), network.claimed.words)
        for network in reproduction.recipe.networks
        if network.claimed.words
    ]
    if quoted:
        yield paragraph("In the words of the source:")
        yield bullets(quoted)
    yield from _steps_table(reproduction, runs)


def _rows(reproduction: Reproduction, network: RecipeNetwork) -> Iterator[list[str]]:
    claims = [claimed_of(network.claimed, measure) for measure in _COLUMNS]
    yield [_named(network.name, "claimed"), *("–" if claim is None else f"{claim:.3f}" for claim in claims), *"––––"]
    if not is_tried(reproduction, network.name):
        yield [_named(network.name, absence(None)), *"––––––––"]
        return
    for way in WAYS:
        row = reproduction.row(network.name, way)
        if row is None or row.problem:
            why = f": {one_line(row.problem, _LONGEST_PROBLEM)}" if row else ""
            yield [_named(network.name, f"{WAY_WORDS[way]}: {absence(row)}{why}"), *"–––––––", _time(row)]
        else:
            yield _row(row, way)


def _row(row: Trained, way: Way) -> list[str]:
    scores = (estimate(row.scores[measure]) if measure in row.scores else "–" for measure in _COLUMNS)
    return [
        _named(row.network, WAY_WORDS[way]),
        *scores,
        f"{test_films(row):,}",
        f"{row.leaks:,}",
        f"{row.epochs:,}",
        _time(row),
    ]


def _time(row: Trained | None) -> str:
    return duration(row.seconds) if row and row.seconds else "–"


def _named(name: str, word: str) -> Html:
    return joined(breakable(name), Html("<br>"), element("small", word))


def _steps_table(reproduction: Reproduction, runs: Runs) -> Iterator[Html]:
    """The differences of every network in accuracy."""
    found = [
        step for network in reproduction.recipe.networks for step in steps(reproduction, network.name, "accuracy", runs)
    ]
    if found:
        rows = (
            [
                _named(step.network, f"{step.told}{', film by film' if step.is_paired else ''}"),
                number_and_ends(signed(step.change, _DIGITS)),
                step.verdict,
            ]
            for step in found
        )
        columns = [*texts("Network"), *numbers("Change of accuracy"), *texts("What the interval allows to be said")]
        yield table("From one way to the next", columns, rows)
        yield paragraph(
            "“Film by film”: the same films were judged both times, and each is held against itself. Else the interval is put "
            "together from those of both, as of independent films: too wide, if anything, where films are the same. Each stands by "
            "itself, not corrected for their number.",
            soft=True,
        )


# Around it ------------------------------------------------------------------------------------------------------------


def _context(reproduction: Reproduction) -> Iterator[Html]:
    recipe = reproduction.recipe
    if recipe.shows:
        yield paragraph(strong("Its authors show: "), f"{', '.join(recipe.shows)}.")
    if recipe.wished:
        yield paragraph(strong("They wished for, or say of it: "), f"{recipe.wished}.")
    yield paragraph(strong("What became of such numbers elsewhere"))
    yield elsewhere()
    yield paragraph("Research and education only: no number on this page says that a network may be used on a patient.")


def _reading(reproduction: Reproduction) -> Iterator[Html]:
    told = {
        WAY_WORDS[
            "own"
        ]: "as the authors split, at random over films. Films of one patient, and copies of one picture, can lie on both "
        "sides, so a network may know a test film from training.",
        WAY_WORDS[
            "leak-free"
        ]: "the same shares of films, but a patient, and all copies of a picture, lie on one side.",
        WAY_WORDS[
            "no-lungs"
        ]: "the same films in the same split, but the lungs are black in training and in test. What accuracy is left "
        "was not read from the lungs (Maguolo & Nanni 2021).",
    }
    yield bullets(joined(strong(f"{word.capitalize()}: "), meaning) for word, meaning in told.items())
    yield paragraph(
        "The own and the leak-free split have other test films, so their numbers differ by chance, too; what the intervals allow "
        "to be said stands beside each difference. All scores rest on probabilities calibrated on validation films."
    )
    known = _provenance(reproduction.made)
    if known:
        yield facts(known)
    if reproduction.made.get("command"):
        yield paragraph("Made by ", code(str(reproduction.made["command"])), soft=True)


def _provenance(made: Any) -> list[tuple[str, str]]:
    versions = made.get("versions")
    version = versions.get("plainfilm") if isinstance(versions, dict) else None
    made_at = str(made.get("made_at") or "").replace("T", " ").replace("+00:00", " UTC")
    known = {"Made at": made_at, "Seed": made.get("seed"), "plainfilm": version}
    return [(name, str(value)) for name, value in known.items() if value not in (None, "")]
