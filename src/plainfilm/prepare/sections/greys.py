"""How grey levels are spread in the films of each class."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from plainfilm.core.bootstrap import Interval, percentile_interval, resample
from plainfilm.core.chart import grey_curve
from plainfilm.core.page import Html, Section, drawing, drawings, estimate, numbers, paragraph, section, table, texts
from plainfilm.core.ranking import Floats, Integers, each_once, share_of
from plainfilm.core.words import counted
from plainfilm.prepare.facts import HISTOGRAM
from plainfilm.prepare.sections.seen import Seen, named

_QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
_REPEATS = 1000
_LEVEL = 0.95
_MEASURES = {"grey": "Mean grey level", "contrast": "Contrast", "black": "Share of black", "white": "Share of white"}


def greys_section(seen: Seen) -> Section:
    """A curve with bands for each class, and the means with intervals."""
    rows = {name: seen.rows_of(name) for name in seen.labels}
    rows = {name: chosen for name, chosen in rows.items() if len(chosen)}
    if not rows:
        return section("Grey levels", paragraph("No film can be read."))
    shares = seen.survey.facts[list(HISTOGRAM)].to_numpy(np.float64)
    bands = {name: np.quantile(shares[chosen], _QUANTILES, axis=0) for name, chosen in rows.items()}
    middle = np.median(shares[seen.is_shown], axis=0)
    highest = max(0.02, *(float(band[-1, 1:-1].max()) for band in bands.values()))
    curves = (
        drawing(
            named(name),
            grey_curve(f"Grey levels of {named(name)}", band, middle, highest, seen.colours[name]),
            _said(seen, name),
        )
        for name, band in bands.items()
    )
    return section(
        "Grey levels",
        paragraph(
            "How often each grey level occurs in a film, in 32 steps from black to white. Line: the middle film of the "
            "class, step by step; bands: half of its films, and nine in ten; dotted: the middle of all films. Peaks at "
            "the ends may be cut off."
        ),
        drawings(*curves),
        _means(seen, rows),
    )


def _said(seen: Seen, name: str) -> str:
    return counted(len(seen.rows_of(name)), "film")


def _means(seen: Seen, rows: dict[str, NDArray[np.intp]]) -> Html:
    """Means over films, with intervals over groups."""
    facts = seen.survey.facts
    values = {
        "grey": seen.class_films.grey / 255,
        "contrast": seen.class_films.contrast / 255,
        "black": facts["black"].to_numpy(np.float64),
        "white": facts["white"].to_numpy(np.float64),
    }
    chosen = np.flatnonzero(seen.is_shown)
    of_class = np.stack([(seen.films["label"] == name).to_numpy()[chosen] for name in rows]).astype(
        np.float64
    )  # (C, N)
    found = _intervals(
        np.stack([value[chosen] for value in values.values()]),
        of_class,
        seen.films["group"].to_numpy(object)[chosen],
        seen.seed,
    )
    lines = (
        [seen.swatch(name), *(estimate(interval) for interval in found[place]), f"{len(chosen_rows):,}"]
        for place, (name, chosen_rows) in enumerate(rows.items())
    )
    return table(
        "Means over the films of a class, as shares of the full scale; contrast is the standard deviation of a film's "
        f"grey levels. In brackets {_LEVEL:.0%} intervals, {_REPEATS:,} bootstraps over groups",
        [*texts("Class"), *numbers(*_MEASURES.values(), "Films")],
        lines,
    )


def _intervals(values: Floats, of_class: Floats, group: NDArray[np.object_], seed: int) -> list[list[Interval]]:
    """[class][measure] the mean and its interval. values: (M, N); of_class: (C, N) 1 for the films of a class."""
    weighted = (of_class[:, None] * values).reshape(-1, values.shape[1]).T  # (N, C * M)

    def statistic(weight: Integers) -> Floats:
        films = weight @ of_class.T  # (W, C)
        return share_of((weight @ weighted).reshape(len(weight), len(of_class), -1), films[..., None])

    value = statistic(each_once(values.shape[1]))[0]
    low, high, undefined_share = percentile_interval(resample(statistic, group, repeats=_REPEATS, seed=seed), _LEVEL)
    return [
        [Interval(*ends) for ends in measures]
        for measures in np.stack([value, low, high, undefined_share], axis=-1).tolist()
    ]
