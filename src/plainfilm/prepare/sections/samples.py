"""Films of each class drawn by chance, and each class as one picture: its mean, its spread, and what sets it apart."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from plainfilm.core.page import (
    Html,
    Section,
    colour_scale,
    film,
    film_jpeg,
    gallery,
    heading,
    joined,
    large_gallery,
    paragraph,
    section,
)
from plainfilm.core.words import counted
from plainfilm.prepare.sections.seen import Seen, named

_SIDES_PX = ((160, 256), (320, 192), (640, 128))  # up to so many films, this side: the page stays under 10 MB
_DIFFERENCE = (
    (97, 48, 5),
    (195, 147, 67),
    (247, 247, 247),
    (77, 96, 214),
    (31, 0, 103),
)  # BGR of ColorBrewer's RdBu, darker to brighter
_LEAST_DIFFERENCE = 4.0  # grey levels at the ends of the scale, where classes hardly differ


def draw_samples(seen: Seen) -> dict[str, list[int]]:
    """The rows of a few films of each class, drawn by chance, in the order of the manifest."""
    a_class = max(1, min(seen.samples, _SIDES_PX[-1][0] // max(1, len(seen.labels))))
    drawn = {}
    for name in seen.labels:
        rows = seen.rows_of(name)
        drawn[name] = sorted(seen.random(f"samples of {name}").permutation(rows)[:a_class].tolist())
    return drawn


def samples_section(seen: Seen, drawn: dict[str, list[int]]) -> Section:
    """A grid of films of each class."""
    shown = sum(map(len, drawn.values()))
    side = next((side for films, side in _SIDES_PX if shown <= films), _SIDES_PX[-1][1])
    pieces: list[Html] = []
    for name, rows in drawn.items():
        of_all = len(seen.rows_of(name))
        pieces.append(heading(joined(seen.swatch(name), f" {len(rows):,} of {counted(of_all, 'readable film')}")))
        pieces.append(gallery(seen.shown(rows, side, lambda row: (seen.text(row, "image_id"), seen.where(row)))))
    cut = max(map(len, drawn.values()), default=0) < seen.samples and any(
        len(seen.rows_of(name)) > len(drawn[name]) for name in drawn
    )
    less = " Fewer of each than asked for, since the page would grow too large." if cut else ""
    return section(
        "Sample films",
        paragraph(f"Drawn by chance (seed {seen.seed}), in their own shape, with split and source.{less}"),
        *pieces,
    )


def mean_films_section(seen: Seen) -> Section:
    """Mean, spread and difference of each class."""
    pictures, names = seen.class_films, [name for name in seen.labels if name in seen.class_films.by_class]
    if not names:
        return section("Each class as one picture", paragraph("No film can be read."))
    widest = max(1.0, *(float(pictures.by_class[name].spread.max()) for name in names))
    apart = max(_LEAST_DIFFERENCE, *(float(np.abs(pictures.difference(name)).max()) for name in names))
    absent = [named(name) for name in seen.labels if name not in names]
    several = len([name for name in names if name]) > 1
    return section(
        "Each class as one picture",
        paragraph(
            "Each film squashed to 128 × 128 pixels, its grey levels as they are, then averaged pixel by pixel. What "
            "stands out here is what all films of a class have in common: anatomy, but just as well the habits of a "
            "hospital, markers, borders.",
            f" Without a readable film: {', '.join(absent)}." if absent else "",
        ),
        heading("Mean film"),
        large_gallery(_tile(seen, name, pictures.by_class[name].mean, "Mean film") for name in names),
        heading("Spread"),
        paragraph(
            "The standard deviation at each place: dark where the films of a class are all alike, bright where they differ."
        ),
        colour_scale(_inferno(np.linspace(0, 255, 256)), "0", f"{widest:.0f} of 255 grey levels"),
        large_gallery(
            _tile(seen, name, _inferno(pictures.by_class[name].spread / widest * 255), "Spread") for name in names
        ),
        *(_differences(seen, names, apart) if several else ()),
    )


def _differences(seen: Seen, names: list[str], apart: float) -> tuple[Html, ...]:
    pictures = seen.class_films
    return (
        heading("Difference from the mean of all classes"),
        paragraph(
            "Red where films of the class are brighter than the mean of all classes (each counting alike), blue where "
            "they are darker. Below each, how far chance alone moves a pixel (1.96 standard errors, from the number of "
            "groups); smaller differences mean nothing."
        ),
        colour_scale(_diverging(np.linspace(-1, 1, 256)), f"{apart:.0f} grey levels darker", f"{apart:.0f} brighter"),
        large_gallery(
            _tile(
                seen,
                name,
                _diverging(pictures.difference(name) / apart),
                "Difference",
                f"chance alone: {_chance(seen, name)}",
            )
            for name in names
        ),
    )


def _chance(seen: Seen, name: str) -> str:
    """1.96 standard errors of the class's mean at its median pixel; films of a group count as one."""
    groups = seen.films.loc[seen.rows_of(name), "group"].nunique()
    if groups < 2:
        return "unknown"
    return f"± {1.96 * np.median(seen.class_films.by_class[name].spread) / np.sqrt(groups):.1f}"


def _tile(seen: Seen, name: str, picture: NDArray[np.float64] | NDArray[np.uint8], what: str, *more: str) -> Html:
    pixels = np.clip(np.rint(picture), 0, 255).astype(np.uint8)
    films = counted(seen.class_films.by_class[name].films, "film")
    return film(film_jpeg(pixels, 256), f"{what} of {named(name)}", seen.swatch(name), " · ".join([films, *more]))


def _inferno(levels: NDArray[np.float64]) -> NDArray[np.uint8]:
    """(...) 0..255 -> (..., 3) BGR."""
    grey = np.clip(np.rint(levels), 0, 255).astype(np.uint8)
    return np.asarray(cv2.applyColorMap(grey.reshape(len(grey), -1), cv2.COLORMAP_INFERNO), np.uint8).reshape(
        *grey.shape, 3
    )


def _diverging(shares: NDArray[np.float64]) -> NDArray[np.uint8]:
    """(...) -1..1 -> (..., 3) BGR, white at 0."""
    places = np.linspace(-1, 1, len(_DIFFERENCE))
    channels = [np.interp(shares, places, [colour[channel] for colour in _DIFFERENCE]) for channel in range(3)]
    return np.rint(np.stack(channels, axis=-1)).astype(np.uint8)
