"""The page of a reproduction: the finding, what was not the recipe, claimed against measured, then every network by itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from plainfilm.core.html import breakable, element
from plainfilm.core.page import (
    Html,
    Level,
    Section,
    alert,
    bullets,
    code,
    estimate,
    facts,
    figures,
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
from plainfilm.core.reproduction import WAYS, Reproduction, Trained
from plainfilm.core.words import counted, duration, in_epochs
from plainfilm.judge.compare.words import signed
from plainfilm.judge.reproduce.caveats import NOT_COMPARABLE, caveats, films_of_ways
from plainfilm.judge.reproduce.charts import claimed_and_measured, title_of
from plainfilm.judge.reproduce.elsewhere import elsewhere
from plainfilm.judge.reproduce.networks import network_section
from plainfilm.judge.reproduce.same_films import have_same_test_films
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
    sees_lungs_alone,
    step_words,
    steps,
    test_films,
    unequal_trainings,
    weaknesses,
    why_not_comparable,
)

_COLUMNS = (
    ("accuracy", "balanced_accuracy"),
    ("macro_f1", "macro_auroc"),
)  # two a table, which a telephone has room for
_DIGITS = 3
_LUNGS_BLACK = (
    "the same films in the same split, but the lungs are black in training and in test. What accuracy is left was not read from "
    "the lungs (Maguolo & Nanni 2021)."
)
_LUNGS_ALONE = (
    "the same films in the same split, but where the recipe shows the lungs alone, this shows the opposite: all but the lungs, "
    "what lies between them and a margin. The change from one to the other is no price of removing the lungs; what accuracy is "
    "left was not read from the lungs (Maguolo & Nanni 2021)."
)
_MEASURES_EXPLAINED = {
    "Balanced accuracy": "the mean of the classes' sensitivities, so that a class of few films counts as much as one of many.",
    "Macro F1": "the mean of the classes' F1; F1 is the harmonic mean of precision and sensitivity.",
    "Macro AUROC": "the mean over the classes of the area under the ROC curve of that class against the rest; 0.5 is guessing.",
    "95% interval": "by groups: how far the score would move with other test films of the same kind, where all films of a patient, "
    "and all copies of a picture, come or go together.",
}


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
    yield section("How to read this", *_reading(reproduction, runs))


def _source(source: str) -> Html:
    """Where the recipe is from; a link where it is an address."""
    text = breakable(source)
    return link(text, source) if source.startswith("https://") else text


# The finding ----------------------------------------------------------------------------------------------------------


def _finding(reproduction: Reproduction, runs: Runs) -> Iterator[Html]:
    network, measure = foremost(reproduction)
    networks = reproduction.recipe.networks
    reasons = why_not_comparable(reproduction)
    is_measured = any(score_of(reproduction, network.name, way) for way in WAYS)
    level: Level = "failure" if not is_measured else "warning" if reasons else "note"
    word = "Nothing measured" if not is_measured else NOT_COMPARABLE if reasons else "Claimed and measured"
    why = [f"{'; '.join(reasons)}.".capitalize()] if reasons else []
    yield headline(level, word, finding(reproduction), *why, is_long=True)
    unequal = list(unequal_trainings(reproduction))
    if unequal:
        more = "A network that is shown more films learns more, so what changes between its ways is not the work of the ways alone."
        yield alert("warning", "Training was unequal, or may have been", bullets(unequal), more)
    changes = (_changes(reproduction, each, measure, runs) for each in networks)
    told = [
        ranges(reproduction),
        leak_words(reproduction.row(network.name, "own")),
        *weaknesses(reproduction),
        *(line for lines in changes for line in lines),
    ]
    if any(told):
        yield bullets(filter(None, told))
    yield paragraph(
        "Each network was trained once in each way. The intervals are about other test films, not about another training: "
        "another seed alone often moves accuracy by a point.",
        soft=True,
    )


def _changes(reproduction: Reproduction, network: RecipeNetwork, measure: str, runs: Runs) -> list[str]:
    """What changes from way to way: a line each of one network; of several networks one line a network."""
    found = [step_words(step) for step in steps(reproduction, network.name, measure, runs)]
    if len(reproduction.recipe.networks) == 1 or not found:
        return found
    return [f"{network.name}, {MEASURES[measure]}: {' '.join(found)}"]


# The numbers ----------------------------------------------------------------------------------------------------------


def _numbers(reproduction: Reproduction, runs: Runs) -> Iterator[Html]:
    yield claimed_and_measured(reproduction)
    networks = reproduction.recipe.networks
    tables = []
    for measures in _COLUMNS:
        rows = [row for network in networks for row in _rows(reproduction, network, measures)]
        words = " and ".join(MEASURES[measure] for measure in measures)
        caption = f"{words[:1].upper()}{words[1:]}: claimed, and measured on the test films with 95% intervals"
        tables.append(table(caption, [*texts("Network"), *numbers(*map(title_of, measures))], rows))
    yield figures(*tables)
    quoted = [
        joined(strong(f"{network.name}: "), network.claimed.words)
        for network in reproduction.recipe.networks
        if network.claimed.words
    ]
    if quoted:
        yield paragraph("In the words of the source:")
        yield bullets(quoted)
    yield from _steps_table(reproduction, runs)
    yield from _trainings_table(reproduction)


def _rows(reproduction: Reproduction, network: RecipeNetwork, measures: Sequence[str]) -> Iterator[list[str]]:
    claims = [claimed_of(network.claimed, measure) for measure in measures]
    yield [_named(network.name, "claimed"), *("–" if claim is None else f"{claim:.3f}" for claim in claims)]
    if not is_tried(reproduction, network.name):
        yield [_named(network.name, absence(None)), *"–" * len(measures)]
        return
    for way in WAYS:
        row = reproduction.row(network.name, way)
        if row is None or row.problem:
            yield [_named(network.name, f"{WAY_WORDS[way]}: {absence(row)}"), *"–" * len(measures)]
        else:
            scores = (estimate(row.scores[measure]) if measure in row.scores else "–" for measure in measures)
            yield [_named(network.name, WAY_WORDS[way]), *scores]


def _trainings_table(reproduction: Reproduction) -> Iterator[Html]:
    """What each training was shown, how long it took, and what it was judged on."""
    rows = [
        [
            _named(row.network, WAY_WORDS[row.way] + (f": {absence(row)}" if row.problem else "")),
            _films_shown(reproduction, row),
            _time(row),
            number_and_ends(f"{test_films(row):,} ({counted(row.leaks, 'leak')})") if row.confusion else "–",
        ]
        for row in reproduction.rows
    ]
    if rows:
        yield table("The trainings", [*texts("Network"), *numbers("Films shown", "Time", "Test films")], rows)
        yield paragraph(
            "Films shown: in training, a film each time it came; below it, the same in epochs. Time: of the "
            "training with its validation, without reading the films before and judging them after. Leaks: test films that share "
            "a patient or a picture with a training film.",
            soft=True,
        )


def _films_shown(reproduction: Reproduction, row: Trained) -> Html | str:
    """`448 (0.1 epochs)`; the epochs alone where the films were not counted."""
    if not row.films_seen:
        return "–" if row.problem else counted(row.epochs, "epoch")
    films = sum(reproduction.films.get(row.way, {}).get("train", {}).values())
    return number_and_ends(f"{row.films_seen:,}" + (f" ({in_epochs(row.films_seen / films)})" if films else ""))


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
            "together from those of both, as of independent films: too wide, if anything, where some are the same. Each stands by "
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


def _reading(reproduction: Reproduction, runs: Runs) -> Iterator[Html]:
    lungs_alone = [each.name for each in reproduction.recipe.networks if sees_lungs_alone(reproduction, each)]
    told = {
        WAY_WORDS[
            "own"
        ]: "as the authors split, at random over films, but with the leak-free split's numbers of each class. Films of one "
        "patient, and copies of one picture, can lie on both sides, so a network may know a test film from training.",
        WAY_WORDS[
            "leak-free"
        ]: "the same shares of films, but a patient, and all copies of a picture, lie on one side.",
        WAY_WORDS["no-lungs"]: _LUNGS_ALONE if lungs_alone else _LUNGS_BLACK,
        **_MEASURES_EXPLAINED,
    }
    yield bullets(joined(strong(f"{word[:1].upper()}{word[1:]}: "), meaning) for word, meaning in told.items())
    yield paragraph(f"{_test_films_told(runs)} All scores rest on probabilities calibrated on validation films.")
    known = _provenance(reproduction.made)
    if known:
        yield facts([*known, *_machine(reproduction, runs)])
    fingerprint = _inputs(reproduction).get("manifest")
    if fingerprint:
        yield paragraph("Fingerprint of the manifest: ", code(str(fingerprint)), soft=True)
    if reproduction.made.get("command"):
        yield paragraph("Made by ", code(str(reproduction.made["command"])), soft=True)


def _test_films_told(runs: Runs) -> str:
    """Whether the own and the leak-free split can be held against each other film by film."""
    own, leak_free = ([run for (_, way), run in runs.items() if way == wanted] for wanted in ("own", "leak-free"))
    if own and leak_free and have_same_test_films(own[0], leak_free[0]):
        return (
            "The own and the leak-free split have the same test films: hardly a film here shares its patient or its picture "
            "with another, as far as patients are known, so there is no leak that could be seen."
        )
    return (
        "The own and the leak-free split have other test films, so their numbers differ by chance, too; what the intervals allow "
        "to be said stands beside each difference."
    )


def _inputs(reproduction: Reproduction) -> dict[str, Any]:
    inputs = reproduction.made.get("inputs")
    return inputs if isinstance(inputs, dict) else {}


def _machine(reproduction: Reproduction, runs: Runs) -> Iterator[tuple[str, str]]:
    """What the trainings ran on, as they say themselves."""
    done = [run.completion() for run in runs.values() if run.is_complete]
    for title, name in (("Device", "device"), ("Threads", "threads"), ("Arithmetic", "precision")):
        known = dict.fromkeys(str(facts_of[name]) for facts_of in done if facts_of.get(name) not in (None, ""))
        if known:
            yield title, ", ".join(known)
    platform = reproduction.made.get("platform")
    if platform:
        yield "System", str(platform)


def _provenance(made: Any) -> list[tuple[str, str]]:
    versions = made.get("versions")
    version = versions.get("plainfilm") if isinstance(versions, dict) else None
    made_at = str(made.get("made_at") or "").replace("T", " ").replace("+00:00", " UTC")
    known = {"Made at": made_at, "Seed": made.get("seed"), "plainfilm": version}
    return [(name, str(value)) for name, value in known.items() if value not in (None, "")]
