"""The audit: what a score is worth once shortcuts, leaks and weak points were looked for: findings, a verdict, a headline.

It lies as audit.json in a run, or beside a manifest, and travels in the bundle:

    {"format_version", "of": "run" | "manifest", "name", "headline", "verdict", "made",
     "findings": [{"check", "verdict", "measure", "number": interval, "threshold", "told": [..], "advice", "evidence": {..}}]}

An interval is {"value", "low", "high"}; None for what is not known. The evidence is what tables and pictures are made of; its
form is a matter of each check, said at the top of its file in `judge/audit/`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from plainfilm.core.bootstrap import Interval, interval_json, interval_of
from plainfilm.core.files import check_format, read_json, write_json
from plainfilm.errors import BadRun

FORMAT_VERSION = 1
NOT_AUDITED = "Nobody has looked for shortcuts, leaks and weak points of this model"
Verdict = Literal["pass", "warn", "fail", "unknown"]
CHECKS = {
    "less": "Networks retrained on less",
    "hidden": "The run with parts hidden",
    "source": "Source foretold from what the run sees",
    "left_out": "One source left out",
    "file": "The file alone",
    "stamps": "Letters and markers in the corners",
    "heatmaps": "Heatmaps inside the lungs",
    "robustness": "Robustness",
    "leaks": "Leaks",
}
_GRAVEST_FIRST: tuple[Verdict, ...] = ("fail", "warn", "pass", "unknown")


@dataclass(frozen=True)
class Finding:
    """What one check found.

    check: its key in CHECKS. verdict: "unknown" where it could not be made, or says nothing either way.
    measure: what the number is, in a few words. number: with its interval; None where there is none.
    threshold: from where on it warns and fails, in words. told: what was found, a sentence each, with numbers.
    advice: what to do; "" where nothing is to be done. evidence: what the check's table and pictures are made of, as JSON holds it.
    """

    check: str
    verdict: Verdict
    measure: str
    number: Interval | None
    threshold: str
    told: tuple[str, ...]
    advice: str = ""
    evidence: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Raise ValueError for a check or a verdict that is none."""
        if self.check not in CHECKS or self.verdict not in get_args(Verdict):
            raise ValueError(f"no finding: check {self.check!r}, verdict {self.verdict!r}")

    @property
    def title(self) -> str:
        """What the check is called."""
        return CHECKS[self.check]

    def to_dict(self) -> dict[str, Any]:
        """The values, for JSON."""
        return {
            "check": self.check,
            "verdict": self.verdict,
            "measure": self.measure,
            "number": None if self.number is None else interval_json(self.number),
            "threshold": self.threshold,
            "told": list(self.told),
            "advice": self.advice,
            "evidence": dict(self.evidence),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Finding:
        """The inverse of to_dict(). Raises KeyError, TypeError or ValueError for what is none."""
        number = values["number"]
        return cls(
            str(values["check"]),
            values["verdict"],
            str(values["measure"]),
            None if number is None else interval_of(number),
            str(values["threshold"]),
            tuple(str(sentence) for sentence in values["told"]),
            str(values["advice"]),
            dict(values["evidence"]),
        )


@dataclass(frozen=True)
class Audit:
    """All findings about a run, or about a manifest before any training.

    of: which of the two. name: of the run or the manifest. headline: the score and what is left of it, one line.
    findings: in the order of CHECKS. made: command, versions, seed, inputs.
    """

    of: Literal["run", "manifest"]
    name: str
    headline: str
    findings: tuple[Finding, ...]
    made: Mapping[str, Any] = field(default_factory=dict)

    @property
    def verdict(self) -> Verdict:
        """The gravest of the findings; "unknown" where no check could be made."""
        return next((one for one in _GRAVEST_FIRST if any(found.verdict == one for found in self.findings)), "unknown")

    def found(self, check: str) -> Finding | None:
        """The finding of a check, None where it was not made."""
        return next((finding for finding in self.findings if finding.check == check), None)

    def to_dict(self) -> dict[str, Any]:
        """The values, for JSON."""
        return {
            "format_version": FORMAT_VERSION,
            "of": self.of,
            "name": self.name,
            "verdict": self.verdict,
            "headline": self.headline,
            "findings": [finding.to_dict() for finding in self.findings],
            "made": dict(self.made),
        }

    def write(self, path: Path) -> None:
        """Write audit.json, whole or not at all."""
        write_json(path, self.to_dict())

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Audit:
        """The inverse of to_dict(). Raises KeyError, TypeError, ValueError or AttributeError for what is none."""
        findings = tuple(Finding.from_dict(one) for one in values["findings"])
        if values["of"] not in ("run", "manifest"):
            raise ValueError(f"of is {values['of']!r}")
        return cls(values["of"], str(values["name"]), str(values["headline"]), findings, dict(values["made"]))

    @classmethod
    def open(cls, path: Path) -> Audit:
        """Read audit.json. Raises BadRun where it is damaged or of another format."""
        values = read_json(path, BadRun)
        check_format(values, FORMAT_VERSION, path, BadRun)
        try:
            return cls.from_dict(values)
        except (KeyError, TypeError, ValueError, AttributeError) as cause:
            raise BadRun(
                f'is damaged ({type(cause).__name__}: {cause}): make it again with "plainfilm audit"', path
            ) from cause
