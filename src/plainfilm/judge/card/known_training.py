"""What a run says about its network and its training, fact by fact; see `plainfilm.judge.card.evidence`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from plainfilm.core.run import Run
from plainfilm.judge.card.evidence import Evidence, Fact, count
from plainfilm.judge.evaluate import SPLIT_NAMES

_MAIN = (
    "epochs", "batch_size", "optimizer", "learning_rate", "weight_decay", "schedule", "imbalance", "progressive", "averaging",
)  # fmt: skip
_TOLD_ELSEWHERE = (
    "model",
    "weights",
    "size",
    "seed",
    "split",
    "monitor",
    "device",
    "fit",
    "contrast",
    "gamma",
    "region",
)


def network(evidence: Evidence) -> Fact:
    """Which network, what goes in and what comes out."""
    config, classes = evidence.run.config, evidence.run.classes
    return Fact.of(
        f"Network: {config.model}, one grey channel of {config.size} × {config.size} pixels in, {len(classes)} logits out, in this "
        f"order: {', '.join(classes)}. A film is taken to have one class."
    )


def preprocess(evidence: Evidence) -> Fact:
    """From pixels to input; the same in training, test and use."""
    recipe = evidence.run.preprocess
    contrast = f"gamma {recipe.gamma:g}" if recipe.contrast == "gamma" else recipe.contrast
    seen = {
        "film": "the whole film",
        "lungs": "the lungs, as the segmenter finds them",
        "background": "all but the lungs, as the segmenter finds them",
    }[recipe.region]
    return Fact.of(
        f"Each film is made grey in 8 bits and square ({recipe.fit}) with {recipe.size} pixels a side; contrast: {contrast};"
        f" seen: {seen}; grey levels in 0..1 less {recipe.mean:g}, divided by {recipe.std:g}. The same recipe serves training,"
        " test and use."
    )


def first_weights(evidence: Evidence) -> Fact:
    """What the network began with."""
    config = evidence.run.config
    before = _first_run(evidence.run)
    if before is not None:
        its_own = first_weights(replace(evidence, run=before))
        told = f"Weights at the start: of another training on these training films ({before.directory.name}), of which holds:"
        return Fact.of(told, *its_own.known, missing=its_own.missing)
    if config.weights == "scratch":
        return Fact.of(
            f"Weights at the start: random, drawn with seed {config.seed}; no earlier training.",
            "The first convolution, where a batch norm stands behind it, was set to the principal patterns of the training films."
            if config.whitening
            else "",
        )
    if config.weights == "imagenet":
        versions = evidence.environment.get("versions", {})
        origin = f" by timm {versions['timm']}" if "timm" in versions else ""
        return Fact.of(
            f"Weights at the start: trained on ImageNet (photographs), as supplied{origin}; the last layer drawn anew."
        )
    return Fact.of(
        f"Weights at the start: from {Path(config.weights).name}, a file or a run.",
        missing="what those first weights were trained on, and that no test film was among it",
    )


def _first_run(run: Run) -> Run | None:
    """The run whose weights this one started from, where it still lies there and was trained on the same films."""
    if not Run.is_run(Path(run.config.weights)):
        return None
    before = Run.open(run.config.weights)
    is_alike = before.fingerprint == run.fingerprint and before.config.split == run.config.split
    return before if is_alike else None


def training(evidence: Evidence) -> Fact:
    """The settings of the training that matter, and all that differ from their default."""
    config, done = evidence.run.config, evidence.completion
    values = {one.name: getattr(config, one.name) for one in fields(config)}
    varied = {
        name.removeprefix("augment_"): value for name, value in values.items() if name.startswith("augment_") and value
    }
    changed = [one.name for one in fields(config) if values[one.name] != one.default]
    told = [name for name in values if name in _MAIN or (name in changed and name not in _TOLD_ELSEWHERE)]
    return Fact.of(
        f"Settings: {_pairs({name: values[name] for name in told if not name.startswith('augment_')})}.",
        f"Augmentation: {_pairs(varied) or 'none'}.",
        f"Trained for {count(int(done['epochs']), 'epoch')}; ended by {done.get('ended_by', 'unknown')}."
        if "epochs" in done
        else "",
        missing="" if done else "the training is not finished",
    )


def selection(evidence: Evidence) -> Fact:
    """How the weights that count were chosen."""
    config, best = evidence.run.config, evidence.completion.get("best_epoch")
    return Fact.of(
        f"Kept are the weights of the epoch with the best {_score(config.monitor)} on validation"
        f"{f', epoch {best}' if best else ''}; training never opens the test split.",
        missing="how many other trainings this run was chosen from, and by which score",
    )


def ensemble(evidence: Evidence) -> Fact:
    """A run is one network."""
    mean = (
        f" Its weights are a running mean over steps (decay {evidence.run.config.averaging:g})."
        if evidence.run.config.averaging
        else ""
    )
    return Fact.of(f"No ensemble: one network gives the scores.{mean}")


def overfitting(evidence: Evidence) -> Fact:
    """What was done against learning by heart, and how far training and judged scores lie apart."""
    config = evidence.run.config
    apart = [
        f"{SPLIT_NAMES[split]} {evidence.interval('accuracy', split)}" for split in reversed(evidence.judged_splits)
    ]
    means = [
        f"weight decay {config.weight_decay:g}" if config.weight_decay else "",
        f"dropout {config.dropout:g}" if config.dropout else "",
        f"label smoothing {config.label_smoothing:g}" if config.label_smoothing else "",
        f"mixup {config.mixup:g}" if config.mixup else "",
        "augmentation" if config.augment_share else "",
        f"the best epoch chosen on validation by {_score(config.monitor)}",
    ]
    return Fact.of(
        f"Against learning by heart: {', '.join(filter(None, means))}.", f"Accuracy by split: {', '.join(apart)}."
    )


def imbalance(evidence: Evidence) -> Fact:
    """What was done about unequal classes, and whether probabilities were set right afterwards."""
    used = [name for name in evidence.run.config.imbalance if name != "none"]
    if not used:
        return Fact.of(
            "Nothing was done about unequal classes: films were drawn as they are, in training and in every judged split."
        )
    fitted = evidence.calibration is not None and evidence.calibration.scaling.kind != "none"
    return Fact.of(
        f"Against unequal classes, in training only: {', '.join(used)}. Judged splits hold the films as they are.",
        "The probabilities were recalibrated on validation." if fitted else "",
        missing="" if fitted else "the probabilities were not recalibrated after it",
    )


def software(evidence: Evidence) -> Fact:
    """Versions, machine, seed, command, date."""
    made = evidence.environment
    versions = ", ".join(f"{name} {text}" for name, text in made.get("versions", {}).items())
    return Fact.of(
        f"Versions: {versions}." if versions else "",
        f"Command: {made['command']}; begun {made.get('made_at', 'at an unknown time')}; seed {evidence.run.config.seed}."
        if made.get("command")
        else "",
        f"Machine: {made['platform']}, {_device(evidence.completion)}." if made.get("platform") else "",
        f"The weights' sha256: {evidence.completion['weights_sha256']}."
        if "weights_sha256" in evidence.completion
        else "",
        missing="" if versions else "the versions of the software are not recorded",
    )


def _score(name: str) -> str:
    return name.replace("_", " ").replace("auroc", "AUROC").replace("f1", "F1")


def _device(done: Mapping[str, Any]) -> str:
    return (
        f"{done['device']} in {done.get('precision', 'unknown')} arithmetic"
        if "device" in done
        else "device not recorded"
    )


def _pairs(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {_plain(value)}" for name, value in values.items())


def _plain(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else "+".join(value) if isinstance(value, tuple) else str(value)


TRAINING_FACTS: dict[str, Callable[[Evidence], Fact]] = {
    tell.__name__: tell
    for tell in (network, preprocess, first_weights, training, selection, ensemble, overfitting, imbalance, software)
}
