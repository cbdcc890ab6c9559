"""What audits say of the runs that are compared: a place on a leaderboard is worth no more than its score."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from plainfilm.core.audit import Audit, Verdict
from plainfilm.core.html import element
from plainfilm.core.page import Html, joined, mark
from plainfilm.judge.audit.standing import standing
from plainfilm.judge.audit.words import LEVELS, WORDS
from plainfilm.judge.compare.contestants import Contestant

_GRAVEST_FIRST: tuple[Verdict, ...] = ("fail", "warn", "pass", "unknown")


def audit_cells(contestants: Sequence[Contestant]) -> Mapping[str, Html]:
    """The gravest verdict on the runs of each contestant, by its name; empty where no run was audited."""
    held = {each.name: [standing(run).audit for run in each.runs] for each in contestants if each.runs}
    if not any(audit for audits in held.values() for audit in audits):
        return {}
    return {name: _cell(audits) for name, audits in held.items()}


def _cell(audits: Sequence[Audit | None]) -> Html:
    verdicts = [audit.verdict for audit in audits if audit]
    if not verdicts:
        return element("span", "not audited", class_="soft")
    gravest = min(verdicts, key=_GRAVEST_FIRST.index)
    some = f"{len(verdicts)} of {len(audits)} audited" if len(verdicts) < len(audits) else ""
    return joined(mark(LEVELS[gravest], WORDS[gravest]), element("small", " ", some) if some else "")
