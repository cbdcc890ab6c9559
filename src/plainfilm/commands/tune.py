"""The command that searches for good settings."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from plainfilm.commands.app import STARTED, app
from plainfilm.commands.typed import stages_of, with_settings
from plainfilm.core.search import Search, search_again, search_of
from plainfilm.errors import BadRun
from plainfilm.terminal import progress_on


@app.command(
    name="tune",
    short_help="Search for good settings, on validation films.",
    epilog="Examples: plainfilm tune data -o study --weights scratch --minutes 120    "
    "plainfilm tune data -o study --over size=96,128 --over learning-rate=1e-4..1e-2:log    plainfilm tune data -o study --resume",
)
@with_settings
def tune_command(
    manifest: Annotated[Path, typer.Argument(help="manifest.csv, manifest.parquet, or the folder that holds one.")],
    directory: Annotated[Path, typer.Option("-o", "--output", help="New folder for the study.")],
    recipe: Annotated[
        Path | None,
        typer.Option(
            help="TOML file of settings, or default: those of the model inside. Options typed here come on top; a [finish] is left "
            "out."
        ),
    ] = None,
    search: Annotated[
        str | None,
        typer.Option(
            help="Settings to search, joined by commas [learning-rate,weight-decay,augment,size,model, less those typed]."
        ),
    ] = None,
    over: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=RANGE",
            help="Search this setting over LOW..HIGH, LOW..HIGH:log or A,B,C: any setting, and augment, a factor on the strengths "
            "of augmentation, which leaves flip and share as they are. May be repeated.",
        ),
    ] = None,
    trials: Annotated[
        int | None, typer.Option(min=1, help="Trials in all [20, or as many as --minutes allow].")
    ] = None,
    minutes: Annotated[
        float,
        typer.Option(
            min=0,
            help="Time until this command ends; what then trains can go on later [0: no limit].",
            show_default=False,
        ),
    ] = 0.0,
    trial_minutes: Annotated[
        float | None, typer.Option(min=0, help="Time of each trial; the epochs follow from it.")
    ] = None,
    keep: Annotated[int, typer.Option(min=1, help="How many of the best trials keep their weights.")] = 3,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the study in -o; in another terminal, join it while it runs.")
    ] = False,
    allow_leaks: Annotated[bool, typer.Option("--allow-leaks", help="Search although the split leaks.")] = False,
    *,
    settings: dict[str, Any],
) -> None:
    """Search for good settings by Optuna, judged on validation films; the test split is taken out before anything is read.

    Settings that are typed are fixed; the others of --search are tried. Bad trials are pruned. Ends with tune.html, which says
    what was best and which settings mattered, and best.toml, for plainfilm train --recipe.
    """
    from plainfilm.core.manifest import Manifest
    from plainfilm.output import print_tuning
    from plainfilm.tune_jobs import tune

    if trial_minutes is not None:
        settings["minutes"] = trial_minutes
    wanted = _search(directory, recipe, settings, search.split(",") if search else [], over or [], resume)
    opened = Manifest.open(manifest)
    if opened.is_changed:
        print(f"note: {opened.path} was changed since it was written", file=sys.stderr)
    tuning = tune(
        opened,
        directory,
        wanted,
        trials=trials,
        minutes=minutes,
        keep=keep,
        resume=resume,
        allow_leaks=allow_leaks,
        started=STARTED,
        progress=progress_on(),
    )
    print_tuning(tuning, manifest)
    failed = tuning.tuned.of_state("failed")
    if failed and tuning.tuned.best is None:
        raise BadRun(f"no trial ended well, and {len(failed)} failed; the last: {failed[-1].why}", directory)


def _search(
    directory: Path, recipe: Path | None, settings: dict[str, Any], names: list[str], over: list[str], resume: bool
) -> Search | None:
    """What is asked for; None where a study is gone on with and nothing is said. directory: of the study."""
    from plainfilm.core.study import Study

    if resume and recipe is None:
        return search_again(Study.open(directory).search, settings, names, over) if settings or names or over else None
    first, last = stages_of(recipe, settings, directory, False)
    if first is not None:
        print(
            f"note: {recipe}: its [finish] is left out: the first training is searched, and best.toml has no [finish]",
            file=sys.stderr,
        )
    return search_of(first or last, list(settings), names, over)
