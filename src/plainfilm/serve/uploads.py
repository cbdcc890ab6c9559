"""Films out of a multipart body, kept in memory alone, with every limit checked while the body streams in.

Starlette's own parser writes files beyond 1 MB to disk; so the callbacks of python-multipart are used here directly.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from plainfilm.core.image import FILM_SUFFIXES
from plainfilm.core.words import counted
from plainfilm.serve.limits import Limits
from plainfilm.serve.problems import Problem
from plainfilm.serve.queue import Place

FIELD = "films"
_MOST_HEADER_BYTES = 32_768  # of one part; a name of 10,000 letters fits, and is cut
_MOST_HEADERS = 8  # of one part
_LONGEST_NAME = 200  # letters
_SECONDS_OF_PACE = 10.0
_LEAST_BYTES_IN_THAT = 50_000  # the slowest telephones send ten times as much


@dataclass(frozen=True)
class Upload:
    """One film as it was sent.

    name: as uploaded, without folders and what cannot be printed. content: its bytes, b"" where there is a problem.
    problem: why it was not kept.
    """

    name: str
    content: bytes
    problem: Problem | None = None

    @property
    def suffix(self) -> str:
        """The ending of its name where that is one of a film, else "": all of the name that reading needs to know."""
        suffix = PurePosixPath(self.name).suffix.lower()
        return suffix if suffix in FILM_SUFFIXES else ""


async def received(
    content_type: str, body: AsyncIterator[bytes], limits: Limits, place: Place, bytes_per_answer: int
) -> list[Upload]:
    """The films of a request, in their order; at least one.

    content_type: as the header says. place: holds a little at first, and grows as more arrives.
    bytes_per_answer: what each answer will hold besides its film.
    Raises Problem where the body is no multipart form of films, is too large or too slow, or where there is no room left.
    """
    parts = _Parts(limits, place, bytes_per_answer)
    parser = _parser(content_type, parts)
    held, count = place.bytes, 0
    end = asyncio.get_running_loop().time() + limits.seconds_to_send
    try:
        async with asyncio.timeout_at(end) as clock:
            pace = _Pace(clock, end)
            async for chunk in body:
                count += len(chunk)
                pace.heard(len(chunk))
                if count > limits.bytes_per_request:
                    raise too_large(limits)
                if count > held:
                    place.grow(bytes=count - held)
                    held = count
                parser.write(chunk)
    except TimeoutError:
        said = f"its body did not arrive within {limits.seconds_to_send:g} seconds"
        if asyncio.get_running_loop().time() < end:
            said = f"fewer than {_LEAST_BYTES_IN_THAT:,} bytes of its body came in {_SECONDS_OF_PACE:g} seconds"
        raise Problem("too-slow", said, headers={"Connection": "close"}) from None
    except FormParserError:
        raise Problem("malformed", "its body is no sound multipart form") from None
    if not parts.is_ended:
        raise Problem("malformed", "its body ends before the form does" if count else "its body is empty")
    if not parts.uploads:
        raise Problem("malformed", f'it holds no films: send each film as a part named "{FIELD}"')
    return parts.uploads


class _Pace:
    """Ends the wait for a body that comes too slowly: every so many bytes must come within so many seconds."""

    def __init__(self, clock: asyncio.Timeout, end: float) -> None:
        self._clock, self._end = clock, end
        self._begin()

    def heard(self, count: int) -> None:
        """So many bytes have come."""
        self._count += count
        if self._count >= _LEAST_BYTES_IN_THAT:
            self._begin()

    def _begin(self) -> None:
        self._count = 0
        self._clock.reschedule(min(self._end, asyncio.get_running_loop().time() + _SECONDS_OF_PACE))


def too_large(limits: Limits) -> Problem:
    """A body that has more bytes than a request may have."""
    return Problem("too-large", f"the request has more than {limits.bytes_per_request:,} bytes")


def shown_name(raw: bytes) -> str:
    """A file's name as it may stand in an answer: without folders, control characters or what turns writing around."""
    name = re.split(r"[/\\]", raw.decode("utf-8", "replace"))[-1]
    printable = "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in name)
    return printable[-_LONGEST_NAME:].strip()


def _parser(content_type: str, parts: _Parts) -> MultipartParser:
    kind, options = parse_options_header(content_type)
    if kind != b"multipart/form-data":
        raise Problem("media-type", "it is no multipart/form-data")
    boundary = options.get(b"boundary", b"")
    if not boundary:
        raise Problem("malformed", "its Content-Type names no boundary")
    try:
        return MultipartParser(
            boundary,
            {
                "on_part_begin": parts.begin,
                "on_header_field": parts.header_field,
                "on_header_value": parts.header_value,
                "on_header_end": parts.header_end,
                "on_headers_finished": parts.headers_finished,
                "on_part_data": parts.data,
                "on_part_end": parts.end,
                "on_end": parts.end_of_all,
            },
            max_header_count=_MOST_HEADERS,
            max_header_size=_MOST_HEADER_BYTES,
        )
    except FormParserError:
        raise Problem("malformed", "its boundary is too long") from None


@dataclass
class _Parts:
    """What the parser has found so far."""

    limits: Limits
    place: Place
    bytes_per_answer: int
    uploads: list[Upload] = field(default_factory=list)
    is_ended: bool = False
    _header: tuple[bytearray, bytearray] = field(default_factory=lambda: (bytearray(), bytearray()))
    _header_bytes: int = 0
    _disposition: bytes = b""
    _name: str = ""
    _content: bytearray = field(default_factory=bytearray)
    _is_too_large: bool = False

    def begin(self) -> None:
        count = len(self.uploads) + 1
        if count > self.limits.films_per_request:
            raise Problem("too-large", f"it holds more than {counted(self.limits.films_per_request, 'film')}")
        self.place.grow(films=1, bytes=self.bytes_per_answer)
        self._header_bytes, self._disposition = 0, b""
        self._content, self._is_too_large = bytearray(), False

    def header_field(self, chunk: bytes, start: int, end: int) -> None:
        self._take_header(self._header[0], chunk, start, end)

    def header_value(self, chunk: bytes, start: int, end: int) -> None:
        self._take_header(self._header[1], chunk, start, end)

    def header_end(self) -> None:
        name, value = self._header
        if name.lower() == b"content-disposition":
            self._disposition = bytes(value)
        self._header = bytearray(), bytearray()

    def headers_finished(self) -> None:
        kind, options = parse_options_header(self._disposition)
        if kind != b"form-data" or options.get(b"name") != FIELD.encode():
            raise Problem("malformed", f'every part must be form-data named "{FIELD}", and there is another')
        self._name = shown_name(options.get(b"filename", b"")) or f"film {len(self.uploads) + 1}"

    def data(self, chunk: bytes, start: int, end: int) -> None:
        if not self._is_too_large:
            self._content += memoryview(chunk)[start:end]
        if len(self._content) > self.limits.bytes_per_film:
            self._content, self._is_too_large = bytearray(), True

    def end(self) -> None:
        problem = None
        if self._is_too_large:
            problem = Problem("film-too-large", f"has more than {self.limits.bytes_per_film:,} bytes", film=self._name)
        self.uploads.append(Upload(self._name, bytes(self._content), problem))
        self._content = bytearray()

    def end_of_all(self) -> None:
        self.is_ended = True

    def _take_header(self, held: bytearray, chunk: bytes, start: int, end: int) -> None:
        self._header_bytes += end - start
        if self._header_bytes > _MOST_HEADER_BYTES:
            raise Problem("malformed", f"a part has more than {_MOST_HEADER_BYTES:,} bytes of headers")
        held += memoryview(chunk)[start:end]
