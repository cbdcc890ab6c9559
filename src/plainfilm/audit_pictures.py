"""Sample films for the page of an audit: what each network was given to see."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from plainfilm.audit_networks import RunFilms, SmallFilms
from plainfilm.core.audit import Finding
from plainfilm.core.regions import SEEN, SEEN_NAMES, hide_lungs, seen_parts
from plainfilm.core.words import counted

if TYPE_CHECKING:
    from plainfilm.judge.audit.page import Shown


_CLEAR = 0.5  # standard deviations between films: what one may see
_SURE = 6.0  # standard errors: what is no chance, though the clearest of thousands of pixels was picked
_MEAN_OF = 1000  # films at most


def shown_less(films: SmallFilms, less: Finding) -> list[Shown]:
    """A film of the class that is told best without the lungs, as each network sees it; and where such films differ from others."""
    from plainfilm.judge.audit.page import Shown

    highest = less.evidence.get("highest")
    judged = films.places(films.side)
    label = str(highest["label"]) if highest else films.rows["label"].iloc[judged[0]]
    is_of_class = (films.rows["label"] == label).to_numpy()
    place = _first_with_lungs(films.lungs, judged[is_of_class[judged]] if is_of_class[judged].any() else judged)
    shown = [
        Shown(seen_parts(films.pixels[place], seen, films.lungs[place])[0], f"A {label} film: {SEEN_NAMES[seen]}")
        for seen in SEEN
    ]
    if highest and less.verdict != "pass" and is_of_class.any() and not is_of_class.all():
        some = np.concatenate([_spread(np.flatnonzero(is_of_class)), _spread(np.flatnonzero(~is_of_class))])
        part = seen_parts(films.pixels[some], highest["sees"], films.lungs[some])
        shown.append(_difference(part, is_of_class[some], f"{label} films", SEEN_NAMES[highest["sees"]]))
    return shown


def _spread(places: NDArray[np.int64]) -> NDArray[np.int64]:
    """At most so many of them as a mean needs, spread evenly."""
    return places[:: -(-len(places) // _MEAN_OF)]


def _difference(pixels: NDArray[np.uint8], is_of_class: NDArray[np.bool_], name: str, part: str) -> Shown:
    """The mean of some films less the mean of the others: white where they are brighter, black where darker, grey where alike.

    It shows a sign in one place, a frame, another exposure; a texture, or a sign that moves about, it does not.
    """
    from plainfilm.judge.audit.page import Shown

    ours, others = (pixels[chosen] for chosen in (is_of_class, ~is_of_class))
    apart = ours.mean(0) - others.mean(0)  # (S, S) grey levels
    clear = np.abs(apart) / (np.sqrt((ours.var(0) + others.var(0)) / 2) + 1)  # in standard deviations
    row, column = np.unravel_index(int(clear.argmax()), clear.shape)
    picture = np.clip(128 + apart * (127 / max(float(np.abs(apart).max()), 1)), 0, 255).astype(np.uint8)
    told = f"The mean of the {name} less that of all others ({part})"
    films = len(ours) * len(others) / len(pixels)
    if clear.max() < max(_CLEAR, _SURE / films**0.5):
        return Shown(picture, f"{told}: no place stands out, so what tells them apart is elsewhere, such as in texture")
    side = len(clear)
    where = (
        f"{('upper', 'middle', 'lower')[3 * int(row) // side]} {('left', 'centre', 'right')[3 * int(column) // side]}"
    )
    level = float(apart[row, column])
    more = "brighter" if level > 0 else "darker"
    return Shown(
        picture, f"{told}: clearest at the {where}, where they are {more} by {abs(level):.0f} of 255 grey levels"
    )


def shown_hidden(films: RunFilms) -> list[Shown]:
    """One film as it is, without its lungs, without all else, and its border alone."""
    from plainfilm.judge.audit.page import Shown

    place = _first_with_lungs(films.lungs, np.arange(len(films.rows)))
    film, lungs = films.pixels[place], films.lungs[place]
    return [
        Shown(films.asked.fitted(film)[0], "As the run sees it"),
        Shown(films.asked.fitted(hide_lungs(film, lungs))[0], "The lungs hidden"),
        Shown(films.asked.fitted(seen_parts(film, "lungs", lungs))[0], "All but the lungs hidden"),
        Shown(films.asked.fitted(seen_parts(film, "border"))[0], "All but the border hidden"),
    ]


def shown_maps(films: RunFilms, answer: Sequence[str], mean_map: NDArray[np.float32]) -> list[Shown]:
    """For each answer the mean of its films, under the mean of their maps. The line is where half of the films have lungs.

    mean_map: (C, h, w), NaN for a class that was never answered.
    """
    from plainfilm.core.overlay import overlay
    from plainfilm.judge.audit.page import Shown

    drawn = []
    for name, strength in zip(films.asked.run.classes, mean_map, strict=True):
        chosen = np.array([one == name for one in answer])
        if chosen.any() and not np.isnan(strength).any():
            film = films.pixels[chosen].mean(0).astype(np.uint8)
            picture = overlay(film, strength, films.lungs[chosen].mean(0) >= 0.5, len(film))
            told = f"{name}: mean map of {counted(int(chosen.sum()), 'film')} with this answer"
            drawn.append(Shown(picture[..., ::-1], told))
    return drawn


def shown_stamps(films: RunFilms) -> list[Shown]:
    """One film with each stamp."""
    from plainfilm.judge.audit.page import Shown
    from plainfilm.judge.audit.stamp_drawing import STAMPS

    return [Shown(films.asked.fitted(stamp.draw(films.pixels[:1]))[0], stamp.key) for stamp in STAMPS]


def shown_changes(films: RunFilms, seed: int) -> list[Shown]:
    """One film after each change."""
    from plainfilm.judge.audit.changes import CHANGES
    from plainfilm.judge.audit.page import Shown

    rng = np.random.default_rng(seed)
    return [
        Shown(films.asked.fitted(one.apply(films.pixels[:1], rng))[0], f"{one.title}: {one.strength}")
        for one in CHANGES
    ]


def _first_with_lungs(lungs: NDArray[np.bool_], places: Sequence[int] | NDArray[np.int64]) -> NDArray[np.int64]:
    """The first of some films in which lungs were found, else the first of all; one place, as an array."""
    found = [place for place in places if lungs[place].any()]
    return np.array([(found or list(places))[0]])
