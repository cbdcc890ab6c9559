"""The job behind `plainfilm explain`: films in, overlays, a contact sheet, the arrays and a table out, of a run or of a bundle."""

from __future__ import annotations

import math
import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from os import cpu_count
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from plainfilm.core.bundle import SHIPPED, Bundle
from plainfilm.core.cells import csv_line, harmless
from plainfilm.core.explainer import Explainer
from plainfilm.core.files import cannot_write, make_directory, provenance, refuse_foreign, write_json, written_whole
from plainfilm.core.maps import Floats
from plainfilm.core.progress import Progress, Silence
from plainfilm.core.run import Run
from plainfilm.core.words import NOTICE
from plainfilm.errors import BadBundle, BadConfig, BadRun, CannotWrite
from plainfilm.jobs import films_at, require_extra
from plainfilm.judge.audit.standing import Standing, bundle_standing, standing
from plainfilm.serve.films import OUR_PICTURES
from plainfilm.serve.journal import lock_of, only_writer

if TYPE_CHECKING:
    from plainfilm.core.explanation import Explanation
    from plainfilm.core.predictor import Answer
    from plainfilm.judge.overlay import Shown

ALL = "all"
_PAGE, _OVERLAYS, _UNFINISHED = "explain.html", "overlays", ".unfinished"
_FILES = (_PAGE, "explain.csv", "contact-sheet.png", "maps.npz", OUR_PICTURES)
_OURS = re.compile(r"\d{4,}-.*\.png|" + re.escape(OUR_PICTURES))
_LONGEST_STEM = 60
_TEXTS = ("film", "answer", "class", "verdict", "status", "turned_away", "error", "overlay")
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
        return self.directory / _PAGE


class _Arrays(NamedTuple):
    """What maps.npz holds of one film."""

    film: str
    logit: Floats
    strength: Floats


def open_model(place: Path) -> Run | Bundle:
    """The run in a folder, or the bundle in a file. Raises BadRun, BadBundle."""
    if not place.exists() and place != SHIPPED:
        raise BadRun('is missing: name a run, the folder that "plainfilm train" made, or a bundle of it', place)
    return Run.open(place) if place.is_dir() else Bundle.open(place, threads=cpu_count() or 1)


def standing_of(model: Run | Bundle) -> Standing:
    """What is known of a model's score: its audit, or why there is none. Raises BadBundle where a bundle's is damaged."""
    return bundle_standing(model) if isinstance(model, Bundle) else standing(model)


def explain_paths(
    model: Run | Bundle,
    sources: Sequence[Path],
    directory: Path,
    *,
    classes: Sequence[str] = (),
    opacity: float = 0.6,
    even_turned_away: bool = False,
    progress: Progress | None = None,
) -> Explained:
    """Explain a model's answers for files and all films in folders; everything is written into `directory`, or nothing.

    model: a run, which needs torch and tries each map by the randomisation test too; or a bundle, which needs no torch and cannot.
    classes: whose maps to show; each film's own answer where empty, all where ("all",). opacity: 0..1, of the strongest place.
    even_turned_away: show the maps of films that are not answered too; the reason stands on them, and they get no probability.
    Raises BadConfig for an unknown class or opacity, BadRun or BadBundle where the network has no maps, BadImage where a source is
    missing or a folder empty, CannotWrite where `directory` holds something else or another process writes there, MissingExtra for
    a run without torch.
    """
    wanted, audited = _places(model.classes, classes), standing_of(model)
    if not 0 < opacity <= 1:
        raise BadConfig(f"opacity is {opacity:g}, expected more than 0 and at most 1")
    _refuse_foreign(directory)
    paths = list(films_at(sources))
    out: Progress = progress or Silence()
    explainer = _explainer_of(model, out)
    made = (
        provenance(None, bundle=model.sha256)
        if isinstance(model, Bundle)
        else provenance(None, run=str(model.directory))
    )
    with _written_together(directory) as stage:
        for folder in (stage, stage / _OVERLAYS):  # so that nobody takes for films what was drawn of films
            write_json(folder / OUR_PICTURES, {"note": NOTICE, "made": made})
        table = _explain_into(stage, explainer, audited, paths, wanted, opacity, even_turned_away, made, out)
    return Explained(table, directory)


def _explainer_of(model: Run | Bundle, out: Progress) -> Explainer:
    if isinstance(model, Bundle):
        if not model.network.has_maps:
            raise BadBundle(f"gives no heatmaps: {model.about.get('why_no_heatmaps') or 'it says not why'}", model.path)
        network = model.about.get("network", "a network")
        return Explainer(f"{model.name} ({network}, a bundle in {model.precision})", model.predictor)
    require_extra("explain with a run")
    from plainfilm.learn.explain import explainer_of

    model.require_complete()
    return explainer_of(model, out)


def _places(known: Sequence[str], classes: Sequence[str]) -> list[int]:
    """The chosen classes by their places; none for each film's own answer."""
    if tuple(classes) == (ALL,) and ALL not in known:
        return list(range(len(known)))
    if ALL in classes and ALL not in known:
        raise BadConfig("--class all stands for every class: leave out the others")
    unknown = [name for name in classes if name not in known]
    if unknown:
        raise BadConfig(f'--class {unknown[0]}: is none of its classes. Choose of {", ".join(known)}, or "all"')
    return [known.index(name) for name in dict.fromkeys(classes)]


def _explain_into(
    stage: Path,
    explainer: Explainer,
    audited: Standing,
    paths: Sequence[Path],
    wanted: Sequence[int],
    opacity: float,
    even_turned_away: bool,
    made: dict[str, object],
    out: Progress,
) -> pd.DataFrame:
    from plainfilm.judge.explain_page import MOST_ON_PAGE, Pictured, explain_page
    from plainfilm.judge.overlay import MOST_ON_SHEET, explanation_png, sheet_png, tile

    rows: list[dict[str, object]] = []
    tiles: list[tuple[NDArray[np.uint8], str, str]] = []
    pictured: list[Pictured] = []
    kept: list[_Arrays] = []
    films = explainer.explain(paths, out, even_turned_away=even_turned_away)
    for place, (answer, explanation) in enumerate(films, 1):
        if explanation is None:
            rows.append(_row_without_map(answer))
            continue
        shown = _shown(explainer, answer, explanation, wanted)
        name = f"{place:04d}-{_plain(Path(answer.film).stem)}.png"
        reason = answer.turned_away
        warning = f"TURNED AWAY: {reason}. This film gets no answer." if reason else ""
        with written_whole(stage / _OVERLAYS / name) as temporary:
            temporary.write_bytes(
                explanation_png(explanation, shown, title=answer.film, warning=warning, opacity=opacity)
            )
        rows += [_row(answer, one, f"{_OVERLAYS}/{name}") for one in shown]
        kept.append(_Arrays(explanation.film, explanation.logit, explanation.strength))
        for one in shown:
            line = f"{one.name}: turned away" if reason else f"{one.name} {one.probability:.3f}"
            if len(tiles) < MOST_ON_SHEET:
                tiles.append((tile(explanation, one, opacity), f"{place}: {Path(answer.film).name}", line))
            if len(pictured) < MOST_ON_PAGE:
                pictured.append(Pictured.of(explanation, one, reason, opacity))
    table = pd.DataFrame(rows, columns=list(_COLUMNS))
    if tiles:
        note = "" if explainer.shuffled else "A bundle cannot shuffle its network: the randomisation test was not made."
        with written_whole(stage / "contact-sheet.png") as temporary:
            temporary.write_bytes(sheet_png(tiles, note))
        _write_arrays(stage / "maps.npz", explainer, kept)
    with written_whole(stage / _PAGE) as temporary:
        temporary.write_text(explain_page(explainer, audited, table, pictured, made), encoding="utf-8", newline="\n")
    with written_whole(stage / "explain.csv") as temporary:
        cells = table.assign(**{name: table[name].map(harmless) for name in _TEXTS})
        with temporary.open("w", encoding="utf-8", newline="\n") as file:
            file.write(csv_line(list(cells.columns)))
            file.writelines(csv_line([_cell(value) for value in row]) for row in cells.itertuples(index=False))
    return table


def _cell(value: str | float) -> str:
    if isinstance(value, str):
        return value
    return "" if math.isnan(value) else f"{value:.6f}"


def _shown(explainer: Explainer, answer: Answer, explanation: Explanation, wanted: Sequence[int]) -> list[Shown]:
    from plainfilm.judge.overlay import Shown

    predictor, unknown = explainer.predictor, float("nan")
    probability = predictor.calibration.probability(explanation.logit[None].astype(np.float64))[0]
    return [
        Shown(c, answer.classes[c], float(probability[c]) if answer.is_answered else unknown, explanation.trust(c))
        for c in wanted or [int(probability.argmax())]
    ]


def _row(answer: Answer, one: Shown, overlay: str) -> dict[str, object]:
    return _row_without_map(answer) | {
        "answer": answer.label or "",
        "class": one.name,
        "probability": one.probability,
        "share_in_lungs": one.trust.share_in_lungs,
        "lungs_share": one.trust.lungs_share,
        "stability": one.trust.stability,
        "randomisation": one.trust.resemblance,
        "verdict": one.trust.verdict,
        "overlay": overlay,
    }


def _row_without_map(answer: Answer) -> dict[str, object]:
    blank: dict[str, object] = {name: "" if name in _TEXTS else float("nan") for name in _COLUMNS}
    return blank | {
        "film": answer.film,
        "status": "error" if answer.error else "ok",
        "turned_away": answer.turned_away,
        "error": answer.error,
    }


def _plain(stem: str) -> str:
    """A film's name as part of a file's name; the number before it tells those of one name apart."""
    return re.sub(r"[^\w.-]", "_", stem)[:_LONGEST_STEM]


def _write_arrays(path: Path, explainer: Explainer, kept: Sequence[_Arrays]) -> None:
    """films (N,), classes (C,): names. logit (N, C), strength (N, C, h, w): float32, raw. size: the fitted film's side, pixels."""
    with written_whole(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(
            file,
            films=np.array([each.film for each in kept]),
            classes=np.array(explainer.predictor.classes),
            logit=np.stack([each.logit for each in kept]),
            strength=np.stack([each.strength for each in kept]),
            size=np.array(explainer.predictor.preprocess.size),
        )


def _refuse_foreign(directory: Path) -> None:
    own = (*_FILES, _OVERLAYS, _UNFINISHED, lock_of(directory / _PAGE).name)
    refuse_foreign(directory, own, "explanation")
    overlays = directory / _OVERLAYS
    foreign = (
        sorted(path.name for path in overlays.iterdir() if not _OURS.fullmatch(path.name)) if overlays.is_dir() else []
    )
    if foreign:
        raise CannotWrite(f"holds {foreign[0]}, which is no overlay: choose another -o", overlays)


@contextmanager
def _written_together(directory: Path) -> Iterator[Path]:
    """A folder to write into; at the end all of it takes the place of what an earlier time left in `directory`, else it goes.

    Raises CannotWrite where another process is at it.
    """
    is_new = not directory.exists()
    stage = make_directory(directory) / _UNFINISHED
    try:
        with only_writer(directory / _PAGE), _emptied(stage):
            yield stage
            for name in (*_FILES, _OVERLAYS):
                old, new = directory / name, stage / name
                shutil.rmtree(old) if old.is_dir() else old.unlink(missing_ok=True)
                if new.exists():
                    new.replace(old)
    except OSError as cause:
        raise cannot_write(directory, cause) from cause
    finally:
        if is_new and not any(directory.iterdir()):
            directory.rmdir()


@contextmanager
def _emptied(stage: Path) -> Iterator[None]:
    """The folder, with nothing of an earlier time in it that was killed; gone at the end."""
    try:
        shutil.rmtree(stage, ignore_errors=True)
        make_directory(stage / _OVERLAYS)
        yield
    finally:
        shutil.rmtree(stage, ignore_errors=True)
