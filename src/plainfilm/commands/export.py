"""plainfilm export."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from plainfilm.commands.app import app
from plainfilm.output import print_exported
from plainfilm.terminal import progress_on


class PrecisionChoice(StrEnum):
    """How a bundle's network counts."""

    fp32 = "fp32"
    int8 = "int8"


@app.command(
    name="export",
    short_help="One file that answers without torch.",
    epilog="Example: plainfilm export runs/first -o model.plainfilm --precision int8",
)
def export_command(
    run: Annotated[Path, typer.Argument(help="The run, trained and evaluated.")],
    path: Annotated[Path, typer.Option("-o", "--output", help="The bundle to write, such as model.plainfilm.")],
    precision: Annotated[
        PrecisionChoice, typer.Option(help="fp32, or int8: a quarter of the size, about three times as fast.")
    ] = PrecisionChoice.fp32,
    manifest: Annotated[
        Path | None, typer.Option(help="The manifest that the run was trained on, where it has moved.")
    ] = None,
    author: Annotated[
        Path | None, typer.Option(help="A TOML file of answers to what the model card asks its author.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Write over a file that is there.")] = False,
) -> None:
    """Make one file of a run: network, preprocessing, calibration, limits, model card, probes.

    It is written only once it is shown, on the run's validation films, that it answers as the run does. The test split is not read.
    """
    from plainfilm.bundle_jobs import export_run
    from plainfilm.core.manifest import Manifest
    from plainfilm.core.run import Run

    known = Manifest.open(manifest) if manifest else None
    exported = export_run(
        Run.open(run),
        path,
        precision=precision.value,
        manifest=known,
        author=author,
        force=force,
        progress=progress_on(),
    )
    print_exported(exported)
