"""plainfilm demo."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from plainfilm.commands.app import app
from plainfilm.output import (
    print_evaluation,
)
from plainfilm.terminal import progress_on


@app.command(short_help="The whole job on drawn films, in minutes.", epilog="Example: plainfilm demo -o demo")
def demo(
    directory: Annotated[
        Path, typer.Option("-o", "--output", help="New folder for films, manifest, run and report.")
    ] = Path("demo"),
    films: Annotated[int, typer.Option(min=10, help="Phantom films a class.")] = 200,
    seed: Annotated[int, typer.Option(min=0, help="Seed of phantoms, split and training.")] = 0,
) -> None:
    """The whole job on drawn phantom films, to a report, in minutes: no data and no network needed."""
    from plainfilm.jobs import run_demo

    evaluation = run_demo(directory, films_per_class=films, seed=seed, progress=progress_on())
    print_evaluation(evaluation)
