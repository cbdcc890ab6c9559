"""The job behind `plainfilm export`: a run becomes one file, once it is shown to answer as the run does."""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from os import cpu_count
from pathlib import Path
from typing import Any, Literal, NamedTuple

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from plainfilm.core.bundle import probed, write_bundle
from plainfilm.core.bundle_file import SUFFIX
from plainfilm.core.files import cannot_write, file_sha256, provenance, read_json, without_folders
from plainfilm.core.gate import gate_reasons
from plainfilm.core.image import read_film
from plainfilm.core.lungs import segmenter_version
from plainfilm.core.manifest import Manifest
from plainfilm.core.network import Network, OnnxNetwork, Scores, joined
from plainfilm.core.parity import Parity, parity
from plainfilm.core.predictor import WILD, Predictor
from plainfilm.core.progress import Progress, Silence
from plainfilm.core.run import Run
from plainfilm.errors import BadRun, CannotWrite
from plainfilm.jobs import require_extra

Precision = Literal["fp32", "int8"]
# What probes may differ by on another machine, of the largest number or 1: float32 sums in another order; and in int8 a value
# that lies between two steps falls to the other side.
_TOLERANCE = {"fp32": 1e-3, "int8": 0.1}
_CALIBRATION_FILMS = 256
_BATCH = 16
INTENDED = (
    "Research and education only: to study what such a network has learnt and how it fails. Not a medical device."
)
NOT_FOR = (
    "deciding about a patient: not to diagnose, to rule out, to triage, to choose a treatment or to reassure",
    "lateral views, children, films unlike those that it was trained on, and anything that is no chest radiograph",
)


class Exported(NamedTuple):
    """What exporting gave: the file, what was shown before it was written, and why it gives no heatmaps ("" where it does)."""

    path: Path
    precision: Precision
    parity: Parity
    why_no_maps: str


def export_run(
    run: Run,
    path: Path,
    *,
    precision: Precision = "fp32",
    manifest: Manifest | None = None,
    author: Path | None = None,
    force: bool = False,
    progress: Progress | None = None,
) -> Exported:
    """Write a run as a bundle, once it is shown on its validation films that the bundle answers as the run does.

    precision: "fp32", or "int8", which is calibrated on training films. manifest: the one that the run was trained on; opened from
    where it lay where None. author: a TOML file of answers to what the model card asks its author (judge/card/author.py).
    force: write over what lies at `path`. The test split is not read.
    Raises BadRun where the run is not finished, was never evaluated, has no card that asks what `author` answers, or its bundle
    answers otherwise; CannotWrite where something lies at `path` or it cannot be written; BadManifest where the manifest is
    another; BadConfig for answers that fit no question.
    """
    require_extra("export")
    from plainfilm.judge.card.exported import with_lead
    from plainfilm.learn.export import onnx_graph
    from plainfilm.learn.infer import TorchNetwork

    out: Progress = progress or Silence()
    _refuse_taken(path, force)
    run.require_complete()
    if not run.is_calibrated:
        raise BadRun('was never evaluated, so nothing is calibrated: run "plainfilm evaluate" first', run.directory)
    manifest = run.own_manifest(manifest)
    card = _card(run, manifest, author)  # before the work, since answers that fit no question are refused
    out.say("Writing the network as ONNX")
    model, why_no_maps = onnx_graph(run)
    if precision == "int8":
        from plainfilm.learn.quantise import quantise

        some = _fitted(_some_training_films(run, manifest), run, out, "Reading training films to calibrate on")
        model = quantise(model, run.preprocess.network_input(some), run.preprocess.mean, run.preprocess.std, out)
    network = OnnxNetwork(model, run.preprocess)
    rows = _in_split(run, manifest, "val")
    paths = _paths(manifest, rows)
    films = _fitted(paths, run, out, "Reading validation films")
    of_run = _scored(TorchNetwork(run, out), films, out, "Asking the run")
    of_bundle = _scored(network, films, out, "Asking the bundle")
    if not all(scores.are_finite for scores in (of_run, of_bundle)):
        raise BadRun(f"cannot be exported as {precision}: {WILD}", run.directory)
    found = parity(run.calibration(), of_run, of_bundle, rows["label"].tolist(), gate_reasons(paths, out))
    if problem := found.problem(precision):
        raise BadRun(f"cannot be exported as {precision}: {problem}", run.directory)
    card = with_lead(card, found.told(precision))
    predictor = Predictor(run.directory.resolve().name, run.classes, run.preprocess, run.calibration(), network)
    probes = probe_files()
    about = {
        **_about(run, manifest),
        "precision": precision,
        "parity": found.to_dict(),
        "why_no_heatmaps": why_no_maps,
        "tolerance": _TOLERANCE[precision],
        "probes": [{"file": name, "expected": probed(predictor, name, content)} for name, content in probes],
    }
    write_bundle(path, about, model, card, probes)
    return Exported(path, precision, found, why_no_maps)


def probe_files() -> list[tuple[str, bytes]]:
    """The phantom films of every bundle, as (name, file): PNG of 8 and of 16 bits, JPEG, none of them square."""
    from plainfilm.prepare.phantom import FINDINGS, render_phantom

    films = []
    for place, finding in enumerate(FINDINGS):
        film, _ = render_phantom(finding, np.random.default_rng(2026 + place), 384)
        films.append(film[:, 8:-24])
    deep = films[1].astype(np.uint16) * 257
    coded: list[tuple[str, NDArray[Any], list[int]]] = [
        (".png", films[0], []),
        (".png", deep, []),
        (".jpg", films[2], [cv2.IMWRITE_JPEG_QUALITY, 95]),
        (".png", films[3], []),
    ]
    names = [f"phantom-{finding.lower().replace(' ', '-').replace('_', '-')}" for finding in FINDINGS]
    return [
        (name + suffix, cv2.imencode(suffix, film, options)[1].tobytes())
        for name, (suffix, film, options) in zip(names, coded, strict=True)
    ]


def _about(run: Run, manifest: Manifest) -> dict[str, Any]:
    """What bundle.json says of the model, whatever its precision."""
    metrics = read_json(run / "metrics.json") if (run / "metrics.json").is_file() else {"splits": {}}
    judged = next((name for name in ("test", "val") if name in metrics["splits"]), "")
    of_split = metrics["splits"].get(judged, {})
    train = _in_split(run, manifest, "train")
    made = provenance(run.config.seed, manifest=run.fingerprint)
    return {
        "name": run.directory.resolve().name,
        "network": run.config.model,
        "classes": list(run.classes),
        "preprocess": run.preprocess.to_dict(),
        "calibration": run.calibration().to_dict(),
        "segmenter": segmenter_version(),
        "intended_use": INTENDED,
        "not_for": list(NOT_FOR),
        "data": {
            "manifest_fingerprint": run.fingerprint,
            "training_films": {name: int((train["label"] == name).sum()) for name in run.classes},
            "sources": {str(name or "unknown"): int(count) for name, count in train["source"].value_counts().items()},
        },
        "metrics": {
            "split": judged,
            **{name: of_split[name] for name in ("films", "groups", "metrics") if name in of_split},
            "test_readings": run.test_readings,
        },
        "audit": _audit(run),
        "weights_sha256": file_sha256(run / "weights.safetensors"),
        "made": {**made, "command": without_folders(made["command"])},
    }


def _card(run: Run, manifest: Manifest, author: Path | None) -> str:
    """The run's model card without folders and names of films, since a bundle goes to strangers.

    Raises BadRun where there are answers and no card that asks.
    """
    from plainfilm.judge.card.author import open_answers, with_answers
    from plainfilm.judge.card.exported import card_for_strangers

    card = run / "model_card.md"
    if not card.is_file():
        if author:
            raise BadRun(f'is missing, so {author} answers nothing: run "plainfilm evaluate", which writes it', card)
        return f"# {run.directory.resolve().name}\n\n{INTENDED}\n"
    text = card_for_strangers(card.read_text(encoding="utf-8"), run, manifest)
    return with_answers(text, open_answers(author), str(author)) if author else text


def _audit(run: Run) -> dict[str, Any] | None:
    """The run's audit without folders and names of films, which its evidence holds; None where there is none of these weights."""
    from plainfilm.judge.audit.leaks import without_examples
    from plainfilm.judge.audit.standing import standing

    known = standing(run).audit
    if known is None:
        return None
    values = known.to_dict()
    made = {name: without_folders(one) if name == "command" else one for name, one in values["made"].items()}
    findings = [
        {**finding, "told": [without_examples(told) for told in finding["told"]], "evidence": {}}
        for finding in values["findings"]
    ]
    return {**values, "findings": findings, "made": made}


def _refuse_taken(path: Path, force: bool) -> None:
    """Raise CannotWrite before the work begins where the bundle could not be written at its end."""
    if path.is_dir():
        raise CannotWrite(f"is a folder: name a file for the bundle, such as {path / ('model' + SUFFIX)}", path)
    if path.exists() and not force:
        raise CannotWrite("is there already: choose another -o, or add --force to write over it", path)
    parent = path.parent
    if not parent.is_dir():
        refused = errno.ENOTDIR if parent.exists() else errno.ENOENT
    elif not os.access(parent, os.W_OK | os.X_OK):
        refused = errno.EACCES
    else:
        return
    raise cannot_write(path, OSError(refused, os.strerror(refused)))


def _in_split(run: Run, manifest: Manifest, split: str) -> pd.DataFrame:
    ok = manifest.ok
    return ok[(ok[run.config.split] == split) & (ok["label"] != "")]


def _paths(manifest: Manifest, rows: pd.DataFrame) -> list[Path]:
    return [manifest.film_path(path) for path in rows["path"]]


def _some_training_films(run: Run, manifest: Manifest) -> list[Path]:
    """Training films, as many of each class as there are, drawn from the run's seed."""
    rows = _in_split(run, manifest, "train").sample(frac=1, random_state=run.config.seed)
    share = rows.groupby("label").cumcount()
    return _paths(manifest, rows.loc[share.sort_values(kind="stable").index[:_CALIBRATION_FILMS]])


def _fitted(paths: Sequence[Path], run: Run, out: Progress, label: str) -> NDArray[np.uint8]:
    """(N, S, S) as the network sees them."""

    def one(path: Path) -> NDArray[np.uint8]:
        return run.preprocess.fitted(read_film(path).pixels)

    films = []
    with ThreadPoolExecutor(cpu_count() or 1) as pool, out.task(label, len(paths)) as task:
        for film in pool.map(one, paths):
            films.append(film)
            task.advance()
    return np.stack(films)


def _scored(network: Network, films: NDArray[np.uint8], out: Progress, label: str) -> Scores:
    parts = []
    with out.task(label, len(films)) as task:
        for start in range(0, len(films), _BATCH):
            some = films[start : start + _BATCH]
            parts.append(network.scores(some, maps=True))
            task.advance(len(some))
    return joined(parts)
