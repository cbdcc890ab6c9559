"""How verdicts are said, the same on every page and on the terminal."""

from __future__ import annotations

from collections.abc import Mapping

from plainfilm.core.audit import Audit, Finding, Verdict
from plainfilm.core.bootstrap import Interval, format_interval
from plainfilm.core.page import Level

LEVELS: Mapping[Verdict, Level] = {"pass": "pass", "warn": "warning", "fail": "failure", "unknown": "note"}
WORDS: Mapping[Verdict, str] = {"pass": "Pass", "warn": "Warn", "fail": "Fail", "unknown": "Unknown"}
_NEEDS_A_RUN = ("hidden", "source", "stamps", "heatmaps", "robustness")


def tally(audit: Audit) -> str:
    """`2 of 9 checks fail, 1 warns, 5 pass, 1 could not be made or says nothing either way`."""
    found = [finding.verdict for finding in audit.findings]
    fail, warn, good, unknown = (found.count(one) for one in ("fail", "warn", "pass", "unknown"))
    told = [
        f"{fail} fail{'s' * (fail == 1)}" if fail else "",
        f"{warn} warn{'s' * (warn == 1)}" if warn else "",
        f"{good} pass{'es' * (good == 1)}" if good else "",
        f"{unknown} could not be made or say{'s' * (unknown == 1)} nothing either way" if unknown else "",
    ]
    return f"Of {len(found)} check{'s' * (len(found) != 1)}, {', '.join(filter(None, told)) or 'none was made'}."


def number_words(finding: Finding) -> str:
    """`macro AUROC without the lungs 0.890 (0.871 to 0.907)`; "" where there is no number."""
    return "" if finding.number is None else f"{finding.measure} {interval_words(finding.number)}".strip()


def interval_words(number: Interval) -> str:
    """`0.890 (0.871 to 0.907)`; without ends where it was counted and has none."""
    return f"{number.value:.3f}" if number.low == number.high else format_interval(number)


def why_absent(check: str, audit: Audit) -> str:
    """Why an audit holds no finding of a check."""
    if audit.of == "manifest" and check in _NEEDS_A_RUN:
        return "It asks a trained network, and this audit is of films before any training."
    return "It was not part of this audit."
