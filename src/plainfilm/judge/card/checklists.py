"""Reporting checklists as far as a machine can fill them in: CLAIM (2024 update) and PROBAST+AI.

The items and what each rests on stand in claim.toml and probast_ai.toml; this claims no compliance, it is a start for an author.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from plainfilm.core.files import write_text
from plainfilm.core.page import (
    Html,
    Section,
    facts,
    folded,
    heading,
    joined,
    paragraph,
    section,
    strong,
    table,
    texts,
)
from plainfilm.core.run import Run
from plainfilm.judge.card.known import Facts, read_outline
from plainfilm.judge.card.saying import escaped_markdown, markdown_table, sentence

Status = Literal["filled in", "in part", "for the author"]
STATUSES: tuple[Status, ...] = ("filled in", "in part", "for the author")
OUTLINES = ("claim", "probast_ai")
NO_CLAIM = (
    "This claims no compliance. A machine wrote down what the files of the run say; whether that answers the item, and everything "
    "else, is for the author."
)


@dataclass(frozen=True)
class Item:
    """One item, with what the machine knows of it.

    number: in the checklist. asks: what the item wants, in our words. known: sentences out of the run's files.
    author: what the author must add. is_judged_by_author: whether the answer is the author's, whatever is known.
    """

    number: str
    asks: str
    known: tuple[str, ...]
    author: tuple[str, ...]
    is_judged_by_author: bool = False

    @property
    def status(self) -> Status:
        """How far the machine got."""
        if not self.known:
            return "for the author"
        return "in part" if self.author or self.is_judged_by_author else "filled in"


@dataclass(frozen=True)
class Part:
    """Items that belong together."""

    title: str
    items: tuple[Item, ...]


@dataclass(frozen=True)
class Checklist:
    """A checklist for one run. about, source, note: what it is, where it comes from, what to mind."""

    title: str
    about: str
    source: str
    note: str
    parts: tuple[Part, ...]

    @property
    def items(self) -> tuple[Item, ...]:
        """All items in order."""
        return tuple(item for part in self.parts for item in part.items)

    def counts(self) -> dict[Status, int]:
        """How many items have each status."""
        return _counts(self.items)


def fill_checklist(outline: Mapping[str, Any], known: Facts) -> Checklist:
    """The checklist with what is known. Raises KeyError where the outline names a fact that there is not."""
    is_judged = bool(outline.get("is_judged_by_author"))
    parts = tuple(
        Part(part["title"], tuple(_item(item, known, is_judged) for item in part["item"])) for part in outline["part"]
    )
    return Checklist(outline["title"], outline["about"], outline["source"], outline["note"], parts)


def checklists(known: Facts) -> list[Checklist]:
    """Both checklists for a run. known: as `known_facts` gives it."""
    return [fill_checklist(read_outline(name), known) for name in OUTLINES]


def checklist_section(known: Facts) -> Section:
    """The section of the report: for each checklist its counts, then all its items, folded."""
    parts = (part for checklist in checklists(known) for part in _of_one(checklist))
    return section("Reporting checklists", paragraph(strong(NO_CLAIM)), *parts)


def write_checklists(run: Run, known: Facts) -> Path:
    """Write checklists.md into the run, for an author to go on with; returns its path. Raises CannotWrite."""
    path = run / "checklists.md"
    write_text(path, "\n".join(line for checklist in checklists(known) for line in _markdown(checklist)))
    return path


def _item(item: Mapping[str, Any], known: Facts, is_judged: bool) -> Item:
    told = [known[name] for name in item.get("facts", ())]
    open_ = [*(text for fact in told for text in fact.missing), *([item["author"]] if "author" in item else [])]
    sentences = dict.fromkeys(text for fact in told for text in fact.known)
    return Item(item["number"], item["asks"], tuple(sentences), tuple(dict.fromkeys(open_)), is_judged)


def _counts(items: tuple[Item, ...]) -> dict[Status, int]:
    return {status: sum(item.status == status for item in items) for status in STATUSES}


def _of_one(checklist: Checklist) -> tuple[Html, ...]:
    counts = (
        (status.capitalize(), f"{number} of {len(checklist.items)}") for status, number in checklist.counts().items()
    )
    return (
        heading(checklist.title),
        paragraph(checklist.about, " ", checklist.note),
        facts(counts),
        folded(f"{checklist.title}, item by item", *map(_table, checklist.parts)),
        paragraph(f"Source: {checklist.source}.", soft=True),
    )


def _table(part: Part) -> Html:
    rows = ((f"{item.number}. {item.asks}", _answer(item)) for item in part.items)
    return table(part.title, texts("Item", "What the run says"), rows)


def _answer(item: Item) -> Html:
    return joined(
        paragraph(strong(item.status.capitalize())),
        *(paragraph(sentence(text)) for text in item.known),
        paragraph(sentence(f"For the author: {'; '.join(item.author)}."), soft=True) if item.author else "",
    )


def _markdown(checklist: Checklist) -> list[str]:
    counts = ", ".join(f"{number} {status}" for status, number in checklist.counts().items())
    lines = [
        f"# {checklist.title}",
        "",
        f"**{NO_CLAIM}**",
        "",
        escaped_markdown(f"{checklist.about} {checklist.note}"),
        "",
    ]
    lines += [f"Items: {counts}. Source: {escaped_markdown(checklist.source)}.", ""]
    for part in checklist.parts:
        rows = (
            (item.number, item.asks, item.status, " ".join(item.known), "; ".join(item.author)) for item in part.items
        )
        columns = ("Item", "What it asks", "Status", "What the run says", "For the author")
        lines += [f"## {escaped_markdown(part.title)}", "", *markdown_table(columns, rows), ""]
    return lines
