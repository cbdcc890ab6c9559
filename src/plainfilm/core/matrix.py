"""A confusion matrix as a small table of a page, its cells shaded in the page's own colours, so that several stand side by side."""

from __future__ import annotations

from collections.abc import Sequence

from plainfilm.core.html import Html, breakable, element

_DARKEST = 45  # percent of the colour: what still lets words be read


def matrix(title: str, classes: Sequence[str], counts: Sequence[Sequence[int]], caption: str) -> Html:
    """Films by true class (rows) and predicted class (columns), shaded by their share of the true class.

    counts: [truth][predicted], films. caption: what stands below.
    Raises ValueError where a row or a column is missing.
    """
    if len(counts) != len(classes) or any(len(row) != len(classes) for row in counts):
        raise ValueError(f'the matrix "{title}" has not {len(classes)} rows and columns')
    names = [element("th", breakable(name), scope="col") for name in classes]
    top = element("tr", element("td", "True \\ predicted", class_="corner"), *names)
    rows = (
        element("tr", element("th", breakable(name), scope="row"), *(_cell(films, sum(row)) for films in row))
        for name, row in zip(classes, counts, strict=True)
    )
    whole = element("table", element("thead", top), element("tbody", *rows), class_="matrix")
    scroll = element("div", whole, class_="scroll", role="region", aria_label=title, tabindex="0")
    return element("figure", element("h4", title), scroll, element("figcaption", caption))


def matrices(*shown: Html) -> Html:
    """Matrices side by side where there is room."""
    return element("div", *shown, class_="matrices")


def _cell(films: int, of: int) -> Html:
    share = films / of if of else 0.0
    shade = f"background:color-mix(in srgb, var(--link) {share * _DARKEST:.0f}%, var(--paper))"
    written = element("small", f"{share:.0%}") if of and films else ""
    return element("td", element("span", f"{films:,}"), written, style=shade)
