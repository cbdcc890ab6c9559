"""plainfilm: train, test, explain and serve chest-radiograph classifiers, and say how much of the accuracy is real.

Research and education only. Not a medical device.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

__version__: str

_PUBLIC = {
    "Audit": "plainfilm.core.audit",
    "Manifest": "plainfilm.core.manifest",
    "Predictions": "plainfilm.core.predictions",
    "PlainfilmError": "plainfilm.errors",
    "PrepareOptions": "plainfilm.prepare.ingest",
    "Preprocess": "plainfilm.core.preprocess",
    "Run": "plainfilm.core.run",
    "SplitPlan": "plainfilm.prepare.split",
    "TrainConfig": "plainfilm.core.config",
    "audit_manifest": "plainfilm.audit_jobs",
    "audit_run": "plainfilm.audit_jobs",
    "compare_runs": "plainfilm.jobs",
    "evaluate_run": "plainfilm.jobs",
    "explain_paths": "plainfilm.explain_jobs",
    "predict_paths": "plainfilm.jobs",
    "prepare_films": "plainfilm.prepare.ingest",
    "read_film": "plainfilm.core.image",
    "train_runs": "plainfilm.jobs",
}

_CALLED_ELSEWHERE = {"prepare_films": "prepare"}  # plainfilm.prepare is the room

__all__ = ["__version__", *sorted(_PUBLIC)]  # pyright: ignore


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for, so that importing plainfilm is instant."""
    if name == "__version__":
        from importlib.metadata import version

        return version("plainfilm")
    if name not in _PUBLIC:
        raise AttributeError(f"module plainfilm has no {name!r}")
    return getattr(import_module(_PUBLIC[name]), _CALLED_ELSEWHERE.get(name, name))


def __dir__() -> list[str]:
    return list(__all__)
