"""What the settings of a training do to a film: contrast, fit, region, and what `learn` shows of augmentation."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from plainfilm.core.page import Html, Section, alert, film, film_jpeg, heading, paragraph, section, strip
from plainfilm.core.preprocess import Contrast, Fit, Pixels, Preprocess
from plainfilm.errors import BadImage
from plainfilm.prepare.sections.seen import Seen, named

_IN_A_STRIP = 6
_SIDE_PX = 192
_CONTRASTS: dict[Contrast, str] = {
    "none": "as the file has it",
    "stretch": "the 1st to 99th percentile over the whole scale",
    "equalize": "every grey level equally common",
    "clahe": "the same tile by tile, with a limit",
    "gamma": "brighter below 1, darker above",
}
_GAMMAS = (0.6, 1.6)
_FITS: dict[Fit, str] = {
    "squash": "both sides to the size of the network's input; shapes change",
    "pad": "black beside it; nothing is lost, pixels are wasted",
    "crop": "the middle; the rest is lost",
}
_UPRIGHT = 3 / 4  # what square films are trimmed to, so that the three fits differ


class Example(NamedTuple):
    """What one setting does. name: the setting. told: its value and meaning. films: (K, H, W) uint8."""

    name: str
    told: str
    films: NDArray[np.uint8]


Augment = Callable[[NDArray[np.uint8]], list[Example]]


def settings_section(seen: Seen, drawn: Mapping[str, list[int]], augment: Augment | str) -> Section:
    """Films under each setting. augment: shows augmentations of (N, H, H) uint8 films, or says why it cannot."""
    films = list(_readable_films(seen, drawn))
    if not films:
        return section("What the settings do", paragraph("No film can be read."))
    return section(
        "What the settings do",
        paragraph(
            f'The settings of "plainfilm train", each alone, at {_SIDE_PX} pixels. Contrast, fit and region belong to the '
            "recipe of every film; augmentation varies the films of the training only, anew in each epoch."
        ),
        heading("Contrast"),
        *(_strip(name, told, recipe, films) for name, told, recipe in _contrast_recipes()),
        heading("Fit"),
        *_fits(seen),
        *_regions(seen),
        heading("Augmentation"),
        *_augmented(films, augment),
    )


def _readable_films(seen: Seen, drawn: Mapping[str, list[int]]) -> Iterator[tuple[str, Pixels]]:
    """One of the drawn films of each class, then a second one, and so on until a strip is full: name and pixels."""
    turns = max(map(len, drawn.values()), default=0)
    candidates = [(name, rows[turn]) for turn in range(turns) for name, rows in drawn.items() if turn < len(rows)]
    found = 0
    for name, row in candidates:
        if found == _IN_A_STRIP:
            return
        try:
            pixels = seen.pixels(row)
        except BadImage:
            continue
        found += 1
        yield named(name), pixels


def _contrast_recipes() -> Iterator[tuple[str, str, Preprocess]]:
    for contrast in get_args(Contrast):
        for gamma in _GAMMAS if contrast == "gamma" else (1.0,):
            name = f"contrast {contrast}" + (f", gamma {gamma:g}" if contrast == "gamma" else "")
            yield name, _CONTRASTS[contrast], Preprocess(size=_SIDE_PX, contrast=contrast, gamma=gamma)


def _strip(name: str, told: str, recipe: Preprocess, films: list[tuple[str, Pixels]]) -> Html:
    return strip(name, told, (_picture(recipe.fitted(pixels), f"{label}, {name}") for label, pixels in films))


def _fits(seen: Seen) -> Iterator[Html]:
    """The least square films under each fit; where all are square, trimmed ones stand in."""
    facts = seen.survey.facts
    shape = (facts["width"] / facts["height"]).to_numpy(np.float64)
    rows = np.flatnonzero(seen.is_shown)
    ranked = rows[np.argsort(shape[rows], kind="stable")]
    half = _IN_A_STRIP // 2
    chosen = dict.fromkeys([*ranked[:half].tolist(), *ranked[::-1][:half].tolist()])
    films = []
    for row in chosen:
        try:
            films.append((named(seen.text(row, "label")), seen.pixels(row)))
        except BadImage:
            continue
    if all(pixels.shape[0] == pixels.shape[1] for _, pixels in films):
        yield paragraph(
            "All films here are square, so the three fits are one. To show what they would do, these were trimmed to 3:4 first."
        )
        films = [(label, _trimmed(pixels)) for label, pixels in films]
    else:
        yield paragraph("The narrowest and the widest films of the set.")
    for fit in get_args(Fit):
        yield _strip(f"fit {fit}", _FITS[fit], Preprocess(size=_SIDE_PX, fit=fit), films)


def _trimmed(pixels: Pixels) -> Pixels:
    """The middle of a square film, 3:4."""
    side = pixels.shape[1]
    left = round(side * (1 - _UPRIGHT) / 2)
    return pixels[:, left : max(left + 1, side - left)]


def _regions(seen: Seen) -> Iterator[Html]:
    """Films with the lungs alone that are found in them, and with all but the lungs."""
    chosen = seen.random("masks").permutation(np.flatnonzero(seen.is_shown))[:_IN_A_STRIP]
    films = []
    for row in sorted(chosen.tolist()):
        try:
            films.append((named(seen.text(row, "label")), seen.pixels(row)))
        except BadImage:
            continue
    if films:
        yield heading("Region")
        yield _strip(
            "region lungs",
            "all outside the lungs that are found becomes black",
            Preprocess(size=_SIDE_PX, region="lungs"),
            films,
        )
        yield _strip(
            "region background",
            "the lungs that are found, what lies between them and a margin become black",
            Preprocess(size=_SIDE_PX, region="background"),
            films,
        )


def _augmented(films: list[tuple[str, Pixels]], augment: Augment | str) -> Iterator[Html]:
    if isinstance(augment, str):
        yield alert("note", "Not shown here", f"{augment}.")
        return
    fitted = np.stack([Preprocess(size=_SIDE_PX).fitted(pixels) for _, pixels in films])
    yield paragraph(
        "A strip of one film begins with the film as it is and goes from weak to strong among what training may draw."
    )
    for example in augment(fitted):
        yield strip(example.name, example.told, (_picture(one, f"A film, {example.name}") for one in example.films))


def _picture(pixels: NDArray[np.uint8], alt: str) -> Html:
    return film(film_jpeg(pixels, _SIDE_PX), alt)
