"""The page of an explanation: every map beside its film, and what the checks say of it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from plainfilm.core.explainer import Explainer
from plainfilm.core.explanation import (
    EMPTY,
    LEAST_STABILITY,
    MOST_RESEMBLANCE,
    PASSES,
    PASSES_UNSHUFFLED,
    UNSHUFFLED,
    UNTRIED,
    Explanation,
    Trust,
)
from plainfilm.core.overlay import colours, film_picture, overlay
from plainfilm.core.page import (
    Html,
    Level,
    Section,
    alert,
    code,
    colour_scale,
    film,
    headline,
    joined,
    mark,
    numbers,
    page,
    pairs,
    paragraph,
    section,
    strong,
    table,
    texts,
)
from plainfilm.core.words import counted
from plainfilm.judge.audit.page import verdict_block
from plainfilm.judge.audit.standing import Standing
from plainfilm.judge.overlay import Shown, jpeg, number, with_alarm

MOST_ON_PAGE = 100
_MOST_ROWS = 1000
_SIDE_PX = 320
_LETTER = 1 / 13  # of the side: pictures are small on a page
_WHAT = (
    "A map shows where a film speaks for a class: the last feature map of the network, weighted by how much each feature counts "
    "for the class (Grad-CAM). It is coarse, it is scaled by its own largest value, and it says where the network looks, not that "
    "what it sees there is disease. The lungs are outlined in light blue."
)
_WHERE, _STABLE = (
    ("In the lungs", "the share of the map's positive strength inside the lungs, beside the share of the film that the lungs take "
     "up, which is what a map without preference would have"),
    ("Stable", "the smallest correlation with the maps of the film shifted by 2% each way, laid back; "
     f"expected {LEAST_STABILITY} or more"),
)  # fmt: skip
_SHUFFLED = (
    "Like shuffled networks'", "the rank correlation with the maps of the same film from the same network, its weights shuffled "
    f"(Adebayo et al. 2018); expected {MOST_RESEMBLANCE} or less: what needs no weights shows the picture, not the network"
)  # fmt: skip
_UNSHUFFLED = (
    "Like shuffled networks': not tried", "a bundle cannot shuffle its network, so whether these maps need what it has learnt "
    "(Adebayo et al. 2018) is not known from here; explaining the run that it was made of tells"
)  # fmt: skip


@dataclass(frozen=True)
class Pictured:
    """One map as the page shows it.

    film, overlay: JPEG files. reason: why the film was turned away, "" where it was not. places: of the map, "7 x 7".
    """

    name: str
    film: bytes
    overlay: bytes
    shown: Shown
    reason: str
    places: str

    @classmethod
    def of(cls, explanation: Explanation, shown: Shown, reason: str, opacity: float) -> Pictured:
        """Draw it."""
        drawn = overlay(explanation.fitted, explanation.strength[shown.c], explanation.lungs, _SIDE_PX, opacity)
        places = " x ".join(str(side) for side in explanation.strength.shape[1:])
        plain = film_picture(explanation.fitted, _SIDE_PX)
        return cls(explanation.film, jpeg(plain), jpeg(with_alarm(drawn, shown.trust, _LETTER)), shown, reason, places)


def explain_page(
    explainer: Explainer, audited: Standing, maps: pd.DataFrame, pictured: Sequence[Pictured], made: Mapping[str, Any]
) -> str:
    """The page as HTML. audited: what is known of the model. maps: the table of explain.csv. pictured: the first of its maps."""
    mapped = maps[maps["class"] != ""]
    sections = [section("The model's score", _audit(audited))]
    sections += [_summary(explainer, mapped, pictured)] if len(mapped) else []
    if pictured:
        sections.append(section("Maps", pairs(_couple(one) for one in pictured)))
    sections += _tables(mapped, maps[maps["class"] == ""], has_shuffled=bool(explainer.shuffled))
    lead = f"{counted(len(mapped), 'map')} of {explainer.name}"
    if pictured:
        lead += f", {pictured[0].places} places each"
    return page("What the network sees", sections, lead=lead, footer=_footer(made))


def _audit(audited: Standing) -> Html:
    """What the audit of the model says: where it looks matters as much as what its score is worth."""
    if audited.audit is None:
        return headline("note", "Audit: None", audited.why_not)
    return verdict_block(audited.audit)


def _summary(explainer: Explainer, mapped: pd.DataFrame, pictured: Sequence[Pictured]) -> Section:
    has_shuffled = bool(explainer.shuffled)
    empty = int((mapped["verdict"] == EMPTY).sum())
    region = explainer.predictor.preprocess.region
    checks = (_WHERE, _STABLE, _SHUFFLED if has_shuffled else _UNSHUFFLED)
    parts = [_verdict_on(mapped, has_shuffled), paragraph(_WHAT)]
    parts.append(colour_scale(colours()[:, ::-1], "0", "the largest strength of a map"))
    parts += [paragraph(strong(f"{name}: "), words + ".") for name, words in checks]
    if region == "background":
        parts.append(paragraph("This network never sees the lungs, they are black to it: no map can speak of them."))
    if region == "lungs":
        parts.append(
            paragraph(
                "This network sees the lungs alone, all else is black to it: that its maps lie in the lungs says little, and"
                " strength beside them speaks of their outline."
            )
        )
    if empty:
        parts.append(paragraph(f"{counted(empty, 'map')} empty: nothing in the film speaks for the class.", soft=True))
    if len(pictured) < len(mapped):
        parts.append(
            paragraph(
                f"The first {len(pictured)} maps are shown here; all of them lie in ", code("overlays/"), ".", soft=True
            )
        )
    return section("Summary", *parts)


def _verdict_on(mapped: pd.DataFrame, has_shuffled: bool) -> Html:
    """What is said of all maps together."""
    failing, maps = int(mapped["verdict"].str.startswith("FAILS").sum()), counted(len(mapped), "map")
    if failing:
        level: Level = "failure" if failing * 2 > len(mapped) else "warning"
        return alert(
            level, f"{failing} of {maps} cannot be trusted", "Each says so on its face, with the check that it fails."
        )
    if untried := int(mapped["verdict"].str.startswith(UNTRIED).sum()):
        return alert(
            "note",
            f"No map fails, and {untried} of {maps} could not be tried in everything",
            "Each says what was missing: lungs in the film, or places enough to compare.",
        )
    if not has_shuffled:
        return alert(
            "note",
            "No map fails what a bundle can try",
            "Where each map lies, and whether it stays when the film is shifted.",
        )
    return alert(
        "pass", "No map fails a check", "That a map passes does not make it right: it is where the network looks."
    )


def _couple(one: Pictured) -> tuple[Html, Html, Html]:
    trust = one.shown.trust
    answer = "" if math.isnan(one.shown.probability) else f" {one.shown.probability:.3f}"
    words = [strong(one.shown.name), answer, ". "]
    if one.reason:
        words += [mark("failure", "turned away"), f" {one.reason}. "]
    if trust.is_empty:
        words += [mark("note", "empty"), " nothing speaks for it. "]
    else:
        words += [
            f"In the lungs {number(trust.share_in_lungs)}, by chance {number(trust.lungs_share)}. ",
            f"Stable {number(trust.stability)}. ",
            f"Like shuffled networks' {number(trust.resemblance)}. " if trust.has_shuffled else "",
            *_verdict(trust),
        ]
    name = f"{one.shown.name} over {one.name}"
    return (
        film(one.film, f"The film {one.name}"),
        film(one.overlay, f"Heatmap of {name}: {trust.verdict}"),
        paragraph(*words, Html("<br>"), one.name),
    )


def _verdict(trust: Trust) -> tuple[str, str]:
    if trust.failures:
        return mark("failure", "fails"), f" {'; '.join(trust.failures)} "
    if trust.verdict == PASSES:
        return mark("pass", "passes"), " "
    if trust.verdict == PASSES_UNSHUFFLED:
        return mark("note", PASSES_UNSHUFFLED.partition(":")[0]), " "
    own = "; ".join(words for words in trust.untried if words != UNSHUFFLED)  # that one stands above all maps
    return mark("note", UNTRIED), f" {own} "


def _tables(mapped: pd.DataFrame, others: pd.DataFrame, *, has_shuffled: bool) -> list[Section]:
    found = []
    if len(mapped):
        named = ["share_in_lungs", "lungs_share", "stability", *["randomisation"] * has_shuffled]
        rows = [
            (
                str(row["film"]),
                str(row["class"]),
                number(row["probability"], 3),
                *(number(row[name]) for name in named),
                str(row["verdict"]),
            )
            for row in mapped.head(_MOST_ROWS).to_dict("records")
        ]
        columns = [
            *texts("Film", "Class"),
            *numbers("Probability", "In the lungs", "By chance", "Stable", *["Like shuffled"] * has_shuffled),
            *texts("Verdict"),
        ]
        more = "" if len(mapped) <= _MOST_ROWS else f"; the first {_MOST_ROWS}, explain.csv has all"
        found.append(section("Table", table(f"{counted(len(mapped), 'map')}{more}", columns, rows)))
    if len(others):
        reasons = [
            (str(row["film"]), str(row["turned_away"] or row["error"]))
            for row in others.head(_MOST_ROWS).to_dict("records")
        ]
        found.append(
            section(
                "Films without a map",
                table(f"{counted(len(others), 'film')}, turned away or unreadable", texts("Film", "Reason"), reasons),
            )
        )
    return found


def _footer(made: Mapping[str, Any]) -> Html:
    return paragraph(joined("Made by ", code(str(made["command"])), f" at {made['made_at']}."), soft=True)
