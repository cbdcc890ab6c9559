"""plainfilm serve."""

from __future__ import annotations

import math
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from plainfilm.commands.app import app
from plainfilm.core.words import NOTICE
from plainfilm.errors import BadConfig

if TYPE_CHECKING:
    from plainfilm.core.bundle import Bundle

_KEY_VARIABLE = "PLAINFILM_API_KEY"
_MB = 1_000_000


@app.command(
    name="serve",
    short_help="The HTTP interface and the page.",
    epilog="Examples: plainfilm serve    "
    "plainfilm serve --bundle model.plainfilm --host 0.0.0.0 --api-key-file key.txt --allow-host films.example.org",
)
def serve_command(
    bundle: Annotated[
        Path | None, typer.Option(help="The bundle that answers.", show_default="the model inside")
    ] = None,
    host: Annotated[str, typer.Option(help="Address to listen at; 0.0.0.0 for all of this machine.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen at; 0 for any that is free.")] = 8000,
    api_key_file: Annotated[
        Path | None,
        typer.Option(help=f"File with the key that X-API-Key must name; or put the key into {_KEY_VARIABLE}."),
    ] = None,
    allow_origin: Annotated[
        list[str] | None,
        typer.Option(metavar="URL", help="Another site whose pages may ask, such as https://pacs.example.org."),
    ] = None,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="A name of this server besides localhost and its addresses."),
    ] = None,
    film_mb: Annotated[float, typer.Option(help="Most megabytes of a film.")] = 100,
    film_megapixels: Annotated[float, typer.Option(help="Most megapixels of a film.")] = 50,
    request_mb: Annotated[float, typer.Option(help="Most megabytes of a request.")] = 200,
    request_films: Annotated[int, typer.Option(help="Most films of a request.")] = 64,
    queue_films: Annotated[int, typer.Option(help="Most films at a time; what comes on top gets a 503.")] = 256,
    queue_mb: Annotated[float, typer.Option(help="Most megabytes of films and answers at a time.")] = 600,
    send_seconds: Annotated[float, typer.Option(help="Most seconds for a request to arrive.")] = 60,
    answer_seconds: Annotated[float, typer.Option(help="Most seconds from there to the answer.")] = 60,
) -> None:
    """Answer over HTTP, with a page for people at /. By default this machine alone can reach it.

    Nothing that is sent is written to disk or logged. Ctrl-C, or SIGTERM, stops it once everything begun is answered.
    """
    from plainfilm.serve.guard import Doors
    from plainfilm.serve.limits import Limits
    from plainfilm.serve.server import address_of, is_loopback, listening, serve

    limits = Limits(
        bytes_per_film=_millions("--film-mb", film_mb),
        pixels_per_film=_millions("--film-megapixels", film_megapixels),
        bytes_per_request=_millions("--request-mb", request_mb),
        films_per_request=request_films,
        films_in_work=queue_films,
        bytes_in_work=_millions("--queue-mb", queue_mb),
        seconds_to_send=send_seconds,
        seconds_to_answer=answer_seconds,
    )
    key = _key(api_key_file)
    doors = Doors.named(key, allow_origin or (), allow_host or ())
    opened = _bundle(bundle)  # before the port: what was named wrongly is told first
    with listening(host, port) as bound:
        from plainfilm.serve.api import create_app

        application = create_app(opened, limits, doors)
        is_open = not key and not is_loopback(bound)

        def announce() -> None:
            print(
                f"{opened.name} ({opened.precision}) answers at {address_of(bound, host)}   Ctrl-C stops it", flush=True
            )
            print(NOTICE, flush=True)
            if is_open:
                print(
                    f"WARNING: whoever reaches {host} can use this server: it asks for no key. Name one by --api-key-file, and put "
                    "a proxy that speaks TLS before it.",
                    file=sys.stderr,
                )

        serve(application, bound, announce)


def _bundle(path: Path | None) -> Bundle:
    """What answers: the bundle that was named, else the one that ships inside."""
    from plainfilm.core.bundle import SHIPPED, Bundle

    return Bundle.open(path or SHIPPED)


def _key(path: Path | None) -> str:
    """The API key, "" where none is wanted. Raises BadConfig where the file or the variable holds none."""
    from plainfilm.serve.guard import checked_key

    if path is None:
        typed = os.environ.get(_KEY_VARIABLE)
        return "" if typed is None else checked_key(typed, _KEY_VARIABLE)
    try:
        key = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadConfig(
            f"--api-key-file {path}: cannot be read ({getattr(error, 'strerror', '') or 'no UTF-8'})"
        ) from error
    return checked_key(key, f"--api-key-file {path}")


def _millions(option: str, typed: float) -> int:
    """Megabytes as bytes, megapixels as pixels. Raises BadConfig where that is nothing, or no number."""
    if not (math.isfinite(typed * _MB) and round(typed * _MB) > 0):
        raise BadConfig(f"{option} is {typed:g}: expected a number above 0 that is not infinite")
    return round(typed * _MB)
