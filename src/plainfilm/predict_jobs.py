"""The job behind `plainfilm predict`: many films, in bounded memory, on all cores; written row by row, or whole and resumable.

films (serve/films.py)  ->  answers (serve/batch.py)  ->  records  ->  text that streams (serve/tables.py)
                                                                   ->  journal (serve/journal.py)  ->  file
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import chain, islice
from pathlib import Path
from typing import Any

from plainfilm.core.bundle import SHIPPED, Bundle
from plainfilm.core.files import file_sha256, provenance, written_whole
from plainfilm.core.predictor import Predictor
from plainfilm.core.progress import Progress, Silence, Task
from plainfilm.core.words import NOTICE, counted, writable_name
from plainfilm.errors import BadConfig, BadImage, Interrupted, MissingExtra
from plainfilm.serve.batch import FILMS_AT_ONCE, answer_batches, batches_of
from plainfilm.serve.films import Films
from plainfilm.serve.heatmaps import HeatmapFolder
from plainfilm.serve.journal import Journal, journal_of, only_writer
from plainfilm.serve.place import refuse_place
from plainfilm.serve.tables import Origin, Record, TableFormat, as_text, record_of

_OF_TORCH_AT_ONCE = 64  # its network runs on all cores by itself, and wants more to do each time
_COUNTED_AHEAD = 512  # films counted while one batch is answered


@dataclass(frozen=True)
class Model:
    """What answers.

    predictor: see there. path: of its bundle, or the folder of its run.
    sha256: of all that shapes its answers. bundle: its bundle's sha256; None where it is a run.
    films_at_once: of a batch. why_no_maps: why it gives no heatmaps, where it gives none and says why.
    notes: what its user should know, one sentence each.
    """

    predictor: Predictor
    path: Path
    sha256: str
    bundle: str | None
    films_at_once: int
    why_no_maps: str = ""
    notes: tuple[str, ...] = ()

    @property
    def origin(self) -> Origin:
        """Who answers, for tables."""
        return Origin(self.predictor.name, self.predictor.classes, self.bundle)


def model_of_bundle(path: Path) -> Model:
    """The model of a bundle. Raises BadBundle."""
    bundle = Bundle.open(path)
    why_no_maps = str(bundle.about.get("why_no_heatmaps") or "")
    return Model(bundle.predictor, path, bundle.sha256, bundle.sha256, FILMS_AT_ONCE, why_no_maps)


def shipped_model() -> Model:
    """The model inside the package, and what whoever did not choose it should know."""
    model = model_of_bundle(SHIPPED)
    note = (
        f"no --bundle was named, so the model inside answers ({model.predictor.name}: {', '.join(model.predictor.classes)}). It was"
        " trained on public films whose source and class are tied; its card: plainfilm serve"
    )
    return replace(model, notes=(note,))


def model_of_run(directory: Path, progress: Progress | None = None) -> Model:
    """The model of a run, in torch. Raises BadRun where it is none, not finished or damaged, MissingExtra without torch."""
    from plainfilm.core.run import Run
    from plainfilm.jobs import require_extra

    require_extra("predict --run")
    from plainfilm.learn.infer import predictor_of

    run = Run.open(directory)
    run.require_complete()
    predictor = predictor_of(run, progress or Silence())
    shaping = ("weights.safetensors", "calibration.json", "preprocess.json")
    parts = [file_sha256(run / name) for name in shaping if (run / name).is_file()]
    note = f"{run.directory} was never evaluated, so nothing is calibrated: plainfilm evaluate"
    return Model(
        predictor,
        directory,
        hashlib.sha256("".join(parts).encode()).hexdigest(),
        None,
        _OF_TORCH_AT_ONCE,
        notes=() if run.is_calibrated else (note,),
    )


@dataclass
class Tally:
    """How many films there were, could not be read, were turned away, have warnings; how many were named again and passed over."""

    films: int = 0
    failed: int = 0
    turned_away: int = 0
    warned: int = 0
    repeated: int = 0

    def counting(self, record: Record) -> Record:
        """The record, counted."""
        self.films += 1
        self.failed += record["status"] == "error"
        self.turned_away += record["turned_away"] != ""
        self.warned += bool(record["warnings"])
        return record


def predict_streamed(
    model: Model,
    films: Films,
    format: TableFormat,
    write: Callable[[str], object],
    *,
    heatmaps: Path | None = None,
    progress: Progress | None = None,
) -> Tally:
    """Answer the films and hand the text over as soon as each row is known. format: any but Parquet.

    heatmaps: a folder for a picture of each answered film. Raises BadConfig where the network has no heatmaps, BadImage where a
    list names no film, what `Films` and `HeatmapFolder` raise; a film that cannot be read is a row.
    """
    folder = _heatmap_folder(model, heatmaps)
    tally = Tally()
    with closing(_answered(model, films, folder, progress or Silence())) as batches:
        records = (tally.counting(record) for batch in batches for record in batch)
        for text in as_text(format, records, model.origin):
            write(text)
    tally.repeated = films.repeated
    return tally


def predict_to_file(
    model: Model,
    films: Films,
    format: TableFormat,
    output: Path,
    *,
    heatmaps: Path | None = None,
    resume: bool = False,
    progress: Progress | None = None,
) -> Tally:
    """Answer the films and write the answers to `output`, whole, in place of what is there.

    Until then they lie in a journal beside it. resume: go on with the journal that an earlier time left; begin where there is none.
    Raises what `predict_streamed`, `refuse_place` and `Journal` raise; Interrupted on Ctrl-C, with the journal kept.
    """
    refuse_place(output, journal_of(output), films.typed, model.path)
    if format is TableFormat.parquet:
        _require_parquet()
    folder = _heatmap_folder(model, heatmaps)
    out: Progress = progress or Silence()
    with only_writer(output):
        about = _about(model, films, heatmaps)
        with closing(Journal(output, about, model.films_at_once, resume=resume)) as journal:
            if resume:
                before = f"{counted(journal.kept, 'film')} answered before; going on"
                out.say(before if journal.kept else "nothing to go on with; beginning")
            try:
                with closing(_answered(model, films, folder, out, journal)) as batches:
                    for batch in batches:
                        journal.append(batch)
                tally = Tally()
                _write(output, format, (tally.counting(record) for record in journal.records()), model.origin)
            except KeyboardInterrupt:
                went_on = "" if journal.is_empty else f", from {journal.path}"
                raise Interrupted(f"stopped; the same command with --resume goes on{went_on}") from None
            journal.remove()
    tally.repeated = films.repeated
    return tally


def _require_parquet() -> None:
    try:
        import arro3.io  # noqa: F401
    except ImportError:
        raise MissingExtra("predict --format parquet", "arro3-io", "parquet") from None


def _write(output: Path, format: TableFormat, records: Iterator[Record], origin: Origin) -> None:
    with written_whole(output) as temporary:
        if format is TableFormat.parquet:
            from plainfilm.serve.parquet import write_parquet

            write_parquet(temporary, records, origin)
        else:
            with temporary.open("w", encoding="utf-8", newline="\n") as file:
                file.writelines(as_text(format, records, origin))


def _answered(
    model: Model, films: Films, folder: HeatmapFolder | None, progress: Progress, journal: Journal | None = None
) -> Generator[list[Record]]:
    """The records of each batch, in order, without those that the journal held from the beginning."""
    batches = batches_of(films, model.films_at_once)
    if journal is not None:
        journal.begin(one.film.name for batch in batches for one in batch)  # takes whole batches
    kept = 0 if journal is None else journal.kept
    left = list(islice(batches, 1))
    if not left and not kept:
        raise BadImage("names no film", "standard input")
    if folder is not None:
        folder.begin(anew=not kept)
    with progress.task("Predicting", None) as task:
        total = _Total(films, task, kept)
        answered = answer_batches(
            model.predictor,
            chain(left, batches),
            maps=folder is not None,
            finish=None if folder is None else folder.draw,
        )
        with closing(answered):
            for answers in answered:
                yield [record_of(answer) for answer in answers]
                total.advance(len(answers))


class _Total:
    """How many films are left, counted a little further with each batch, so that nobody waits for it.

    answered_before: how many of the films are not to be answered any more.
    """

    def __init__(self, films: Films, task: Task, answered_before: int) -> None:
        self._uncounted = None if films.is_listed else iter(films)
        self._task, self._done, self._left = task, 0, -answered_before

    def advance(self, steps: int) -> None:
        """Say that so many more are done, and count further."""
        if self._uncounted is not None:
            more = sum(1 for _ in islice(self._uncounted, _COUNTED_AHEAD))
            self._left += more
            if more < _COUNTED_AHEAD:
                self._uncounted = None
                self._task.expect(self._left - self._done)
        self._done += steps
        self._task.advance(steps)


def _heatmap_folder(model: Model, directory: Path | None) -> HeatmapFolder | None:
    if directory is None:
        return None
    if not model.predictor.network.has_maps:
        why = f", since {model.why_no_maps}" if model.why_no_maps else ""
        raise BadConfig(f"--heatmaps: {model.predictor.name} gives none{why}. Leave --heatmaps out")
    about = {"note": NOTICE, "model": model.predictor.name, "sha256": model.sha256, "made": provenance()}
    return HeatmapFolder(directory, about)


def _about(model: Model, films: Films, heatmaps: Path | None) -> dict[str, Any]:
    """All that shapes the answers, for a journal."""
    from plainfilm import __version__  # late: looking it up costs every start a twenty-fifth of a second

    return {
        "plainfilm": __version__,
        "model": model.predictor.name,
        "sha256": model.sha256,
        "films": [writable_name(name) for name in films.typed],
        "folder": writable_name(Path.cwd()),
        "heatmaps": None if heatmaps is None else writable_name(heatmaps),
    }
