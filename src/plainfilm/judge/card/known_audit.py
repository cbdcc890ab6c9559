"""What the audit of a run found, fact by fact; see `plainfilm.judge.card.evidence`."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from plainfilm.core.audit import CHECKS, Finding
from plainfilm.judge.audit.words import WORDS, number_words, tally
from plainfilm.judge.card.evidence import Evidence, Fact, listed

_NOT_AUDITED = 'what shortcuts, leaks and weak points make of the score was not looked for ("plainfilm audit RUN")'


def audit(evidence: Evidence) -> Fact:
    """The verdict, the headline, and every check in a sentence."""
    found = evidence.standing.audit
    if found is None:
        return _not_audited(evidence)
    return Fact.of(
        f"Audit: {WORDS[found.verdict]}. {found.headline.rstrip('.')}. {tally(found)}",
        *map(_sentence, found.findings),
        missing=_unsettled(found.findings),
    )


def verdict(evidence: Evidence) -> Fact:
    """The verdict and the headline, and which checks they rest on."""
    found = evidence.standing.audit
    if found is None:
        return _not_audited(evidence)
    fails, warns = ([one.title for one in found.findings if one.verdict == grave] for grave in ("fail", "warn"))
    return Fact.of(
        f"Audit: {WORDS[found.verdict]}. {found.headline.rstrip('.')}.",
        f"Checks that fail: {listed(fails)}." if fails else "",
        f"Checks that warn: {listed(warns)}." if warns else "",
    )


def shortcuts(evidence: Evidence) -> Fact:
    """What can be known without the disease: films without lungs, sources, files, marks in corners."""
    return _of(evidence, "less", "hidden", "source", "left_out", "file", "stamps")


def heatmaps(evidence: Evidence) -> Fact:
    """Whether what the network looks at lies in the lungs."""
    return _of(evidence, "heatmaps")


def changed_films(evidence: Evidence) -> Fact:
    """What becomes of the answers where films are changed on purpose."""
    return _of(evidence, "robustness", "stamps")


def _of(evidence: Evidence, *checks: str) -> Fact:
    found = evidence.standing.audit
    if found is None:
        return _not_audited(evidence)
    made = [finding for check in checks if (finding := found.found(check))]
    absent = [CHECKS[check].lower() for check in checks if found.found(check) is None]
    return Fact.of(
        *map(_sentence, made),
        missing=[*_unsettled(made), f"the audit did not look at: {listed(absent)}" if absent else ""],
    )


def _not_audited(evidence: Evidence) -> Fact:
    return Fact.of(
        missing=f"{_NOT_AUDITED}: {evidence.standing.why_not[:1].lower()}{evidence.standing.why_not[1:].rstrip('.')}"
    )


def _sentence(finding: Finding) -> str:
    """`Heatmaps inside the lungs: Fail; gain 0.010 (..). In Normal, ...`; "" for what could not be made."""
    if finding.verdict == "unknown":
        return ""
    number = number_words(finding)
    head = f"{finding.title}: {WORDS[finding.verdict].lower()}{f'; {number}' if number else ''}."
    return " ".join([head, *finding.told])


def _unsettled(findings: Sequence[Finding]) -> list[str]:
    """What could not be made, and why."""
    return [
        f"{finding.title}: unknown. {' '.join(finding.told)}".rstrip(". ")
        for finding in findings
        if finding.verdict == "unknown"
    ]


AUDIT_FACTS: dict[str, Callable[[Evidence], Fact]] = {
    tell.__name__: tell for tell in (audit, verdict, shortcuts, heatmaps, changed_films)
}
