"""The model card as a page: the bundle's Markdown in the house's own looks. HTML in it stays text."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict

from plainfilm.core.audit import NOT_AUDITED, Verdict
from plainfilm.core.bundle import Bundle
from plainfilm.core.html import Html, breakable
from plainfilm.core.page import Level, Section, headline, page

_LEVELS: Mapping[Verdict, Level] = {"pass": "pass", "warn": "warning", "fail": "failure", "unknown": "note"}
_STYLE = re.compile(r"<style>(.*?)</style>", re.DOTALL)


class CardPage(NamedTuple):
    """The page, and the content policy that lets its one style in and nothing else."""

    html: str
    content_policy: str


class _Renderer(RendererHTML):
    """Text that breaks anywhere, and tables that scroll by themselves: for a phone."""

    def text(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        return breakable(tokens[idx].content)

    def table_open(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        return '<div class="scroll" tabindex="0">\n<table>\n'

    def table_close(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        return "</table>\n</div>\n"


def card_page(bundle: Bundle) -> CardPage:
    """The bundle's card as one HTML page."""
    markdown = MarkdownIt("commonmark", {"html": False}, renderer_cls=_Renderer).enable("table")
    markdown.validateLink = lambda url: url.startswith(("https://", "http://", "#"))  # type: ignore[method-assign]
    tokens = [token for token in markdown.parse(bundle.card) if not _is_image(token)]
    for token in tokens:
        if token.attrs.pop("style", None):  # the alignment of a cell: the policy forbids styles of single elements
            token.attrs["class"] = "number"
    sections = [
        Section(title, Html(markdown.renderer.render(part, markdown.options, {}))) for title, part in _parts(tokens)
    ]
    sections.insert(0, _verdict(bundle))
    html = page(f"Model card: {bundle.name}", sections, lead=breakable(f"{bundle.precision}, sha256 {bundle.sha256}"))
    styles = (hashlib.sha256(style.encode()).digest() for style in _STYLE.findall(html))
    allowed = " ".join(f"'sha256-{base64.b64encode(digest).decode()}'" for digest in styles)
    policy = f"default-src 'none'; style-src {allowed}; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
    return CardPage(html, policy)


def _verdict(bundle: Bundle) -> Section:
    """What one should know first: what the audit says of the score, or that nobody has looked."""
    audit = bundle.audit
    if audit is None:
        told = headline("note", "Audit: none", NOT_AUDITED)
    else:
        told = headline(_LEVELS[audit.verdict], f"Audit: {audit.verdict.capitalize()}", audit.headline)
    return Section("Verdict", told)


def _is_image(token: Token) -> bool:
    """Whether a line holds a picture: it would be fetched from elsewhere, which the policy forbids."""
    return any(child.type == "image" for child in token.children or ())


def _parts(tokens: Sequence[Token]) -> list[tuple[str, list[Token]]]:
    """The card by its second headings; what stands before the first is "About", the card's own title falls away."""
    parts: list[tuple[str, list[Token]]] = [("About", [])]
    place = 0
    while place < len(tokens):
        token = tokens[place]
        if token.type == "heading_open" and token.tag in ("h1", "h2"):
            if token.tag == "h2":
                parts.append((_words(tokens[place + 1]), []))
            place += 3
            continue
        parts[-1][1].append(token)
        place += 1
    return [(title, part) for title, part in parts if part]


def _words(heading: Token) -> str:
    return "".join(child.content for child in heading.children or ()) or "Untitled"
