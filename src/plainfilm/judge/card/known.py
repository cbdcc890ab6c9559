"""All that a machine can read from a run, its manifest and its metrics, by name; and the outlines that it is set into.

known = known_facts(run, manifest, metrics)
write_model_card(run, known)
write_checklists(run, known)
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from plainfilm.core.manifest import Manifest
from plainfilm.core.run import Run
from plainfilm.judge.card.evidence import Evidence, Fact
from plainfilm.judge.card.known_audit import AUDIT_FACTS
from plainfilm.judge.card.known_films import FILM_FACTS
from plainfilm.judge.card.known_scores import SCORE_FACTS
from plainfilm.judge.card.known_training import TRAINING_FACTS
from plainfilm.judge.card.known_trust import TRUST_FACTS

Facts = Mapping[str, Fact]
_FOREIGN = Fact.of(
    missing="the manifest at hand is not the one that the run was trained on, so it says nothing of its films"
)


def known_facts(run: Run, manifest: Manifest, metrics: Mapping[str, Any]) -> dict[str, Fact]:
    """Every fact by the name that outlines (claim.toml, probast_ai.toml, model_card.toml) call it by.

    manifest: the one that was judged on. metrics: the content of metrics.json; keys that evaluation did not write may be absent.
    Takes some seconds for tens of thousands of films: ask once. Raises BadRun where a file of the run is damaged.
    """
    evidence = Evidence(run, manifest, metrics)
    is_of_training = evidence.is_of_training
    of_films = {name: tell(evidence) if is_of_training else _FOREIGN for name, tell in FILM_FACTS.items()}
    others = {name: tell(evidence) for name, tell in (TRAINING_FACTS | SCORE_FACTS | TRUST_FACTS | AUDIT_FACTS).items()}
    return of_films | others


def read_outline(name: str) -> dict[str, Any]:
    """An outline that ships beside this file, as it stands in its TOML."""
    return tomllib.loads(Path(__file__).with_name(f"{name}.toml").read_text(encoding="utf-8"))
