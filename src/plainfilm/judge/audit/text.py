"""An audit in lines for a terminal."""

from __future__ import annotations

from collections.abc import Iterator

from plainfilm.core.audit import CHECKS, Audit, Finding, Verdict
from plainfilm.judge.audit.words import interval_words, why_absent

_WORDS: dict[Verdict, str] = {"fail": "FAIL", "warn": "WARN", "pass": "pass", "unknown": "unknown"}
_GRAVE: tuple[Verdict, ...] = ("fail", "warn")


def audit_text(audit: Audit) -> str:
    """A line a check, then what fails and warns with what to do, then the headline.

    Names of classes, sources and runs stand in it as they are: print it through `core.words.printable`, line by line.
    """
    return "\n".join(_lines(audit))


def headline_text(audit: Audit) -> str:
    """`FAIL: 0.959, of which 0.89 without the lungs`."""
    return f"{_WORDS[audit.verdict]}: {audit.headline}"


def _lines(audit: Audit) -> Iterator[str]:
    rows = [_row(check, audit) for check in CHECKS]
    widths = [max(len(row[place]) for row in rows) for place in range(3)]
    for row in rows:
        aligned = "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=False))
        yield f"{aligned}  {row[3]}".rstrip()
    yield ""
    for verdict in _GRAVE:
        for finding in audit.findings:
            if finding.verdict == verdict:
                yield f"{_WORDS[verdict]}: {finding.title}. {_told(finding)}".rstrip()
    yield headline_text(audit)


def _row(check: str, audit: Audit) -> tuple[str, str, str, str]:
    """The verdict, the check, its number, and what that is, or why there is none."""
    finding = audit.found(check)
    if finding is None:
        return "not made", CHECKS[check], "", why_absent(check, audit)
    if finding.number is None:
        return _WORDS[finding.verdict], finding.title, "", " ".join(finding.told[:1])
    return _WORDS[finding.verdict], finding.title, interval_words(finding.number), finding.measure


def _told(finding: Finding) -> str:
    return " ".join(filter(None, (*finding.told, finding.advice)))
