"""The job behind `plainfilm explain`: films in, overlays, a contact sheet, the arrays and a table out."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from plainfilm.core.calibration import Calibration
from plainfilm.core.files import cannot_write, make_directory, provenance, refuse_foreign, written_whole
from plainfilm.core.predictions import Predictions
from plainfilm.core.progress import Progress, Silence
from plainfilm.core.run import Run
from plainfilm.errors import BadConfig, CannotWrite
from plainfilm.jobs import predict_paths, require_extra

if TYPE_CHECKING:
    from plainfilm.core.explanation import Explanation
    from plainfilm.judge.overlay import Shown

ALL = "all"
_OVERLAYS, _UNFINISHED = "overlays", ".unfinished"
_FILES = ("explain.html", "explain.csv", "contact-sheet.png", "maps.npz")
_OURS = re.compile(r"\d{4,}-.*\.png")
_LONGEST_STEM = 60
_COLUMNS = (
    "film", "answer", "class", "probability", "share_in_lungs", "lungs_share", "stability", "randomisation", "verdict",
    "status", "turned_away", "error", "overlay",
)  # fmt: skip


class Explained(NamedTuple):
    """What explaining gave.

    table: one row a map, or a film without one: the columns of explain.csv; NaN where unknown. directory: what was written to.
    """

    table: pd.DataFrame
    directory: Path

    @property
    def page(self) -> Path:
        """The page with the maps side by side."""
        return self.directory / "explain.html"


def explain_paths(
    run: Run,
    sources: Sequence[Path],
    directory: Path,
    *,
    classes: Sequence[str] = (),
    opacity: float = 0.6,
    even_turned_away: bool = False,
    progress: Progress | None = None,
) -> Explained:
    """Explain a run's answers for files and all films in folders; everything is written into `directory`, or nothing.

    classes: whose maps to show; each film's own answer where empty, all where ("all",). opacity: 0..1, of the strongest place.
    even_turned_away: show the maps of films that are not answered too; the reason stands on them, and they get no probability.
    Raises BadConfig for an unknown class or opacity, BadRun where the network has no maps, BadImage where a source is missing or a
    folder empty, CannotWrite where `directory` holds something else.
    """
    require_extra("explain")
    wanted = _places(run, classes)
    if not 0 < opacity <= 1:
        raise BadConfig(f"opacity is {opacity:g}, expected more than 0 and at most 1")
    _refuse_foreign(directory)
    out: Progress = progress or Silence()
    predictions = predict_paths(run, sources, out)
    with _written_together(directory) as stage:
        table = _explain_into(stage, run, predictions, wanted, opacity, even_turned_away, out)
    return Explained(table, directory)


def _places(run: Run, classes: Sequence[str]) -> list[int]:
    """The chosen classes by their places; none for each film's own answer."""
    if tuple(classes) == (ALL,) and ALL not in run.classes:
        return list(range(len(run.classes)))
    if ALL in classes and ALL not in run.classes:
        raise BadConfig("--class all stands for every class: leave out the others")
    unknown = [name for name in classes if name not in run.classes]
    if unknown:
        raise BadConfig(
            f'--class {unknown[0]}: is none of the run\'s classes. Choose of {", ".join(run.classes)}, or "all"'
        )
    return [run.classes.index(name) for name in dict.fromkeys(classes)]


def _explain_into(
    stage: Path,
    run: Run,
    predictions: Predictions,
    wanted: list[int],
    opacity: float,
    even_turned_away: bool,
    out: Progress,
) -> pd.DataFrame:
    from plainfilm.judge.explain_page import MOST_ON_PAGE, Pictured, explain_page
    from plainfilm.judge.overlay import MOST_ON_SHEET, explanation_png, sheet_png, tile
    from plainfilm.learn.explain import explain_films

    calibration = run.calibration()
    films, reasons = list(predictions.table["image_id"]), [str(reason) for reason in predictions.turned_away]
    places = [
        place
        for place, has_score in enumerate(predictions.has_score)
        if has_score and (even_turned_away or not reasons[place])
    ]
    rows = {place: [_row_without_map(predictions, place)] for place in range(len(films))}
    tiles: list[tuple[NDArray[np.uint8], str, str]] = []
    pictured: list[Pictured] = []
    kept: list[Explanation] = []
    explanations = explain_films(run, [Path(films[place]) for place in places], out) if places else iter(())
    for place, explanation in zip(places, explanations, strict=True):
        film, reason = films[place], reasons[place]
        shown = _shown(run, explanation, calibration, wanted, is_answered=reason == "")
        name = f"{place + 1:04d}-{_plain(Path(film).stem)}.png"
        warning = f"TURNED AWAY: {reason}. The run gives no answer for this film." if reason else ""
        with written_whole(stage / _OVERLAYS / name) as temporary:
            temporary.write_bytes(explanation_png(explanation, shown, title=film, warning=warning, opacity=opacity))
        answer = "" if reason else run.classes[int(_probability(explanation, calibration).argmax())]
        rows[place] = [_row(rows[place][0], one, answer, f"{_OVERLAYS}/{name}") for one in shown]
        kept.append(explanation)
        for one in shown:
            line = f"{one.name}: turned away" if reason else f"{one.name} {one.probability:.3f}"
            if len(tiles) < MOST_ON_SHEET:
                tiles.append((tile(explanation, one, opacity), f"{place + 1}: {Path(film).name}", line))
            if len(pictured) < MOST_ON_PAGE:
                pictured.append(Pictured.of(explanation, one, reason, opacity))
    table = pd.DataFrame([row for place in sorted(rows) for row in rows[place]], columns=list(_COLUMNS))
    if tiles:
        with written_whole(stage / "contact-sheet.png") as temporary:
            temporary.write_bytes(sheet_png(tiles))
        _write_arrays(stage / "maps.npz", run, kept)
    made = provenance(None, run=str(run.directory))
    with written_whole(stage / "explain.html") as temporary:
        temporary.write_text(explain_page(run, table, pictured, made), encoding="utf-8", newline="\n")
    with written_whole(stage / "explain.csv") as temporary:
        table.to_csv(temporary, index=False, lineterminator="\n", float_format="%.6f")
    return table


def _shown(
    run: Run, explanation: Explanation, calibration: Calibration, wanted: list[int], *, is_answered: bool
) -> list[Shown]:
    from plainfilm.judge.overlay import Shown

    probability = _probability(explanation, calibration)
    return [
        Shown(c, run.classes[c], float(probability[c]) if is_answered else float("nan"), explanation.trust(c))
        for c in wanted or [int(probability.argmax())]
    ]


def _probability(explanation: Explanation, calibration: Calibration) -> NDArray[np.float64]:
    """(C,) as `predict` gives them."""
    return np.asarray(calibration.probability(explanation.logit[None].astype(np.float64))[0], np.float64)


def _row(without_map: dict[str, object], one: Shown, answer: str, overlay: str) -> dict[str, object]:
    return without_map | {
        "answer": answer,
        "class": one.name,
        "probability": one.probability,
        "share_in_lungs": one.trust.share_in_lungs,
        "lungs_share": one.trust.lungs_share,
        "stability": one.trust.stability,
        "randomisation": one.trust.resemblance,
        "verdict": one.trust.verdict,
        "overlay": overlay,
    }


def _row_without_map(predictions: Predictions, place: int) -> dict[str, object]:
    film = predictions.table.iloc[place]
    blank: dict[str, object] = dict.fromkeys(_COLUMNS, "")
    unknown = dict.fromkeys(
        ("probability", "share_in_lungs", "lungs_share", "stability", "randomisation"), float("nan")
    )
    known = {name: str(film[name]) for name in ("status", "error")}
    return blank | unknown | known | {"film": film["image_id"], "turned_away": str(predictions.turned_away[place])}


def _plain(stem: str) -> str:
    """A film's name as part of a file's name; the number before it tells those of one name apart."""
    return re.sub(r"[^\w.-]", "_", stem)[:_LONGEST_STEM]


def _write_arrays(path: Path, run: Run, kept: Sequence[Explanation]) -> None:
    """films (N,), classes (C,): names. logit (N, C), strength (N, C, h, w): float32, raw. size: the fitted film's side, pixels."""
    with written_whole(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(
            file,
            films=np.array([each.film for each in kept]),
            classes=np.array(run.classes),
            logit=np.stack([each.logit for each in kept]),
            strength=np.stack([each.strength for each in kept]),
            size=np.array(run.preprocess.size),
        )


def _refuse_foreign(directory: Path) -> None:
    refuse_foreign(directory, (*_FILES, _OVERLAYS, _UNFINISHED), "explanation")
    overlays = directory / _OVERLAYS
    foreign = (
        sorted(path.name for path in overlays.iterdir() if not _OURS.fullmatch(path.name)) if overlays.is_dir() else []
    )
    if foreign:
        raise CannotWrite(f"holds {foreign[0]}, which is no overlay: choose another -o", overlays)


@contextmanager
def _written_together(directory: Path) -> Iterator[Path]:
    """A folder to write into; at the end all of it takes the place of what an earlier time left in `directory`, else it goes."""
    is_new = not directory.exists()
    stage = make_directory(directory) / _UNFINISHED
    try:
        shutil.rmtree(stage, ignore_errors=True)
        make_directory(stage / _OVERLAYS)
        yield stage
        for name in (*_FILES, _OVERLAYS):
            old, new = directory / name, stage / name
            shutil.rmtree(old) if old.is_dir() else old.unlink(missing_ok=True)
            if new.exists():
                new.replace(old)
    except OSError as cause:
        raise cannot_write(directory, cause) from cause
    finally:
        shutil.rmtree(stage, ignore_errors=True)
        if is_new and not any(directory.iterdir()):
            directory.rmdir()
