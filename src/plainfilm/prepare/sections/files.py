"""How large the films are, of which shape, and in which kind of file they lie."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from plainfilm.core.chart import Spread, spreads
from plainfilm.core.page import Html, Section, drawing, drawings, numbers, paragraph, section, table, texts
from plainfilm.core.words import counted
from plainfilm.prepare.sections.seen import Seen, named

_KINDS_SHOWN = 10
_CLASSES_SIDE_BY_SIDE = 8
_QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
_FORMATS = {"jpeg": "JPEG", "png": "PNG", "tiff": "TIFF", "bmp": "BMP", "webp": "WebP", "dicom": "DICOM"}
_COLOURS = {"rgb": "colour", "rgba": "colour and opacity", "palette": "palette"}


def files_section(seen: Seen) -> Section:
    """Sizes, shapes and formats by class."""
    films, facts = seen.films[seen.is_shown], seen.survey.facts[seen.is_shown]
    if films.empty:
        return section("Sizes, shapes and files", paragraph("No film can be read."))
    width, height = facts["width"].to_numpy(np.float64), facts["height"].to_numpy(np.float64)
    sizes = pd.Series([f"{w:,.0f} × {h:,.0f}" for w, h in zip(width, height, strict=True)], index=films.index)
    return section(
        "Sizes, shapes and files",
        _in_words(sizes, width, height),
        _charts(
            seen,
            films["label"],
            {"longer side, pixels": np.maximum(width, height), "width over height": width / height},
        ),
        _by_kind(seen, "Size in pixels, width × height", sizes, films["label"]),
        _by_kind(seen, "Kind of file", _file_kinds(facts), films["label"]),
    )


def _in_words(sizes: pd.Series[str], width: NDArray[np.float64], height: NDArray[np.float64]) -> Html:
    commonest = sizes.value_counts()
    if len(commonest) == 1:
        return paragraph(f"All {len(sizes):,} readable films measure {commonest.index[0]} pixels.")
    square = int((width == height).sum())
    return paragraph(
        f"{len(commonest):,} sizes; the commonest, {commonest.index[0]}, holds {commonest.iloc[0] / len(sizes):.0%} of the "
        f"films. {counted(square, 'film is', 'films are')} square, {int((width > height).sum()):,} wider than high, "
        f"{int((width < height).sum()):,} higher than wide."
    )


def _charts(seen: Seen, label: pd.Series[str], quantities: Mapping[str, NDArray[np.float64]]) -> Html:
    """How each quantity is spread in each class; nothing of one that is the same in all films."""
    drawn = []
    for unit, values in quantities.items():
        if np.ptp(values) == 0:
            continue
        rows = []
        for name in seen.labels:
            inside = values[(label == name).to_numpy()]
            if len(inside):
                quantiles = np.quantile(inside, _QUANTILES)
                text = f"{quantiles[2]:.4g} ({quantiles[0]:.4g} to {quantiles[4]:.4g})"
                rows.append(Spread(named(name), seen.colours[name], quantiles.tolist(), text))
        title = unit[:1].upper() + unit[1:]
        drawn.append(
            drawing(
                title, spreads(title, rows, unit), "The middle film, half of the films, and nine in ten (in brackets)."
            )
        )
    return drawings(*drawn) if drawn else Html()


def _file_kinds(facts: pd.DataFrame) -> pd.Series[str]:
    """Format, depth and colour of each file, in words."""
    names = ("format", "coding", "bit_depth", "colour", "is_inverted", "jpeg_quality")
    words = [
        ", ".join(
            filter(
                None,
                [
                    " ".join(filter(None, [_FORMATS.get(kind, kind), coding])),
                    f"{bits:.0f} bits",
                    _COLOURS.get(colour, colour),
                    "stored inverted" if is_inverted else "",
                    "" if np.isnan(quality) else f"quality {quality:.0f}",
                ],
            )
        )
        for kind, coding, bits, colour, is_inverted, quality in facts[list(names)].to_numpy(object)
    ]
    return pd.Series(words, index=facts.index, dtype=object)


def _by_kind(seen: Seen, title: str, kinds: pd.Series[str], label: pd.Series[str]) -> Html:
    """The commonest kinds, with the films of each class where the classes fit side by side."""
    commonest = kinds.value_counts()
    names = seen.labels if len(seen.labels) <= _CLASSES_SIDE_BY_SIDE else ()
    rows = []
    for kind in commonest.index[:_KINDS_SHOWN]:
        inside = label[kinds == kind]
        rows.append([str(kind), *(_count(int((inside == name).sum())) for name in names), f"{commonest[kind]:,}"])
    rest = ~kinds.isin(commonest.index[:_KINDS_SHOWN])
    if rest.any():
        others = counted(len(commonest) - _KINDS_SHOWN, "other")
        rows.append([others, *(_count(int((label[rest] == name).sum())) for name in names), f"{int(rest.sum()):,}"])
    return table(f"{title}, readable films", [*texts(title), *numbers(*map(named, names), "All")], rows)


def _count(films: int) -> str:
    return f"{films:,}" if films else "–"
