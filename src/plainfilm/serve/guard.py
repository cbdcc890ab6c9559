"""Who may ask: the name of the server, the site that asks, the key. And the headers that keep a browser safe.

Host: a name that is not ours may belong to somebody whose DNS suddenly points here (DNS rebinding), so it is refused.
Origin: a page of another site may send simple requests without asking first, so they are refused, unless that site is named.
"""

from __future__ import annotations

import hmac
import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from plainfilm.errors import BadConfig
from plainfilm.serve.problems import Problem

KEY_HEADER = "X-API-Key"
_SHORTEST_KEY = 16  # letters: 64 bits even of hexadecimal digits, beyond any guessing over a network
_LONGEST_KEY = 256  # proxies refuse long headers
_LOOPBACK_NAMES = frozenset({"localhost"})
_PORTS = {"http": 80, "https": 443}
_KEYLESS = ("/health", "/ready", "/card", "/openapi.json", "/")  # and all below /static
_HOST_NAME = re.compile(r"[\w-]+(\.[\w-]+)*")
_ONE_DAY = "86400"
CONTENT_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' blob: data:; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)
_SAFE_HEADERS = {
    "Content-Security-Policy": CONTENT_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=(), browsing-topics=()",
    "X-Frame-Options": "DENY",
    "Cache-Control": "no-store",
}


@dataclass(frozen=True)
class Doors:
    """Whom the server lets in.

    key: the API key, b"" where none is asked for. origins: sites that may ask besides our own pages, as `https://name:port`.
    hosts: names by which the server may be called besides localhost and any IP address.
    """

    key: bytes = b""
    origins: frozenset[str] = frozenset()
    hosts: frozenset[str] = frozenset()

    @classmethod
    def named(cls, key: str = "", origins: Sequence[str] = (), hosts: Sequence[str] = ()) -> Doors:
        """As typed. Raises BadConfig for what is no origin or no host name."""
        return cls(key.encode(), frozenset(map(_origin, origins)), frozenset(map(_host, hosts)))


class Guard:
    """Refuses whom `doors` keep out, and answers the browsers of sites that are let in (CORS)."""

    def __init__(self, app: ASGIApp, doors: Doors) -> None:
        self._app, self._doors = app, doors

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request in, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        try:
            host = self._host(headers)
            origin = self._foreign_origin(headers, host)
            if origin:
                send = _allowing(origin, send)
                if scope["method"] == "OPTIONS" and "access-control-request-method" in headers:
                    await _preflight(headers)(scope, receive, send)
                    return
            self._check_key(scope["path"], headers)
        except Problem as problem:
            await problem.response()(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _host(self, headers: Headers) -> str:
        given = headers.getlist("host")
        if len(given) != 1:
            raise Problem("malformed", "it names no host, or several")
        name = _name(given[0])
        if name not in _LOOPBACK_NAMES | self._doors.hosts and not _is_address(name):
            raise Problem("host", "the request asks for a host that this server was not told is its own name")
        return given[0]

    def _foreign_origin(self, headers: Headers, host: str) -> str:
        """The site that asks, where it was let in; "" for our own pages and for programs. Raises Problem for any other."""
        origin = headers.get("origin", "")
        if not origin or _is_same(origin, host):
            return ""
        if origin.lower() not in self._doors.origins:
            raise Problem("origin", "this request comes from a page of another site")
        return origin

    def _check_key(self, path: str, headers: Headers) -> None:
        if not self._doors.key or path in _KEYLESS or path.startswith("/static/"):
            return
        given = headers.get(KEY_HEADER, "").encode("latin-1")  # the bytes as they were sent
        if not hmac.compare_digest(given, self._doors.key):
            what = "the key is wrong" if given else "no key was sent"
            raise Problem("key", what, headers={"WWW-Authenticate": f'ApiKey realm="plainfilm", header="{KEY_HEADER}"'})


def checked_key(typed: str, place: str) -> str:
    """The key, without the white space around it. place: where it was typed, for messages.

    Raises BadConfig for what is no key: browsers and curl send letters beyond ASCII differently, and a short one can be guessed.
    """
    key = typed.strip()
    if not key:
        raise BadConfig(f"{place}: is empty; expected a key, or leave it away where none is wanted")
    if not (key.isascii() and key.isprintable() and _SHORTEST_KEY <= len(key) <= _LONGEST_KEY):
        raise BadConfig(
            f"{place}: expected one line of {_SHORTEST_KEY} to {_LONGEST_KEY} printable ASCII letters, such as "
            "openssl rand -hex 32 gives"
        )
    return key


def with_safe_headers(send: Send) -> Send:
    """Sends with the headers that keep a browser safe, where the reply does not set them itself."""

    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in _SAFE_HEADERS.items():
                headers.setdefault(name, value)
        await send(message)

    return sent


def _preflight(headers: Headers) -> Response:
    allowed = {
        "Access-Control-Allow-Methods": "GET, HEAD, POST",
        "Access-Control-Allow-Headers": f"{KEY_HEADER}, Content-Type",
        "Access-Control-Max-Age": _ONE_DAY,
    }
    if headers.get("access-control-request-private-network") == "true":
        allowed["Access-Control-Allow-Private-Network"] = "true"
    return Response(status_code=204, headers=allowed)


def _allowing(origin: str, send: Send) -> Send:
    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers["Access-Control-Allow-Origin"] = origin
            headers["Access-Control-Expose-Headers"] = "Retry-After"
            headers.add_vary_header("Origin")
        await send(message)

    return sent


def _is_same(origin: str, host: str) -> bool:
    """Whether a page of `origin` came from this server, called by `host`. The scheme may differ: a proxy may speak TLS for us."""
    try:
        split, asked = urlsplit(origin), urlsplit(f"//{host}")
        default = _PORTS.get(split.scheme)
        if default is None or not split.hostname:
            return False
        return (split.hostname, split.port or default) == (asked.hostname, asked.port or default)
    except ValueError:
        return False


def _name(host: str) -> str:
    """The name in a Host header, without its port; "" where there is none."""
    try:
        split = urlsplit(f"//{host}")
        _ = split.port
        is_bare = (
            not split.username and not split.password and not split.path and not split.query and not split.fragment
        )
        return (split.hostname or "").rstrip(".") if is_bare else ""
    except ValueError:
        return ""


def _is_address(name: str) -> bool:
    """Whether it is an IP address, which nobody's DNS can point elsewhere."""
    try:
        ipaddress.ip_address(name.partition("%")[0])
    except ValueError:
        return False
    return True


def _origin(typed: str) -> str:
    try:
        split = urlsplit(typed)
        _ = split.port
        is_site = split.scheme in _PORTS and bool(split.hostname) and split.path in ("", "/")
    except ValueError:
        is_site = False
    if not is_site or split.query or split.fragment:
        raise BadConfig(f"--allow-origin {typed}: expected a site such as https://films.example.org, without a path")
    return f"{split.scheme}://{split.netloc}".lower()


def _host(typed: str) -> str:
    name = typed.lower().rstrip(".")
    if not _HOST_NAME.fullmatch(name):
        raise BadConfig(f"--allow-host {typed}: expected a name such as films.example.org, without scheme and port")
    return name
