"""Check 9: do films of the test split stand in training too, and is one picture filed under two labels?

Evidence: {"rows": [{"title", "level", "text"}]}: leaks and pictures under two labels, as `plainfilm check` finds them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from plainfilm.core.audit import Finding, Verdict
from plainfilm.core.bootstrap import Interval
from plainfilm.core.words import EXAMPLES, counted

_MEASURE = "share of test films concerned by a leak (counted, not estimated)"
_THRESHOLD = "fails with any leak, warns where one picture stands under two labels"


def judge_leaks(findings: Sequence[Mapping[str, Any]], test_films: int | None, leaking_test_films: int = 0) -> Finding:
    """What `plainfilm check` found, as a verdict.

    findings: of prepare/check.py, each with kind, level, title and text. All kinds may be there; leaks and labels are taken.
    test_films: how many films the test split has; None where there is no split, so that nothing can leak.
    leaking_test_films: how many of them any leak is about.
    Raises ValueError where more films leak than there are.
    """
    leaks = [one for one in findings if one["kind"] == "leak"]
    labels = [one for one in findings if one["kind"] == "label"]
    rows = [{name: str(one[name]) for name in ("title", "level", "text")} for one in (*leaks, *labels)]
    if not 0 <= leaking_test_films <= (test_films or 0):
        raise ValueError(f"{leaking_test_films} films of {test_films} leak")
    told = [f"{one['title']}: {one['text']}." for one in (*leaks, *labels)]
    number = None
    if test_films:
        share = leaking_test_films / test_films
        number = Interval(share, share, share)  # all films were looked at
        told.insert(0, _counted(leaking_test_films, test_films))
    else:
        told.insert(0, "There is no test split, so nothing can leak into it.")
    if leaks:
        return Finding("leaks", "fail", _MEASURE, number, _THRESHOLD, tuple(told), _OF_LEAKS, {"rows": rows})
    if labels:
        return Finding("leaks", "warn", _MEASURE, number, _THRESHOLD, tuple(told), _OF_LABELS, {"rows": rows})
    verdict: Verdict = "pass" if test_films else "unknown"
    return Finding("leaks", verdict, _MEASURE, number, _THRESHOLD, tuple(told), "", {"rows": rows})


def without_examples(told: str) -> str:
    """A sentence of this check with its counts and without the films that it names, for whoever is given the model alone."""
    counts, _, films = told.partition(EXAMPLES)
    return f"{counts}." if films else told


_OF_LEAKS = (
    'Split again with "plainfilm prepare", which keeps patients, copies and near twins on one side, and train again.'
)
_OF_LABELS = (
    'See the pairs with "plainfilm check", find out which label is right, and mend the table: until then both teach, and'
    " both count."
)


def _counted(leaking: int, films: int) -> str:
    if leaking == 0:
        return f"None of {counted(films, 'test film')} shares a picture, a patient or a group with another side of the split."
    return f"{leaking:,} of {counted(films, 'test film')} share a picture, a patient or a group with another side of the split."
