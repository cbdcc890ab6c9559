"""What a run's own audit says of it, and whether it still may: an audit of other weights says nothing of these."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from plainfilm.core.audit import NOT_AUDITED, Audit
from plainfilm.core.bundle import Bundle
from plainfilm.core.run import Run
from plainfilm.errors import BadRun
from plainfilm.judge.audit.text import headline_text


@dataclass(frozen=True)
class Standing:
    """The audit of a run as it is now.

    audit: None where there is none that speaks of these weights. why_not: a sentence that says so; "" where there is one.
    """

    audit: Audit | None
    why_not: str


def standing(run: Run) -> Standing:
    """The audit that heads a run's report, or why there is none. A damaged audit is one that nobody can read."""
    try:
        audit = run.audit()
        weights = str(run.completion().get("weights_sha256") or "") if run.is_complete else ""
    except BadRun as error:
        return Standing(None, f"The audit cannot be read: {error.message}.")
    if audit is None:
        return Standing(None, "Not audited yet.")
    if audit.of != "run":
        return Standing(None, "The audit here is of a manifest, not of this run.")
    made_of = str(audit.made.get("weights_sha256") or "")
    if not made_of or not weights:
        return Standing(None, "The audit here does not say of which weights it is, so it is not shown.")
    if made_of != weights:
        return Standing(
            None, f"The audit here is of other weights ({made_of:.12}, not {weights:.12}), so it is not shown."
        )
    return Standing(audit, "")


def bundle_standing(bundle: Bundle) -> Standing:
    """The audit that travels in a bundle, which is of its weights, or that there is none. Raises BadBundle where it is damaged."""
    return Standing(bundle.audit, "" if bundle.audit else f"{NOT_AUDITED}.")


def audit_note(known: Standing) -> str:
    """`audit of this model: FAIL: Accuracy 0.96, ...`, or that there is none."""
    return known.why_not if known.audit is None else f"audit of this model: {headline_text(known.audit)}"


def standing_text(run: Run) -> str:
    """One line for a terminal: the verdict and the headline, or the command that would give them."""
    found = standing(run)
    if found.audit is None:
        return f"{found.why_not} Audit it: plainfilm audit {shlex.quote(str(run.directory))}"
    return f"audit: {headline_text(found.audit)}    page: {run / 'audit.html'}"
