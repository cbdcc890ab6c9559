"""The command audit."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from plainfilm.commands.app import app
from plainfilm.errors import BadConfig, BadRun, Interrupted
from plainfilm.output import print_audit
from plainfilm.terminal import progress_on

if TYPE_CHECKING:
    from plainfilm.audit_jobs import Audited


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
    if not target.exists():
        raise BadRun("is missing: name a run's folder, or a manifest", target)
    try:
        audited = _audited(target, directory, manifest, split, seed)
    except KeyboardInterrupt:
        raise Interrupted("stopped; the same command goes on with what is left") from None
    print_audit(audited)
    if strict and audited.audit.verdict == "fail":
        raise typer.Exit(1)


def _audited(target: Path, directory: Path | None, manifest: Path | None, split: str, seed: int) -> Audited:
    from plainfilm.audit_jobs import audit_manifest, audit_run
    from plainfilm.core.manifest import Manifest
    from plainfilm.core.run import Run

    if Run.is_run(target):
        if directory is not None or split != "split":
            raise BadConfig("-o and --split go with a manifest; a run keeps its audit, and has a split of its own")
        known = Manifest.open(manifest) if manifest else None
        return audit_run(Run.open(target), manifest=known, seed=seed, progress=progress_on())
    if manifest is not None:
        raise BadConfig(f"--manifest goes with a run, and {target} is none")
    return audit_manifest(Manifest.open(target), directory, column=split, seed=seed, progress=progress_on())
