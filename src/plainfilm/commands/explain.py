"""plainfilm explain."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from plainfilm.commands.app import app
from plainfilm.output import print_explained
from plainfilm.terminal import progress_on


@app.command(
    name="explain",
    short_help="Heatmaps, and whether each can be trusted.",
    epilog="Examples: plainfilm explain film.png -o maps    plainfilm explain runs/first film.png    "
    "plainfilm explain model.plainfilm folder/ --class all",
)
def explain_command(
    places: Annotated[
        list[Path],
        typer.Argument(
            metavar="[RUN-or-BUNDLE] FILMS...",
            help="The run, or the bundle of it, whose network is explained (without one, the model inside); then films "
            "(PNG, JPEG, TIFF, BMP, WebP, DICOM) and folders of films.",
        ),
    ],
    bundle: Annotated[Path | None, typer.Option(help="The bundle, where it is not named before the films.")] = None,
    run: Annotated[Path | None, typer.Option(help="The run, where it is not named before the films.")] = None,
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

    A bundle needs no torch, and cannot try whether a map needs the network: that takes a run.
    A map that fails a check says so on its face. A film that is turned away has no answer and so no map, unless asked for.
    Exit 1 where no film could be read.
    """
    from plainfilm.core.bundle import SHIPPED, Bundle
    from plainfilm.core.words import printable
    from plainfilm.explain_jobs import explain_paths, open_model, standing_of
    from plainfilm.judge.audit.standing import audit_note

    if bundle is not None and run is not None:
        raise typer.BadParameter("name one of --bundle and --run", param_hint="--bundle")
    place, films = _model_and_films(places, bundle or run)
    model = open_model(place)
    if isinstance(model, Bundle) and place == SHIPPED:
        named = printable(f"{model.name}: {', '.join(model.classes)}")
        print(f"note: no run or bundle was named, so the model inside is explained ({named})", file=sys.stderr)
    print(f"note: {printable(audit_note(standing_of(model)))}", file=sys.stderr)
    explained = explain_paths(
        model,
        films,
        directory,
        classes=classes or (),
        opacity=opacity,
        even_turned_away=even_turned_away,
        progress=progress_on(),
    )
    if not print_explained(explained):
        raise typer.Exit(1)


def _model_and_films(places: list[Path], by_option: Path | None) -> tuple[Path, list[Path]]:
    """The model that an option named, or the first place where it is a run or a bundle, else the model inside; and the films."""
    from plainfilm.core.bundle import SHIPPED
    from plainfilm.core.image import is_film_name
    from plainfilm.core.words import writable_name
    from plainfilm.errors import BadImage

    if by_option is not None:
        twice = [place for place in places if _is_model(place)]
        if twice:
            raise typer.BadParameter(f"{twice[0]} is a model too: name one", param_hint="RUN-or-BUNDLE")
        return by_option, places
    first, rest = places[0], places[1:]
    if not rest and not first.exists():
        raise BadImage(
            "is missing: name a film, a folder of films, or a run or bundle and then films", writable_name(first)
        )
    if any(_is_model(place) for place in rest):
        raise typer.BadParameter(
            f"{first} stands where the model is expected: name the model before the films, and only one",
            param_hint="RUN-or-BUNDLE",
        )
    is_neither = not first.exists() and not is_film_name(first)  # a model that is missing, as far as one can tell
    if not (_is_model(first) or is_neither):
        return SHIPPED, places
    if not rest:
        raise typer.BadParameter(f"name films after {first}", param_hint="FILMS")
    return first, rest


def _is_model(place: Path) -> bool:
    from plainfilm.core.bundle_file import SUFFIX, is_bundle
    from plainfilm.core.run import Run

    return place.suffix == SUFFIX or Run.is_run(place) or is_bundle(place)
