"""What each check's evidence looks like on the page: its charts and its tables.

The evidence is what a check wrote into its finding (`core/audit.py`); `reading.py` says how what is missing is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from plainfilm.core.audit import Finding
from plainfilm.core.page import Html, joined
from plainfilm.judge.audit.reading import Evidence
from plainfilm.judge.audit.shown_changes import show_robustness, show_stamps
from plainfilm.judge.audit.shown_lungs import show_heatmaps, show_hidden, show_less
from plainfilm.judge.audit.shown_sources import show_file, show_leaks, show_left_out, show_source

_SHOW: Mapping[str, Callable[[Evidence, str], Iterator[Html]]] = {
    "less": show_less,
    "hidden": show_hidden,
    "source": show_source,
    "left_out": show_left_out,
    "file": show_file,
    "stamps": show_stamps,
    "heatmaps": show_heatmaps,
    "robustness": show_robustness,
    "leaks": show_leaks,
}


def evidence_of(finding: Finding) -> Html:
    """The charts and tables of a check; nothing where the evidence holds nothing to show that was not told."""
    show = _SHOW.get(finding.check)
    return joined(*show(finding.evidence, " ".join(finding.told))) if show and finding.evidence else Html()
