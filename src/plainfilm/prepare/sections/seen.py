"""What the parts of the explore page are written from: the films as the manifest knows them, as they were seen, and as pictures."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from os import cpu_count
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from plainfilm.core.image import read_film
from plainfilm.core.looks import class_looks
from plainfilm.core.manifest import Manifest
from plainfilm.core.page import Html, film, film_jpeg, swatch
from plainfilm.core.preprocess import Pixels, to_uint8
from plainfilm.core.progress import Progress
from plainfilm.errors import BadImage
from plainfilm.prepare.class_films import ClassFilms, class_films
from plainfilm.prepare.scan import scan_films
from plainfilm.prepare.survey import Survey

NO_LABEL = "no label"
_NO_COLOUR = "#8a94a3"
_CHANGED = "holds other pixels than when the manifest was made"


@dataclass(frozen=True)
class Seen:
    """A set of films, looked at once.

    manifest: what is known of the films. survey: the same rows as they are now; a film that the manifest calls readable and that
    cannot be read any more, or holds other pixels, has status `error` with the reason.
    samples: films of each class to show. seed: of all that is drawn by chance.
    """

    manifest: Manifest
    survey: Survey
    samples: int
    seed: int

    @cached_property
    def films(self) -> pd.DataFrame:
        """The manifest's films, rows counted from 0, `lost` holding why a film that it calls readable is so no more."""
        now, was_ok = self.survey.films, (self.manifest.films["status"] == "ok").to_numpy()
        lost = np.where(was_ok & (now["status"] == "error").to_numpy(), now["error"], "")
        return self.manifest.films.reset_index(drop=True).assign(lost=lost)

    @cached_property
    def is_shown(self) -> NDArray[np.bool_]:
        """(N,) films that can be read."""
        return (self.survey.films["status"] == "ok").to_numpy()

    @cached_property
    def class_films(self) -> ClassFilms:
        """Mean and spread of each class, and what each film has to do with its own."""
        return class_films(self.survey.thumbnails, list(self.films["label"]), self.is_shown)

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """The classes, and "" where films without a label are there."""
        return (*self.manifest.classes, *([""] if (self.films["label"] == "").any() else []))

    @cached_property
    def colours(self) -> Mapping[str, str]:
        """Of the classes, as CSS writes them."""
        known = {name: look.colour for name, look in class_looks(self.manifest.classes).items()}
        return {**known, "": _NO_COLOUR}

    def rows_of(self, label: str) -> NDArray[np.intp]:
        """The rows of the films of a class that can be read."""
        return np.flatnonzero(self.is_shown & (self.films["label"] == label).to_numpy())

    def text(self, row: int, column: str) -> str:
        """What the manifest says of one film, "" where it says nothing."""
        return str(self.films.at[row, column])

    def random(self, purpose: str) -> np.random.Generator:
        """A generator for one purpose, so that no choice moves another."""
        return np.random.default_rng([self.seed, *purpose.encode()])

    def swatch(self, label: str) -> Html:
        """The class's name beside its colour."""
        return swatch(self.colours[label], named(label))

    def pixels(self, row: int) -> Pixels:
        """The film of a row. Raises BadImage where it is gone since it was looked at."""
        return read_film(self.manifest.film_path(self.text(row, "path"))).pixels

    def picture(self, row: int, side: int) -> bytes | str:
        """The film in its own shape as a JPEG, its longer side at most `side` pixels, or why there is none."""
        try:
            return film_jpeg(to_uint8(self.pixels(row)), side)
        except BadImage as error:
            return f"cannot be shown: {error.message}"

    def shown(self, rows: Iterable[int], side: int, lines: Callable[[int], Sequence[str]]) -> list[Html]:
        """The films of some rows, each with its caption. lines: row -> the lines below it."""
        rows = [int(row) for row in rows]
        with ThreadPoolExecutor(cpu_count() or 1) as pool:
            pictures = pool.map(lambda row: self.picture(row, side), rows)
            return [
                film(picture, f"Film {self.text(row, 'image_id')}, {named(self.text(row, 'label'))}", *lines(row))
                for row, picture in zip(rows, pictures, strict=True)
            ]

    def where(self, row: int) -> str:
        """Split and source of a film, as far as they are known."""
        return " · ".join(filter(None, (self.text(row, "split"), self.text(row, "source") or "unknown source")))


def look_at(manifest: Manifest, samples: int, seed: int, progress: Progress) -> Seen:
    """Open every film of the manifest once."""
    rows = manifest.films.reset_index(drop=True).astype({"age": object, "width": object, "height": object})
    rows["path"] = [str(Path(manifest.root) / path) for path in rows["path"]]
    films, facts, thumbnails = scan_films(rows, secrets.token_bytes(32), progress)
    is_error = (rows["status"] == "error").to_numpy()
    is_changed = ~is_error & (films["status"] == "ok").to_numpy() & (films["sha256"] != rows["sha256"]).to_numpy()
    films.loc[is_error, ["status", "error"]] = rows.loc[is_error, ["status", "error"]]
    films.loc[is_changed, ["status", "error"]] = ["error", _CHANGED]
    return Seen(manifest, Survey(films, facts, thumbnails, []), samples, seed)


def named(label: str) -> str:
    """The class's name, in words where it is unknown."""
    return label or NO_LABEL
