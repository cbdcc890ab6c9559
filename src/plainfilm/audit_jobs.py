"""The audit of a run, or of a manifest before any training: networks are asked here, and `judge/audit/` judges their answers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from plainfilm.audit_networks import RunFilms, SmallFilms, retrained, without_sources
from plainfilm.audit_pictures import shown_changes, shown_hidden, shown_less, shown_maps, shown_stamps
from plainfilm.core.association import classes_tied_to_source
from plainfilm.core.audit import CHECKS, Audit, Finding
from plainfilm.core.files import make_directory, provenance, read_json, refuse_foreign
from plainfilm.core.manifest import Manifest
from plainfilm.core.predictions import Predictions
from plainfilm.core.progress import Progress, Silence
from plainfilm.core.regions import SEEN, Seen
from plainfilm.core.run import Run
from plainfilm.errors import BadManifest, BadRun
from plainfilm.jobs import require_extra
from plainfilm.prepare.inspection import inspect
from plainfilm.prepare.left_out import leave_sources_out

if TYPE_CHECKING:
    from plainfilm.judge.audit.page import Shown
    from plainfilm.judge.judged import Resampling
    from plainfilm.learn.changed import Asked

_MOST_HIDDEN = 2000  # judged films whose parts are hidden from the run
_MOST_MAPPED = 600  # whose heatmaps are laid over the lungs
_MOST_CHANGED = 300  # that are stamped, and changed in each way
_MOST_SOURCES = 3  # that are left out in turn, the largest first


class Audited(NamedTuple):
    """What an audit gave: the findings, the page, and how often the test split was read for the run, this time included."""

    audit: Audit
    page: Path
    test_readings: int


def audit_run(
    run: Run, *, manifest: Manifest | None = None, seed: int = 0, progress: Progress | None = None
) -> Audited:
    """Every check on a trained run; writes audit.json, audit.html and audit/ into it, and the verdict into its report.

    manifest: the one that it was trained on; opened from where it lay where None. seed: of the small networks and of every draw.
    A reading of the test split is counted before it happens.
    Raises BadRun where the run is not finished, BadManifest where the manifest is gone, another, or too small.
    """
    require_extra("audit")
    from plainfilm.judge.audit.page import Shown
    from plainfilm.judge.judged import Resampling
    from plainfilm.judge.report import rewrite_report
    from plainfilm.learn.changed import Asked

    out: Progress = progress or Silence()
    run.require_complete()
    manifest = run.own_manifest(manifest)
    asked = Asked(run)  # what cannot be asked is refused before anything is trained
    films = SmallFilms.opened(manifest, run.config.split, out)
    readings = run.record_test_reading("audit") if films.side == "test" else run.test_readings
    drawing, pictures = Resampling(seed=seed), dict[str, Sequence[Shown]]()
    found = [
        *_of_small_networks(films, SEEN, run, run / "audit", drawing, pictures, out),
        *_of_the_run(films, asked, drawing, pictures, out),
        _of_the_file(manifest, run),
        _of_leaks(films, out),
    ]
    made = _made(films, seed) | {"weights_sha256": str(run.completion().get("weights_sha256", ""))}
    audit = _ordered("run", run.directory.resolve().name, found, made)
    page = _written(audit, run.directory, pictures)
    rewrite_report(run, manifest)
    return Audited(audit, page, readings)


def audit_manifest(
    manifest: Manifest,
    directory: Path | None = None,
    *,
    column: str = "split",
    parts: Sequence[Seen] = SEEN,
    has_leaks_checked: bool = True,
    seed: int = 0,
    progress: Progress | None = None,
) -> Audited:
    """The checks that need no trained run; writes audit.json, audit.html and networks/.

    directory: where to; audit/ beside the manifest where None. column: the split column. parts: of the film, on which networks
    are retrained; the verdict rests on border and background, the others are for comparison. has_leaks_checked: whether the films
    are looked at again for leaks, which `plainfilm check` does too.
    Raises BadManifest where the split leaves too little to learn from or to judge, CannotWrite where `directory` holds
    something else.
    """
    require_extra("audit")
    from plainfilm.judge.audit.page import Shown
    from plainfilm.judge.judged import Resampling

    out: Progress = progress or Silence()
    assert manifest.path is not None
    place = directory or manifest.path.parent / "audit"
    refuse_foreign(place, ("audit.json", "audit.html", "networks"), "audit of a manifest")
    films = SmallFilms.opened(manifest, column, out)
    drawing, pictures = Resampling(seed=seed), dict[str, Sequence[Shown]]()
    found = [
        *_of_small_networks(films, parts, None, place / "networks", drawing, pictures, out),
        _of_the_file(manifest, None),
        *([_of_leaks(films, out)] if has_leaks_checked else ()),
    ]
    audit = _ordered("manifest", manifest.path.resolve().parent.name, found, _made(films, seed))
    return Audited(audit, _written(audit, place, pictures), 0)


def _ordered(of: Literal["run", "manifest"], name: str, found: Sequence[Finding], made: dict[str, Any]) -> Audit:
    """The audit with its findings in the order of CHECKS."""
    from plainfilm.judge.audit.headline import headline

    order = list(CHECKS)
    findings = tuple(sorted(found, key=lambda finding: order.index(finding.check)))
    return Audit(of, name, headline(findings), findings, made)


def _made(films: SmallFilms, seed: int) -> dict[str, Any]:
    return {**provenance(seed, manifest=films.manifest.fingerprint), "lungs": films.lungs_by}


def _written(audit: Audit, place: Path, pictures: dict[str, Sequence[Shown]]) -> Path:
    """Write audit.json and audit.html; returns the page."""
    from plainfilm.judge.audit.page import write_audit_page

    audit.write(place / "audit.json")
    return write_audit_page(audit, place / "audit.html", pictures)


def _of_small_networks(
    films: SmallFilms,
    parts: Sequence[Seen],
    run: Run | None,
    work: Path,
    drawing: Resampling,
    pictures: dict[str, Sequence[Shown]],
    out: Progress,
) -> Iterator[Finding]:
    """Checks 1 and 4: networks retrained on less, and without a source."""
    from plainfilm.judge.audit.left_out import judge_sources_left_out
    from plainfilm.judge.audit.less import judge_less

    make_directory(work)
    less = judge_less(
        retrained(films, parts, work, drawing.seed, out),
        films.side,
        _own_scores(run, films),
        drawing,
        calibration=run.calibration() if run else None,
        without_lungs=films.without_lungs,
    )
    pictures["less"] = shown_less(films, less)
    yield less
    is_tied = bool(classes_tied_to_source(films.rows, films.manifest.classes))
    try:
        plan = leave_sources_out(films.manifest, drawing.seed)
    except BadManifest as error:
        reasons = {"the sources": error.message}
        yield judge_sources_left_out({}, {}, reasons, is_tied, drawing)
        return
    scores, untried = without_sources(films, plan, _MOST_SOURCES, work, drawing.seed, out)
    notes = {split.source: split.note for split in plan.splits}
    yield judge_sources_left_out(scores, notes, plan.refused | untried, is_tied, drawing)


def _own_scores(run: Run | None, films: SmallFilms) -> Predictions | None:
    """The run's own scores of the judged films, where it was evaluated on them."""
    if run is None or not (run / "predictions.csv").is_file():
        return None
    table = Predictions.open(run / "predictions.csv")
    own = table.where(table.table["split"] == films.side)
    return own if len(own.judged.table) else None


def _of_the_run(
    films: SmallFilms, asked: Asked, drawing: Resampling, pictures: dict[str, Sequence[Shown]], out: Progress
) -> Iterator[Finding]:
    """Checks 2, 3, 6, 7, 8: what the run's own network says of films, whole and changed."""
    from plainfilm.judge.audit.changes import CHANGES
    from plainfilm.judge.audit.hidden import judge_hidden
    from plainfilm.judge.audit.robustness import judge_robustness
    from plainfilm.judge.audit.source import judge_source
    from plainfilm.judge.audit.stamp_drawing import STAMPS
    from plainfilm.judge.audit.stamps import judge_stamps

    sides = ("val", films.side) if films.side == "test" else ("val",)
    run, calibration = asked.run, asked.run.calibration()
    opened = RunFilms.opened(asked, films.manifest, sides, out)
    plain = opened.scores(opened.pixels, "Asking the run", out, calibration)
    is_judged = opened.drawn(films.side, _MOST_HIDDEN, drawing.seed)
    is_hidden = is_judged & opened.has_lungs
    judged, without_lungs = opened.where(is_hidden), int((is_judged & ~opened.has_lungs).sum())
    hidden = {"nothing": plain.where(is_hidden), **(judged.with_parts_hidden(out) if is_hidden.any() else {})}
    yield judge_hidden(hidden, drawing, calibration=calibration, without_lungs=without_lungs)
    assert plain.embedding is not None
    label, source, group = (opened.rows[name].tolist() for name in ("label", "source", "group"))
    yield judge_source(plain.embedding, label, source, group, run.classes, drawing)
    is_mapped = opened.drawn(films.side, _MOST_MAPPED, drawing.seed)
    finding, pictures["heatmaps"] = _of_heatmaps(opened.where(is_mapped), drawing, out)
    yield finding
    is_changed = opened.drawn(films.side, _MOST_CHANGED, drawing.seed)
    some, before = opened.where(is_changed), plain.where(is_changed)
    stamped = {stamp.key: some.scores(stamp.draw(some.pixels), f"Stamping: {stamp.key}", out) for stamp in STAMPS}
    yield judge_stamps(before, stamped, drawing, calibration=calibration)
    rng = np.random.default_rng(drawing.seed)
    changed = {
        change.key: some.scores(change.apply(some.pixels, rng), f"{change.title}, {change.strength}", out, calibration)
        for change in CHANGES
    }
    yield judge_robustness(before, changed, drawing, calibration=calibration)
    pictures["hidden"] = shown_hidden(judged) if is_hidden.any() else ()
    pictures["stamps"] = shown_stamps(some)
    pictures["robustness"] = shown_changes(some, drawing.seed)


def _of_heatmaps(films: RunFilms, drawing: Resampling, out: Progress) -> tuple[Finding, Sequence[Shown]]:
    """Check 7, and the mean map of each answer. "unknown" where the network has no maps."""
    from plainfilm.judge.audit.heatmap_share import heatmaps_unknown, judge_heatmaps
    from plainfilm.learn.explain import map_shares

    run, group = films.asked.run, films.rows["group"].tolist()
    try:
        maps = map_shares(run, films.asked.fitted(films.pixels), films.lungs, out)
    except BadRun as error:
        return heatmaps_unknown(f"{error.message}."), ()
    answer = [run.classes[place] for place in maps.answer]
    finding = judge_heatmaps(answer, maps.share_in_lungs, maps.lungs_share, group, run.classes, drawing)
    return finding, shown_maps(films, answer, maps.mean_map)


def _of_the_file(manifest: Manifest, run: Run | None) -> Finding:
    """Check 5."""
    from plainfilm.judge.audit.file_alone import judge_file

    metrics = read_json(run / "metrics.json") if run and (run / "metrics.json").is_file() else None
    return judge_file(manifest.info.get("hints", {}), metrics)


def _of_leaks(films: SmallFilms, out: Progress) -> Finding:
    """Check 9: the films are looked at again, as `plainfilm check` does."""
    from plainfilm.judge.audit.leaks import judge_leaks

    assert films.manifest.path is not None
    found = inspect(films.manifest.path, split_by=films.column, progress=out)
    plain = [one._asdict() for one in found.findings]
    if found.side is None or films.side != "test":
        return judge_leaks(plain, None)
    is_test = (found.side == "test").to_numpy()
    leaking = {row for one in found.findings if one.kind == "leak" for rows in one.rows for row in rows if is_test[row]}
    return judge_leaks(plain, int(is_test.sum()), len(leaking))
