"""The score, and what is left of it without the lungs, in one line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from plainfilm.core.audit import Finding
from plainfilm.core.bootstrap import interval_of
from plainfilm.judge.audit.less import WITHOUT_LUNGS


def headline(findings: Sequence[Finding]) -> str:
    """`Accuracy 0.96, of which small networks reach 0.89 without the lungs (the run itself 0.34, ...)`.

    The first number is the run's; where there is no run, or it was never evaluated, that of a small network on whole films. The
    second is of networks trained without the lungs; the third of the run, asked about films whose lungs are hidden.
    """
    by_check = {finding.check: finding for finding in findings}
    less = by_check.get("less")
    rows = {row["sees"]: row for row in less.evidence.get("rows", ())} if less else {}
    without = [_accuracy(rows[seen]) for seen in WITHOUT_LUNGS if seen in rows]
    if less is None or "film" not in rows or not without:
        return "What stands without the lungs was not measured"
    run, commonest = less.evidence["run"], less.evidence["commonest"]
    score = f"Accuracy {_accuracy(run):.2f}" if run else f"A small network reaches {_accuracy(rows['film']):.2f}"
    left = max(without)
    if run and left > _accuracy(run):
        return f"{score}; a small network reaches {left:.2f} without the lungs (the commonest class alone: {commonest:.2f})"
    if less.verdict == "pass":
        return f"{score}; without the lungs {left:.2f}, where naming the commonest class gives {commonest:.2f}"
    if not run:
        return f"{score}, of which {left:.2f} without the lungs (the commonest class alone: {commonest:.2f})"
    hidden = by_check["hidden"].evidence.get("rows", ()) if "hidden" in by_check else ()
    own = "".join(f"the run itself {_accuracy(row):.2f}, " for row in hidden if row["hidden"] == "lungs")
    return f"{score}, of which small networks reach {left:.2f} without the lungs ({own}the commonest class alone {commonest:.2f})"


def _accuracy(measured: Mapping[str, Any]) -> float:
    return interval_of(measured["accuracy"]).value
