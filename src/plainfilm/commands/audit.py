"""The command audit."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from plainfilm.commands.app import app
from plainfilm.core.manifest import Manifest
from plainfilm.core.run import Run
from plainfilm.errors import BadConfig
from plainfilm.output import print_audit
from plainfilm.terminal import progress_on


@app.command(
    name="audit",
    short_help="How much of the score is real? Shortcuts, leaks, robustness.",
    epilog="Examples: plainfilm audit runs/first    plainfilm audit data/manifest.csv -o audit",
)
def audit_command(
    target: Annotated[Path, typer.Argument(help="A run, or a manifest before any training.")],
    directory: Annotated[
        Path | None,
        typer.Option(
            "-o", "--output", help="Folder for the audit of a manifest [audit/ beside it]; a run keeps its own."
        ),
    ] = None,
    manifest: Annotated[
        Path | None, typer.Option(help="The manifest that the run was trained on, where it has moved.")
    ] = None,
    split: Annotated[str, typer.Option(help="The split column of a manifest.")] = "split",
    seed: Annotated[int, typer.Option(min=0, help="Of the small networks and every draw.")] = 0,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 1 where the verdict is fail.")] = False,
) -> None:
    """Retrain small networks on less, ask the run about changed films, look for leaks; give a verdict with its evidence."""
    from plainfilm.audit_jobs import audit_manifest, audit_run

    if Run.is_run(target):
        if directory is not None or split != "split":
            raise BadConfig("-o and --split go with a manifest; a run keeps its audit, and has a split of its own")
        known = Manifest.open(manifest) if manifest else None
        audited = audit_run(Run.open(target), manifest=known, seed=seed, progress=progress_on())
    elif manifest is not None:
        raise BadConfig(f"--manifest goes with a run, and {target} is none")
    else:
        audited = audit_manifest(Manifest.open(target), directory, column=split, seed=seed, progress=progress_on())
    print_audit(audited)
    if strict and audited.audit.verdict == "fail":
        raise typer.Exit(1)
