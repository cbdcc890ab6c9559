"""A run's model card as it goes out in a bundle: no folder of its maker, no name of a film, and how the bundle counts."""

from __future__ import annotations

import re
from collections.abc import Iterator

from plainfilm.core.files import read_json, without_folders
from plainfilm.core.manifest import Manifest
from plainfilm.core.run import Run
from plainfilm.judge.audit.leaks import without_examples
from plainfilm.judge.audit.standing import standing
from plainfilm.judge.card.saying import escaped_markdown
from plainfilm.judge.doubts import split_column

_IN_BRACKETS = re.compile(r" \((?:[^()]|\([^()]*\))*\)")
_CONTRADICTORY = re.compile(
    r"(?<=the value is unknown): .*", re.DOTALL
)  # of manifests before its films stood in brackets
_FROM_FIRST_TO_LAST = re.compile(r" \(.*\)", re.DOTALL)  # where names hold brackets of their own
# The path that a note of `plainfilm check --fix` ends with may hold blanks; of any other, a blank ends it.
_FOLDERS = re.compile(r"(?<=--fix from ).*[/\\]|(?<!\S)(?:~|[A-Za-z]:)?[/\\]\S*[/\\]")


def card_for_strangers(card: str, run: Run, manifest: Manifest) -> str:
    """The card, in Markdown, with the same counts, and without the folders and films that it names.

    manifest: the one that the run was trained on.
    """
    for said, told in _changes(run, manifest):
        if said:
            card = card.replace(escaped_markdown(said), escaped_markdown(told))
    return card


def with_lead(card: str, sentence: str) -> str:
    """The card with a sentence more above its first heading, where a reader sees it before any number."""
    head, mark, rest = card.partition("\n## ")
    return f"{head.rstrip()}\n\n{sentence}\n{mark}{rest}"


def note_for_strangers(note: str) -> str:
    """A note of the manifest without what it lists in brackets, films most often, and each path by its last name alone."""
    return _without_brackets(_CONTRADICTORY.sub("", _FOLDERS.sub("", note)))


def _without_brackets(text: str) -> str:
    told = _IN_BRACKETS.sub("", text)
    return told if not re.search("[()]", told) else _FROM_FIRST_TO_LAST.sub("", text)


def _changes(run: Run, manifest: Manifest) -> Iterator[tuple[str, str]]:
    """What the card may hold, and what is to stand there."""
    environment = run / "environment.json"
    trained = read_json(environment) if environment.is_file() else {}
    for made in (trained, manifest.info.get("provenance", {})):
        if command := made.get("command"):
            yield command, without_folders(command)
    for note in manifest.info.get("notes", []):
        yield str(note), note_for_strangers(str(note))
    for problem in manifest.check([split_column(run, manifest)]):
        yield problem.text, _without_brackets(problem.text)
    audit = standing(run).audit
    for finding in audit.findings if audit else ():
        for told in finding.told:
            yield told, without_examples(told)
