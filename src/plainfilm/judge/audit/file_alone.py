"""Check 5: how far does one come with the file alone, and how far beyond that does the run come?

What the file tells was measured when the manifest was made (prepare/hints.py, in dataset.json); its alarms are taken over.

Evidence: {"accuracy", "balanced_accuracy", "macro_auroc": interval, "auroc": {CLASS: interval}, "run": {"accuracy",
"macro_auroc": interval} or None}, of the file without what may show the lungs, which is compression and histogram; only "run"
where all files are alike, {} where nobody measured it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from plainfilm.core.audit import Finding, Verdict
from plainfilm.core.bootstrap import format_interval, interval_of
from plainfilm.core.words import counted

_MEASURE = "macro AUROC of the file alone, without a look at the lungs"
_THRESHOLD = (
    "fails where dataset.json holds an alarm of the file (a class told from the rest with an AUROC that surely reaches"
    " 0.7), warns where it holds a warning (0.6; by compression alone 0.85)"
)
_MEASURES = ("accuracy", "balanced_accuracy", "macro_auroc")
_ADVICE = (
    'Find out what the files of a class have in common ("plainfilm explore" shows sizes, formats, borders and grey levels by'
    " class): bring"
    " all films to one size, format and grey range from the same originals, or take films of all classes from one place."
    " Report the score"
    " beside that of the file alone."
)
_MEASURE_IT = 'Make the manifest with "plainfilm prepare", which measures it, and audit again.'


def judge_file(hints: Mapping[str, Any] | None, metrics: Mapping[str, Any] | None = None) -> Finding:
    """The file alone beside the run.

    hints: "hints" in a manifest's info; None or empty where nobody measured them.
    metrics: what metrics.json of the run holds; None before any training. Of its splits the test split is taken, else validation.
    """
    found = (hints or {}).get("file")
    if not found:
        reason = "Nobody measured what the file alone tells: dataset.json holds no hints."
        return Finding("file", "unknown", _MEASURE, None, _THRESHOLD, (reason,), _MEASURE_IT)
    if "reason" in found:
        return Finding("file", "unknown", _MEASURE, None, _THRESHOLD, (f"Nothing can be said: {found['reason']}.",))
    assert hints is not None
    alarms = [one for one in hints.get("findings", ()) if one["by"] == "file"]
    levels = {one["level"] for one in alarms}
    verdict: Verdict = "fail" if "failure" in levels else "warn" if "warning" in levels else "pass"
    told = [f"{one['text'][0].upper()}{one['text'][1:]}" for one in alarms]
    run = _of_run(metrics or {})
    score = found["without_lungs"]
    if score is None:
        told.insert(0, "All files are alike in size, format, border and grey range: they tell nothing.")
        evidence: dict[str, Any] = {"run": run}
        return Finding("file", verdict, _MEASURE, None, _THRESHOLD, tuple(told), _ADVICE if alarms else "", evidence)
    told.insert(0, _beside(found, score, run))
    evidence = {**{name: score[name] for name in (*_MEASURES, "auroc")}, "run": run}
    number = interval_of(score["macro_auroc"])
    return Finding("file", verdict, _MEASURE, number, _THRESHOLD, tuple(told), _ADVICE if alarms else "", evidence)


def _of_run(metrics: Mapping[str, Any]) -> dict[str, Any] | None:
    splits = metrics.get("splits", {})
    measured: Mapping[str, Any] = next((splits[name]["metrics"] for name in ("test", "val") if name in splits), {})
    return {name: measured[name] for name in ("accuracy", "macro_auroc") if measured.get(name)} or None


def _beside(found: Mapping[str, Any], score: Mapping[str, Any], run: Mapping[str, Any] | None) -> str:
    told = (
        f"By the file alone, without a look at the lungs, {format_interval(interval_of(score['accuracy']))} of"
        f" {counted(found['films'], 'film')} are named rightly, by always saying {found['commonest']}"
        f" {found['commonest_accuracy']:.3f}"
    )
    if found.get("all"):
        told += f"; with compression and histogram, {format_interval(interval_of(found['all']['accuracy']))}"
    if run and run.get("accuracy"):
        told += f"; by the run, {format_interval(interval_of(run['accuracy']))}"
    return f"{told}."
