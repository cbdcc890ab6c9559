"""One network of a reproduction: how it learnt, whom it takes for whom, each class against its claim, and where its reports lie."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any
from urllib.parse import quote

from plainfilm.core.bootstrap import Interval, interval_of
from plainfilm.core.files import read_json
from plainfilm.core.html import breakable, element
from plainfilm.core.matrix import matrices, matrix
from plainfilm.core.page import (
    Html,
    Section,
    alert,
    drawings,
    estimate,
    heading,
    joined,
    link,
    numbers,
    paragraph,
    section,
    table,
    texts,
)
from plainfilm.core.recipe import RecipeNetwork
from plainfilm.core.reproduction import CLASS_SCORES, WAYS, Reproduction, Trained, Way
from plainfilm.core.run import Run
from plainfilm.core.words import counted
from plainfilm.judge.reproduce.charts import learning_curves, roc_curves, ways_legend
from plainfilm.judge.reproduce.words import WAY_WORDS, Runs, test_films

_CLASS_TITLES = {"sensitivity": "Sensitivity (recall)", "precision": "Precision", "f1": "F1", "auroc": "AUROC"}


def network_section(reproduction: Reproduction, network: RecipeNetwork, runs: Runs) -> Section:
    """Everything about one network."""
    rows = {way: row for way in WAYS if (row := reproduction.row(network.name, way))}
    own_runs = {way: runs[network.name, way] for way in WAYS if (network.name, way) in runs}
    return section(
        network.name,
        *_how(rows, own_runs),
        *_learning(own_runs, _is_augmented(reproduction, network)),
        *_confusion(reproduction, rows),
        *_classes(reproduction, network, rows, own_runs),
        *_roc(reproduction, rows, own_runs),
    )


def _how(rows: Mapping[Way, Trained], runs: Mapping[Way, Run]) -> Iterator[Html]:
    for way in WAYS:
        row = rows.get(way)
        if row is None:
            yield alert("note", f"{WAY_WORDS[way].capitalize()}: not trained yet")
        elif row.problem:
            above = link("What was not the recipe", "#what-was-not-the-recipe")
            why = paragraph(joined("Why stands under ", above, "."))
            yield alert("failure", f"{WAY_WORDS[way].capitalize()}: the training failed", why)
    reports = [
        link(WAY_WORDS[way], f"{quote(row.run)}/report.html")
        for way, row in rows.items()
        if way in runs and (runs[way] / "report.html").is_file()
    ]
    if reports:
        listed = (part for place, one in enumerate(reports) for part in ([" · ", one] if place else [one]))
        yield paragraph(joined("The runs' own reports: ", *listed))


def _is_augmented(reproduction: Reproduction, network: RecipeNetwork) -> bool:
    settings = asdict(reproduction.recipe.config(network))
    return any(value for name, value in settings.items() if name.startswith("augment_") and name != "augment_share")


def _learning(runs: Mapping[Way, Run], is_augmented: bool) -> Iterator[Html]:
    histories = {way: history for way, run in runs.items() if (history := run.history())}
    yield heading("Learning curves")
    charts = learning_curves(histories, is_augmented)
    if not charts:
        yield paragraph("No epoch is recorded.")
        return
    yield ways_legend(list(histories))
    yield charts


# Confusion ------------------------------------------------------------------------------------------------------------


def _confusion(reproduction: Reproduction, rows: Mapping[Way, Trained]) -> Iterator[Html]:
    known = {way: row for way, row in rows.items() if row.confusion}
    if not known:
        return
    classes = reproduction.recipe.classes
    yield heading("Confusion matrices")
    yield paragraph(
        "Test films, true classes down, predicted ones across; the deeper the colour, the larger the share of the true class."
    )
    shown = []
    for way, row in known.items():
        right = sum(row.confusion[place][place] for place in range(len(row.confusion)))
        caption = f"{right:,} of {counted(test_films(row), 'film')} lie on the diagonal."
        shown.append(matrix(WAY_WORDS[way].capitalize(), classes, row.confusion, caption))
    yield matrices(*shown)


# Classes --------------------------------------------------------------------------------------------------------------


def _classes(
    reproduction: Reproduction, network: RecipeNetwork, rows: Mapping[Way, Trained], runs: Mapping[Way, Run]
) -> Iterator[Html]:
    """Scores of each class; specificity, too, where the recipe's authors show it."""
    judged = {way: row for way, row in rows.items() if row.class_scores}
    if not judged:
        return
    yield heading("Each class against the rest")
    claims = network.claimed.f1
    is_specificity_shown = any("specificity" in shown.lower() for shown in reproduction.recipe.shows)
    specificity = {way: _specificity(runs[way]) for way in judged if way in runs} if is_specificity_shown else {}
    further = 1 if is_specificity_shown else 0
    lines = []
    for place, name in enumerate(reproduction.recipe.classes):
        if name in claims:
            cells = (f"{claims[name]:.3f}" if score == "f1" else "–" for score in CLASS_SCORES)
            lines.append([_named(name, "claimed"), *cells, *"–" * further, "–"])
        for way, row in judged.items():
            scores = row.class_scores.get(name, {})
            films = f"{sum(row.confusion[place]):,}" if row.confusion else "–"
            found = [scores.get(score) for score in CLASS_SCORES]
            found += [specificity.get(way, {}).get(name)] * further
            lines.append([_named(name, WAY_WORDS[way]), *map(_cell, found), films])
    titles = [*(_CLASS_TITLES[score] for score in CLASS_SCORES), *["Specificity"] * further, "Test films"]
    columns = [*texts("Class"), *numbers(*titles)]
    yield table("Test films, with 95% intervals", columns, lines)


def _specificity(run: Run) -> dict[str, Interval]:
    """That of each class on the run's test films; empty where it was not written down."""
    measured = _of_test_films(run).get("metrics", {})
    return {name: interval_of(value) for name in run.classes if (value := measured.get(f"specificity/{name}"))}


def _named(name: str, word: str) -> Html:
    return joined(breakable(name), Html("<br>"), element("small", word))


def _cell(score: Interval | None) -> Html | str:
    return "–" if score is None else estimate(score)


# ROC ------------------------------------------------------------------------------------------------------------------


def _roc(reproduction: Reproduction, rows: Mapping[Way, Trained], runs: Mapping[Way, Run]) -> Iterator[Html]:
    """ROC curves, where the recipe's authors show them."""
    if not any("roc" in shown.lower() for shown in reproduction.recipe.shows):
        return
    known = [way for way, row in rows.items() if row.class_scores and way in runs]
    found = {way: curve for way in known if (curve := _roc_of(runs[way]))}
    areas = {
        way: {name: scores["auroc"] for name, scores in rows[way].class_scores.items() if "auroc" in scores}
        for way in known
    }
    charts = list(roc_curves(reproduction.recipe.classes, found, areas))
    if charts:
        yield heading("ROC curves")
        yield ways_legend(list(found))
        yield drawings(*charts)


def _roc_of(run: Run) -> Mapping[str, Any]:
    """The ROC of each class on the run's test films; empty where it was not written down."""
    curves: Mapping[str, Any] = _of_test_films(run).get("curves", {}).get("roc", {})
    return curves


def _of_test_films(run: Run) -> Mapping[str, Any]:
    """What metrics.json says of the test films; empty where it says nothing."""
    path = run / "metrics.json"
    splits = read_json(path).get("splits", {}) if path.is_file() else {}
    found: Mapping[str, Any] = splits.get("test", {})
    return found
