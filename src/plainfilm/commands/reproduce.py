"""The command reproduce."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from plainfilm.commands.app import app
from plainfilm.commands.typed import pairs
from plainfilm.errors import Interrupted
from plainfilm.output import print_recipes, print_reproduction
from plainfilm.terminal import progress_on


@app.command(
    name="reproduce",
    short_help="A published recipe: what it claimed, and what is left of it.",
    epilog="Examples: plainfilm reproduce --list    plainfilm reproduce expand-ai data -o again --quick",
)
def reproduce_command(
    recipe: Annotated[
        str | None, typer.Argument(help="The recipe's name, as --list shows it; or a TOML file of one's own.")
    ] = None,
    manifest: Annotated[
        Path | None, typer.Argument(help="manifest.csv, manifest.parquet, or the folder that holds one.")
    ] = None,
    directory: Annotated[
        Path | None, typer.Option("-o", "--output", help="New folder for reproduce.html, reproduce.json and the runs.")
    ] = None,
    listed: Annotated[bool, typer.Option("--list", help="Print the recipes and what each claimed.")] = False,
    quick: Annotated[
        bool,
        typer.Option(
            "--quick",
            help="64 pixels, a minute for a network's own split and as many steps for its others: for a machine without a GPU.",
        ),
    ] = False,
    minutes: Annotated[
        float | None, typer.Option(min=0.01, help="Minutes for a network's own split, in place of the recipe's epochs.")
    ] = None,
    size: Annotated[int | None, typer.Option(min=16, max=4096, help="Side of the films, pixels.")] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="Epochs a training.")] = None,
    weights: Annotated[
        str | None, typer.Option(metavar="scratch|FILE", help="First weights in place of ImageNet's.")
    ] = None,
    network: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Only this network; may be repeated.")
    ] = None,
    named: Annotated[
        list[str] | None,
        typer.Option("--map", metavar="THEIRS=RECIPES", help="A label of the manifest is this class of the recipe."),
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    resume: Annotated[bool, typer.Option("--resume", help="Go on with what lies in -o.")] = False,
) -> None:
    """Train every network of a published recipe three ways: under its own split, leak-free, and leak-free with the lungs black."""
    from plainfilm.core.manifest import Manifest
    from plainfilm.core.recipe import open_recipe, recipe_names

    if listed:
        print_recipes([open_recipe(name) for name in recipe_names()])
        return
    for value, what in ((recipe, "RECIPE"), (manifest, "MANIFEST"), (directory, "-o")):
        if value is None:
            raise typer.BadParameter("is missing; plainfilm reproduce --list shows the recipes", param_hint=what)
    assert recipe is not None and manifest is not None and directory is not None
    chosen = open_recipe(recipe)
    from plainfilm.reproduce_jobs import reproduce
    from plainfilm.reproduce_plan import Instead

    instead = Instead(quick, minutes or 0.0, size or 0, epochs or 0, weights or "", tuple(network or ()), device)
    opened = Manifest.open(manifest)
    if opened.is_changed:
        print(f"note: {opened.path} was changed since it was written", file=sys.stderr)
    stated = pairs(named, "--map")
    try:
        reproduced = reproduce(chosen, opened, directory, instead, stated=stated, resume=resume, progress=progress_on())
    except KeyboardInterrupt:
        from plainfilm.reproduce_checks import MANIFEST

        is_begun = (directory / MANIFEST).is_file()
        kept = (
            "what was finished is kept, go on with --resume" if is_begun else f"nothing was written to {directory} yet"
        )
        raise Interrupted(f"stopped; {kept}") from None
    print_reproduction(reproduced)
    if reproduced.failed:
        raise typer.Exit(1)
