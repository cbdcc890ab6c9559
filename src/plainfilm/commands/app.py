"""The application that all commands belong to, and when it began."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from plainfilm.core.words import NOTICE

STARTED = time.monotonic()

app = typer.Typer(
    name="plainfilm",
    help=f"Train, test, explain and serve chest-radiograph classifiers, and say how much of the accuracy is real.\n\n{NOTICE}",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        from plainfilm import __version__

        print(f"plainfilm {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Options of every command."""
