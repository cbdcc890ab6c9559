"""The model card: what a network is, what it was made from, what it reached, what it is not for.

Its outline is model_card.toml, its facts come from the files of the run; what they do not say is left to the author, and marked.
Source: Mitchell et al. 2019, doi:10.1145/3287560.3287596.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from plainfilm.core.files import write_text
from plainfilm.core.html import element
from plainfilm.core.page import NOTICE, Html, Section, bullets, folded, paragraph, section
from plainfilm.core.run import Run
from plainfilm.judge.card.known import Facts, read_outline
from plainfilm.judge.card.saying import escaped_markdown, sentence

FORMAT_VERSION = 1
TO_FILL_IN = "For the author to fill in"
BY_THE_AUTHOR = "By the author"
ABOUT = (
    "Written by plainfilm. Every sentence comes from the files of the run, or holds for all networks that plainfilm trains. What "
    f"the files do not say is marked: “{TO_FILL_IN}”, or “{BY_THE_AUTHOR}” where that is done."
)


@dataclass(frozen=True)
class Statement:
    """One sentence of a card. is_known: said by the machine; else what an author must fill in."""

    text: str
    is_known: bool


@dataclass(frozen=True)
class CardPart:
    """A heading of the card and what stands below it."""

    title: str
    statements: tuple[Statement, ...]


@dataclass(frozen=True)
class ModelCard:
    """A model card. name: of the run."""

    name: str
    parts: tuple[CardPart, ...]

    def to_markdown(self) -> str:
        """As a text that a person reads and goes on with."""
        lines = [f"# Model card: {escaped_markdown(self.name)}", "", f"**{NOTICE}**", "", ABOUT, ""]
        for part in self.parts:
            lines += [f"## {escaped_markdown(part.title)}", "", *map(_bullet, part.statements), ""]
        return "\n".join(lines)

    def to_json(self) -> dict[str, Any]:
        """As plain values, for a file of JSON: format_version, name, parts of title and statements."""
        return {"format_version": FORMAT_VERSION, **asdict(self)}


def model_card(run: Run, known: Facts) -> ModelCard:
    """The card of a run. known: as `known_facts` gives it for this run."""
    parts = tuple(_part(part, known) for part in read_outline("model_card")["section"])
    return ModelCard(run.directory.resolve().name, parts)


def write_model_card(run: Run, known: Facts) -> Path:
    """Write model_card.md into the run; returns its path. Raises CannotWrite."""
    path = run / "model_card.md"
    write_text(path, model_card(run, known).to_markdown())
    return path


def card_section(run: Run, known: Facts) -> Section:
    """The card as a section of the report, each heading folded."""
    parts = model_card(run, known).parts
    return section(
        "Model card", paragraph(ABOUT), *(folded(part.title, bullets(map(_line, part.statements))) for part in parts)
    )


def _part(outline: Mapping[str, Any], known: Facts) -> CardPart:
    told = [known[name] for name in outline.get("facts", ())]
    said = [*outline.get("said", ()), *(text for fact in told for text in fact.known)]
    open_ = [*(text for fact in told for text in fact.missing), *outline.get("author", ())]
    statements = [
        *(Statement(text, True) for text in dict.fromkeys(said)),
        *(Statement(text, False) for text in dict.fromkeys(open_)),
    ]
    return CardPart(outline["title"], tuple(statements))


def _bullet(statement: Statement) -> str:
    text = escaped_markdown(statement.text)
    return f"- {text}" if statement.is_known else f"- *{TO_FILL_IN}: {text}*"


def _line(statement: Statement) -> Html:
    if statement.is_known:
        return sentence(statement.text)
    return element("span", sentence(f"{TO_FILL_IN}: {statement.text}"), class_="soft")
