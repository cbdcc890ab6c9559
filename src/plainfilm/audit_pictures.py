"""Sample films for the page of an audit: what each network was given to see."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from plainfilm.audit_networks import SEEN_NAMES, RunFilms, SmallFilms
from plainfilm.core.regions import SEEN, hide_lungs, seen_parts
from plainfilm.core.words import counted

if TYPE_CHECKING:
    from plainfilm.judge.audit.page import Shown


def shown_less(films: SmallFilms) -> list[Shown]:
    """One judged film of the first class, as each retrained network sees such films."""
    from plainfilm.judge.audit.page import Shown

    place = _first_with_lungs(films.lungs, films.places(films.side))
    return [
        Shown(seen_parts(films.pixels[place], seen, films.lungs[place])[0], f"What one network saw: {SEEN_NAMES[seen]}")
        for seen in SEEN
    ]


def shown_hidden(films: RunFilms) -> list[Shown]:
    """One film as it is, without its lungs, and without all else."""
    from plainfilm.judge.audit.page import Shown

    place = _first_with_lungs(films.lungs, np.arange(len(films.rows)))
    film, lungs = films.pixels[place], films.lungs[place]
    return [
        Shown(film[0], "As it is"),
        Shown(hide_lungs(film, lungs)[0], "The lungs hidden"),
        Shown(seen_parts(film, "lungs", lungs)[0], "All but the lungs hidden"),
    ]


def shown_maps(films: RunFilms, answer: Sequence[str], mean_map: NDArray[np.float32]) -> list[Shown]:
    """For each answer the mean of its films, under the mean of their maps. The line is where half of the films have lungs.

    mean_map: (C, h, w), NaN for a class that was never answered.
    """
    from plainfilm.judge.audit.page import Shown
    from plainfilm.judge.overlay import overlay

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

    return [Shown(stamp.draw(films.pixels[:1])[0], stamp.key) for stamp in STAMPS]


def shown_changes(films: RunFilms, seed: int) -> list[Shown]:
    """One film after each change."""
    from plainfilm.judge.audit.changes import CHANGES
    from plainfilm.judge.audit.page import Shown

    rng = np.random.default_rng(seed)
    return [Shown(one.apply(films.pixels[:1], rng)[0], f"{one.title}: {one.strength}") for one in CHANGES]


def _first_with_lungs(lungs: NDArray[np.bool_], places: Sequence[int] | NDArray[np.int64]) -> NDArray[np.int64]:
    """The first of some films in which lungs were found, else the first of all; one place, as an array."""
    found = [place for place in places if lungs[place].any()]
    return np.array([(found or list(places))[0]])
