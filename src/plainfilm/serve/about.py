"""What the server tells of its model: all that the bundle says, without what only machines need."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any

from plainfilm.core.bundle import Bundle
from plainfilm.serve.limits import Limits

_PHANTOM = "phantom-"
VERSION = version("plainfilm")
MEDIA_TYPES = {".png": "image/png", ".jpg": "image/jpeg"}


def model_told(bundle: Bundle, limits: Limits, *, needs_key: bool) -> dict[str, Any]:
    """The reply of /v1/model; a number that is none becomes None."""
    about = bundle.about
    told = {
        "name": bundle.name,
        "network": str(about.get("network", "unknown")),
        "precision": bundle.precision,
        "sha256": bundle.sha256,
        "format_version": about["format_version"],
        "classes": list(bundle.classes),
        "preprocess": bundle.preprocess.to_dict(),
        "intended_use": str(about.get("intended_use", "")),
        "not_for": list(about.get("not_for", ())),
        "data": about.get("data", {}),
        "metrics": about.get("metrics", {}),
        "audit": _audit(bundle),
        "parity": about.get("parity", {}),
        "error": bundle.calibration.error,
        "has_heatmaps": bundle.network.has_maps,
        "why_no_heatmaps": str(about.get("why_no_heatmaps", "")),
        "limits": {
            "bytes_per_film": limits.bytes_per_film,
            "pixels_per_film": limits.pixels_per_film,
            "bytes_per_request": limits.bytes_per_request,
            "films_per_request": limits.films_per_request,
            "seconds_per_request": limits.seconds_to_answer,
        },
        "version": VERSION,
        "needs_key": needs_key,
    }
    return {name: _finite(value) for name, value in told.items()}


def phantoms_told(bundle: Bundle) -> list[dict[str, str]]:
    """Name and title of each probe: the class that it was drawn as, where that can be told from its name."""
    return [{"name": probe.name, "title": _title(probe.name, bundle.classes)} for probe in bundle.probes]


def _title(name: str, classes: Sequence[str]) -> str:
    drawn = name.removeprefix(_PHANTOM).rpartition(".")[0]
    named = {label.lower().replace(" ", "-").replace("_", "-"): label for label in classes}
    return named.get(drawn, drawn.replace("-", " ").capitalize())


def _audit(bundle: Bundle) -> dict[str, Any] | None:
    audit = bundle.audit
    if audit is None:
        return None
    findings = []
    for finding in audit.findings:
        told = finding.to_dict()
        told.pop("evidence")
        findings.append({**told, "title": finding.title})
    return {"verdict": audit.verdict, "headline": audit.headline, "findings": findings}


def _finite(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {name: _finite(held) for name, held in value.items()}
    return [_finite(held) for held in value] if isinstance(value, list | tuple) else value
