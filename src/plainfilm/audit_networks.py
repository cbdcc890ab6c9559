"""What an audit asks of networks: small ones that are retrained on less, and the run's own on films that are changed.

Answers of retrained networks lie in a folder as tables of scores, signed with what decides them; an audit that was stopped finds
them there and does not ask again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from plainfilm.core.calibration import Calibration
from plainfilm.core.chest import reasons
from plainfilm.core.lungs import segmenter_version
from plainfilm.core.manifest import Manifest
from plainfilm.core.masks import FOUND, lung_masks
from plainfilm.core.predictions import Predictions
from plainfilm.core.preprocess import Preprocess
from plainfilm.core.progress import Progress
from plainfilm.core.regions import SEEN_NAMES, Seen, hide_lungs, seen_parts
from plainfilm.core.thumbnail import thumbnail
from plainfilm.core.words import counted
from plainfilm.errors import BadManifest, BadPredictions
from plainfilm.prepare.left_out import LeftOut, LeftOutPlan

if TYPE_CHECKING:
    from plainfilm.learn.changed import Asked

_VERSION = 1  # of how the small networks are trained; counts up when old answers no longer hold
_FEWEST = 20  # films that are learnt from, and that are judged
_LEFT_OUT_SHARE = 0.5  # of a whole course, for a source left out


@dataclass(frozen=True)
class SmallFilms:
    """The labelled films of a manifest, small, as retrained networks see them.

    rows: N rows of the manifest. pixels: (N, S, S) uint8. lungs: (N, S, S) bool; lungs_by: by whom they are known.
    label: (N,) in 0..C-1. column: of the split. side: "test", or "val" where nothing is test: the films that are judged.
    """

    manifest: Manifest
    rows: pd.DataFrame
    pixels: NDArray[np.uint8]
    lungs: NDArray[np.bool_]
    lungs_by: str
    label: NDArray[np.int64]
    column: str
    side: str

    @classmethod
    def opened(cls, manifest: Manifest, column: str, progress: Progress) -> SmallFilms:
        """Decode the films and find their lungs. Raises BadManifest where there is too little to learn from or to judge."""
        from plainfilm.learn.device import chosen_device
        from plainfilm.learn.films import cache_films
        from plainfilm.learn.infer import cacheable
        from plainfilm.learn.probe import SIZE_PX

        if column not in manifest.films:
            raise BadManifest(f'has no split column "{column}"', manifest.path)
        rows = cacheable(manifest, column)
        side = "test" if (rows[column] == "test").any() else "val"
        for name in ("train", side):
            films = int((rows[column] == name).sum())
            if films < _FEWEST:
                raise BadManifest(
                    f"has {counted(films, 'readable, labelled film')} in {column} {name}, and an audit needs {_FEWEST} or more",
                    manifest.path,
                )
        recipe = Preprocess(size=SIZE_PX)
        cache = cache_films(manifest, rows, recipe, chosen_device("cpu"), progress)
        lungs, lungs_by = lung_masks(manifest, cache.rows, cache.pixels, recipe, progress)
        index = {name: place for place, name in enumerate(manifest.classes)}
        label = np.array([index[name] for name in cache.rows["label"]], np.int64)
        return cls(manifest, cache.rows, cache.pixels, lungs, lungs_by, label, column, side)

    @property
    def without_lungs(self) -> frozenset[str]:
        """The films in which no lungs were found, by image_id: where lungs are to be hidden, they are shown whole."""
        return frozenset(self.rows["image_id"].to_numpy()[~self.lungs.any(axis=(1, 2))].tolist())

    def places(self, *sides: str, column: str = "") -> NDArray[np.int64]:
        """Where the films of some sides of the split are."""
        return np.flatnonzero(self.rows[column or self.column].isin(sides))

    def scores(
        self, places: NDArray[np.int64], logit: NDArray[np.float32], model: str, column: str = ""
    ) -> Predictions:
        """A table of scores of some of the films."""
        rows = self.rows.iloc[places]
        return Predictions.of(rows.assign(split=rows[column or self.column]), logit, self.manifest.classes, model)


def retrained(
    films: SmallFilms, parts: Sequence[Seen], folder: Path, seed: int, progress: Progress
) -> dict[Seen, Predictions]:
    """Scores of the validation and test films from a network for each of some parts, trained on that alone.

    Nothing is picked on validation films, so both are films never seen.
    """
    learnt, judged = films.places("train"), films.places("val", "test")
    masks = hashlib.sha256(np.packbits(films.lungs).tobytes()).hexdigest()  # the set's own may be mended between audits
    found: dict[Seen, Predictions] = {}
    for number, seen in enumerate(parts, start=1):
        label = f"Training on {SEEN_NAMES[seen]} ({number} of {len(parts)})"

        def pixels(seen: Seen = seen) -> NDArray[np.uint8]:
            return seen_parts(films.pixels, seen, films.lungs)

        hidden_by = masks if seen in ("background", "lungs") else ""
        path = folder / f"{seen}.csv"
        found[seen] = _probed(films, pixels, learnt, judged, path, seed, label, progress, hidden_by=hidden_by)
    return found


def without_sources(
    films: SmallFilms, plan: LeftOutPlan, most: int, folder: Path, seed: int, progress: Progress
) -> tuple[dict[str, Predictions], dict[str, str]]:
    """For each of the largest sources, scores of a network that never saw it: on its films, and on others that it never saw.

    most: sources that are tried. Returns the scores by source, and source -> why it was not tried.
    """
    rows = films.rows.merge(plan.manifest.films[["image_id", *(split.column for split in plan.splits)]], on="image_id")
    joined = replace(films, rows=rows)
    tried: list[LeftOut] = []
    refused: dict[str, str] = {}
    for split in plan.splits:  # the plan knows films that have no place in the split, which are not here
        if not len(joined.places("test", column=split.column)):
            refused[split.source] = f"it has no readable film with a place in {films.column}"
        elif len(joined.places("train", column=split.column)) < _FEWEST:
            refused[split.source] = f"without it, fewer than {_FEWEST} films are left to learn from"
        elif len(tried) == most:
            refused[split.source] = f"the audit tries the {most} largest sources that leave enough to learn from"
        else:
            tried.append(split)
    found = {}
    for number, split in enumerate(tried, start=1):
        learnt = joined.places("train", column=split.column)
        judged = joined.places("val", "test", column=split.column)
        label = f"Training without {split.source} ({number} of {len(tried)})"
        path = folder / f"{split.column}.csv"
        found[split.source] = _probed(
            joined, lambda: films.pixels, learnt, judged, path, seed, label, progress, split.column, _LEFT_OUT_SHARE
        )
    return found, refused


def _probed(
    films: SmallFilms,
    pixels: Callable[[], NDArray[np.uint8]],
    learnt: NDArray[np.int64],
    judged: NDArray[np.int64],
    path: Path,
    seed: int,
    label: str,
    progress: Progress,
    column: str = "",
    share: float = 1.0,
    hidden_by: str = "",
) -> Predictions:
    """Scores from the table at `path` where it was made of the same, else from a network trained now.

    hidden_by: what stands for the masks where the pixels depend on them.
    """
    from plainfilm.learn.device import chosen_device
    from plainfilm.learn.probe import course_films, probe

    shown = round(share * course_films(len(learnt)))
    key = hashlib.sha256(
        "\n".join(
            [
                f"{_VERSION} {seed} {shown} {films.manifest.fingerprint} {column or films.column}",
                films.lungs_by + (segmenter_version() if films.lungs_by == FOUND else ""),
                *filter(None, [hidden_by]),
                *films.rows["image_id"].iloc[learnt],
            ]
        ).encode()
    ).hexdigest()[:16]
    model = f"{path.stem} ({key})"
    if path.is_file():
        try:
            kept = Predictions.open(path)
            if set(kept.table["model"]) == {model} and len(kept.table) == len(judged):
                return kept
        except BadPredictions:
            pass  # half a table, or another's: made anew
    with progress.task(label, shown) as task:
        logit = probe(
            pixels(),
            films.label,
            learnt,
            judged,
            len(films.manifest.classes),
            device=chosen_device("auto"),
            seed=seed,
            task=task,
            shown=shown,
        )
    found = films.scores(judged, logit, model, column)
    found.write(path)
    return found


# The run's own network ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class RunFilms:
    """Some films of a run's manifest in the form in which they are changed before the run is asked about them.

    rows: N rows. pixels: (N, S, S) uint8, fitted, without contrast and region. lungs: (N, S, S) bool.
    """

    asked: Asked
    rows: pd.DataFrame
    pixels: NDArray[np.uint8]
    lungs: NDArray[np.bool_]

    @classmethod
    def opened(cls, asked: Asked, manifest: Manifest, sides: tuple[str, ...], progress: Progress) -> RunFilms:
        """Decode the films of some sides of the run's split, and find their lungs."""
        from plainfilm.learn.films import cache_films
        from plainfilm.learn.infer import cacheable

        column = asked.run.config.split
        rows = cacheable(manifest, column)
        cache = cache_films(manifest, rows, asked.bare, asked.device, progress)
        chosen = np.flatnonzero(cache.rows[column].isin(sides))
        pixels = np.asarray(cache.pixels[chosen])
        some = cache.rows.iloc[chosen].reset_index(drop=True)
        lungs, _ = lung_masks(manifest, some, pixels, asked.bare, progress)
        return cls(asked, some.assign(split=some[column]), pixels, lungs)

    @property
    def has_lungs(self) -> NDArray[np.bool_]:
        """(N,) whether lungs were found."""
        return np.asarray(self.lungs.any(axis=(1, 2)), np.bool_)

    def drawn(self, side: str, most: int, seed: int) -> NDArray[np.bool_]:
        """(N,) at most so many films of one side, drawn by chance."""
        places = np.flatnonzero(self.rows["split"] == side)
        is_drawn = np.zeros(len(self.rows), np.bool_)
        is_drawn[np.random.default_rng(seed).permutation(places)[:most]] = True
        return is_drawn

    def where(self, chosen: NDArray[np.bool_]) -> RunFilms:
        """The films that `chosen` marks."""
        rows = self.rows[chosen].reset_index(drop=True)
        return RunFilms(self.asked, rows, self.pixels[chosen], self.lungs[chosen])

    def scores(
        self, pixels: NDArray[np.uint8], label: str, progress: Progress, calibration: Calibration | None = None
    ) -> Predictions:
        """Scores of these films with other pixels, (N, S, S) uint8.

        calibration: the run's, where it is to be asked too which of them are turned away.
        """
        run = self.asked.run
        with progress.task(label, len(pixels)) as task:
            found = self.asked.scores(pixels, task)
        table = Predictions.of(self.rows, found.logit, run.classes, run.config.model, found.embedding)
        if calibration is None:
            return table
        gate = reasons(np.stack([thumbnail(film) for film in pixels]))
        return table.with_reasons(calibration.reasons_to_turn_away(gate, found.embedding))

    def with_parts_hidden(self, progress: Progress) -> dict[str, Predictions]:
        """Scores with the lungs, with everything but the lungs, and with everything but the border hidden."""
        without, alone = hide_lungs(self.pixels, self.lungs), seen_parts(self.pixels, "lungs", self.lungs)
        return {
            "lungs": self.scores(without, "Hiding the lungs", progress),
            "background": self.scores(alone, "Hiding all but the lungs", progress),
            "middle": self.scores(seen_parts(self.pixels, "border"), "Hiding all but the border", progress),
        }
