"""plainfilm predict."""

from __future__ import annotations

import os
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from plainfilm.commands.app import app
from plainfilm.core.words import NOTICE, counted
from plainfilm.serve.tables import TableFormat, format_of
from plainfilm.terminal import progress_on

if TYPE_CHECKING:
    from plainfilm.core.progress import Progress
    from plainfilm.predict_jobs import Model, Tally


@app.command(
    name="predict",
    short_help="Class probabilities for films.",
    epilog="Examples: plainfilm predict film.png folder/    "
    "plainfilm predict 'scans/**/*.dcm' --bundle model.plainfilm -o scores.csv --heatmaps maps",
)
def predict_command(
    films: Annotated[
        list[str],
        typer.Argument(
            help="Films (PNG, JPEG, TIFF, BMP, WebP, DICOM), folders of films, globs in quotes, a manifest, "
            "or - for paths on standard input, one a line or ended by NULs."
        ),
    ],
    bundle: Annotated[
        Path | None,
        typer.Option(help="The bundle that answers; needs no torch. Without it and --run, the model inside answers."),
    ] = None,
    run: Annotated[Path | None, typer.Option(help="The run whose network answers; needs torch.")] = None,
    format: Annotated[
        TableFormat | None,
        typer.Option(help="How the answers are written.", show_default="by the ending of -o, else table"),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            help="Write there, whole at the end; only a file of earlier answers is replaced. Until then a journal lies beside it.",
        ),
    ] = None,
    heatmaps: Annotated[
        Path | None, typer.Option(help="Folder for a picture of each answered film with the heatmap of its class.")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the journal that a stopped prediction left beside -o.")
    ] = False,
) -> None:
    """Class probabilities for films, row by row or into a file; a film that cannot be read is a row with its reason.

    Memory does not grow with the number of films. Exit 1 where none of them could be read.
    """
    if resume and output is None:
        raise typer.BadParameter("goes on with a file: name it by -o", param_hint="--resume")
    try:
        format = format or TableFormat.table if output is None else format_of(output, format)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="-o") from None
    if format is TableFormat.parquet and output is None:
        raise typer.BadParameter("Parquet is written to a file: name it by -o", param_hint="--format")
    if bundle is not None and run is not None:
        raise typer.BadParameter("name one of --bundle and --run", param_hint="--bundle")
    for name in films:
        if name.endswith(".plainfilm") and Path(name).is_file():
            raise typer.BadParameter(f"{name} is a bundle, no film: name it by --bundle", param_hint="FILMS")
    from plainfilm.predict_jobs import predict_streamed, predict_to_file
    from plainfilm.serve.films import Films

    sources = Films(films, partial(os.read, 0))
    write, flush = sys.stdout.write, sys.stdout.flush  # those of now: a bar puts others in their place
    progress = progress_on()
    model = _model(bundle, run, progress)
    for note in model.notes:
        print(f"note: {note}", file=sys.stderr)
    if output is None:

        def show(text: str) -> None:
            write(text)
            flush()

        rows_are_progress = sys.stdout.isatty()
        tally = predict_streamed(
            model, sources, format, show, heatmaps=heatmaps, progress=None if rows_are_progress else progress
        )
    else:
        tally = predict_to_file(model, sources, format, output, heatmaps=heatmaps, resume=resume, progress=progress)
        print(f"{counted(tally.films, 'film')}: {output}")
    _print_tally(tally, format)
    if heatmaps is not None and heatmaps.is_dir():
        print(f"heatmaps: {heatmaps}", file=sys.stderr)
    if format is TableFormat.table:
        print(NOTICE, file=sys.stderr)
    if tally.failed == tally.films:
        raise typer.Exit(1)


def _model(bundle: Path | None, run: Path | None, progress: Progress) -> Model:
    """What answers: the bundle or the run that was named, else the bundle that ships inside."""
    from plainfilm.predict_jobs import model_of_bundle, model_of_run, shipped_model

    if run is not None:
        return model_of_run(run, progress)
    if bundle is not None:
        return model_of_bundle(bundle)
    return shipped_model()


def _print_tally(tally: Tally, format: TableFormat) -> None:
    """How many films have no answer or a warning, and where it says why."""
    cell = "field" if format in (TableFormat.json, TableFormat.jsonl) else "column"
    where = "they stand beneath its row" if format is TableFormat.table else f"the {cell} warnings says which"
    for number, what in (
        (tally.failed, f"could not be answered; the {cell} error says why"),
        (tally.turned_away, "turned away"),
        (tally.warned, f"with warnings; {where}"),
    ):
        if number:
            print(f"{number:,} of {counted(tally.films, 'film')} {what}.", file=sys.stderr)
    if tally.repeated:
        print(
            f"{counted(tally.repeated, 'film')} named again, and passed over: each is answered once.", file=sys.stderr
        )
