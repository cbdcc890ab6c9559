"""plainfilm explain."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from plainfilm.commands.app import app
from plainfilm.core.run import Run
from plainfilm.output import print_explained
from plainfilm.terminal import progress_on


@app.command(
    name="explain",
    short_help="Heatmaps, and whether each can be trusted.",
    epilog="Examples: plainfilm explain runs/first film.png -o maps    plainfilm explain runs/first folder/ --class all",
)
def explain_command(
    run: Annotated[Path, typer.Argument(help="The run whose network is explained.")],
    films: Annotated[
        list[Path], typer.Argument(help="Films (PNG, JPEG, TIFF, BMP, WebP, DICOM) and folders of films.")
    ],
    directory: Annotated[
        Path, typer.Option("-o", "--output", help="Folder for overlays, contact sheet, page, arrays and table.")
    ] = Path("explain"),
    classes: Annotated[
        list[str] | None,
        typer.Option(
            "--class", metavar="NAME", help="Whose maps to show, may be repeated; or all [each film's answer]."
        ),
    ] = None,
    opacity: Annotated[float, typer.Option(help="Of the strongest place of a map, above 0 and up to 1.")] = 0.6,
    even_turned_away: Annotated[
        bool,
        typer.Option(
            "--even-turned-away", help="Show maps of films that are not answered too, with the reason on them."
        ),
    ] = False,
) -> None:
    """Show where each film speaks for its class; beside each map whether it lies in the lungs, stays, and needs the network.

    A map that fails a check says so on its face. A film that is turned away has no answer and so no map, unless asked for.
    Exit 1 where no film could be read.
    """
    from plainfilm.explain_jobs import explain_paths

    explained = explain_paths(
        Run.open(run),
        films,
        directory,
        classes=classes or (),
        opacity=opacity,
        even_turned_away=even_turned_away,
        progress=progress_on(),
    )
    if not print_explained(explained):
        raise typer.Exit(1)
