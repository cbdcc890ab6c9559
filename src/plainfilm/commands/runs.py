"""Commands on runs: train, evaluate, compare."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from plainfilm.commands.app import STARTED, app
from plainfilm.commands.typed import pairs, runs_at, shares, stages_of, with_settings
from plainfilm.core.calibration import Wishes
from plainfilm.core.config import TrainConfig
from plainfilm.errors import BadConfig
from plainfilm.output import (
    ComparedSplit,
    Measure,
    print_comparison,
    print_evaluation,
    print_outside,
    print_spread,
)
from plainfilm.terminal import progress_on

if TYPE_CHECKING:
    from plainfilm.core.manifest import Manifest
    from plainfilm.core.run import Run


@app.command(
    name="train",
    short_help="Train a network, in the time given.",
    epilog="Example: plainfilm train data -o runs/first --model resnet18 --weights scratch --size 128 --minutes 20",
)
@with_settings
def train_command(
    manifest: Annotated[Path, typer.Argument(help="manifest.csv, manifest.parquet, or the folder that holds one.")],
    directory: Annotated[Path, typer.Option("-o", "--output", help="New folder for the run.")],
    recipe: Annotated[
        Path | None,
        typer.Option(
            help="TOML file of settings, or default: those of the model inside. Options typed here come on top."
        ),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in -o.")] = False,
    evaluate: Annotated[
        bool, typer.Option("--evaluate", help="Read the test split too when the training is done.")
    ] = False,
    splits: Annotated[
        str | None, typer.Option(help="Split columns to train on in turn, joined by commas, or all.")
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Seeds to train with in turn, from --seed on.")] = 1,
    left_out: Annotated[
        bool,
        typer.Option(
            "--leave-one-source-out", help="Train once without each known source and judge on that one; reads test."
        ),
    ] = False,
    allow_leaks: Annotated[bool, typer.Option("--allow-leaks", help="Train although the split leaks.")] = False,
    tensorboard: Annotated[bool, typer.Option("--tensorboard", help="Write TensorBoard files into the run.")] = False,
    *,
    settings: dict[str, Any],
) -> None:
    """Train a network; keeps its best weights by validation; never reads the test split unless told to --evaluate."""
    from plainfilm.core.manifest import Manifest
    from plainfilm.jobs import train_first, train_runs

    first, config = stages_of(recipe, settings, directory, resume)
    if first is not None and (splits or seeds > 1 or left_out):
        raise BadConfig(
            f"--recipe {recipe}: has a [finish] and so trains one run: leave out --splits, --seeds and --leave-one-source-out"
        )
    if first is not None and (first.minutes or config.minutes):
        raise BadConfig(
            f"--recipe {recipe}: has a [finish] and so trains twice, and minutes are of one training: set epochs (--epochs) "
            "instead, or take a recipe without [finish]"
        )
    opened = Manifest.open(manifest)
    if opened.is_changed:
        print(f"note: {opened.path} was changed since it was written", file=sys.stderr)
    if left_out:
        if splits or seeds > 1 or allow_leaks or "split" in settings:
            raise BadConfig(
                "--leave-one-source-out draws its own splits: leave out --splits, --split, --seeds and --allow-leaks"
            )
        _train_left_out(opened, directory, config, resume=resume, tensorboard=tensorboard)
        return
    columns: list[str] = []
    if splits:
        columns = [name for name in opened.split_columns if len(opened.split_columns) == 1 or name != "split"]
        columns = columns if splits == "all" else [name.strip() for name in splits.split(",")]
    if first is not None:
        train_first(opened, directory, first, resume=resume, allow_leaks=allow_leaks, progress=progress_on())
    evaluations = train_runs(
        opened,
        directory,
        config,
        splits=columns,
        seeds=seeds,
        resume=resume and (first is None or directory.exists()),
        allow_leaks=allow_leaks,
        tensorboard=tensorboard,
        read_test=evaluate,
        started=STARTED,
        progress=progress_on(),
    )
    for evaluation in evaluations:
        print_evaluation(evaluation)
    if len(evaluations) > 1:
        print_spread(evaluations)
    if not evaluate:
        print(f"The test split was not read. When the choice is made: plainfilm evaluate {directory}")


def _train_left_out(
    manifest: Manifest, directory: Path, config: TrainConfig, *, resume: bool, tensorboard: bool
) -> None:
    from plainfilm.judge.outside.left_out import left_out_text
    from plainfilm.outside_jobs import train_left_out

    result = train_left_out(manifest, directory, config, resume=resume, tensorboard=tensorboard, progress=progress_on())
    print(left_out_text(result.found))
    print(f"page: {result.page}    numbers: {result.page.with_suffix('.json')}")


@app.command(
    name="evaluate",
    short_help="Judge a run: scores, report; or what it is worth elsewhere.",
    epilog='Examples: plainfilm evaluate runs/first    plainfilm evaluate runs/first --on elsewhere --map "Covid-19=COVID"',
)
def evaluate_command(
    runs: Annotated[list[Path], typer.Argument(help="Runs, or folders of runs.")],
    manifest: Annotated[Path | None, typer.Option(help="The manifest it was trained on, where it was moved.")] = None,
    sensitivity: Annotated[
        list[str] | None,
        typer.Option(metavar="[CLASS=]SHARE", help="What thresholds are to reach, for all classes or for one [0.95]."),
    ] = None,
    specificity: Annotated[
        list[str] | None, typer.Option(metavar="[CLASS=]SHARE", help="The same for specificity [0.95].")
    ] = None,
    prevalence: Annotated[
        list[str] | None,
        typer.Option(
            metavar="CLASS=SHARE", help="How common a class is where it will be used: predictive values there."
        ),
    ] = None,
    error: Annotated[float, typer.Option(help="Share of films whose prediction set may miss their class.")] = 0.05,
    on: Annotated[
        Path | None, typer.Option(help="Judge on all films of this other manifest, whatever their split, instead.")
    ] = None,
    named: Annotated[
        list[str] | None,
        typer.Option("--map", metavar="THEIRS=OURS", help="With --on: a label there is this class; may be repeated."),
    ] = None,
    directory: Annotated[
        Path | None, typer.Option("-o", "--output", help="With --on: folder for the results [RUN/on/NAME].")
    ] = None,
) -> None:
    """Judge a run on train, validation and test: predictions.csv, metrics.json, report.html. The reading of test is counted.

    With --on, judge it on films from elsewhere: what it loses there, by source, view, sex and age. The test split is not read.
    """
    from plainfilm.core.manifest import Manifest
    from plainfilm.jobs import evaluate_run

    if on is not None:
        if sensitivity or specificity or error != Wishes().error:
            raise BadConfig(
                "--on takes the run's own thresholds and sets: choose them by plainfilm evaluate without --on"
            )
        _evaluate_outside(
            runs_at(runs), on, pairs(named, "--map"), directory, manifest, shares(prevalence, "--prevalence")
        )
        return
    if named or directory:
        raise BadConfig(f"{'--map' if named else '-o'} goes with --on MANIFEST")
    wishes = Wishes(
        {**Wishes().sensitivity, **shares(sensitivity, "--sensitivity")},
        {**Wishes().specificity, **shares(specificity, "--specificity")},
        error,
        shares(prevalence, "--prevalence"),
    )
    opened = Manifest.open(manifest) if manifest else None
    evaluations = [evaluate_run(run, opened, wishes=wishes, progress=progress_on()) for run in runs_at(runs)]
    for evaluation in evaluations:
        print_evaluation(evaluation)
        print(f"The test split was read {_times(evaluation.run.test_readings)} for this run.")
    if len(evaluations) > 1:
        print_spread(evaluations)


def _evaluate_outside(
    runs: list[Run],
    on: Path,
    stated: dict[str, str],
    directory: Path | None,
    manifest: Path | None,
    prevalence: dict[str, float],
) -> None:
    from plainfilm.core.manifest import Manifest
    from plainfilm.outside_jobs import evaluate_outside

    if directory is not None and len(runs) > 1:
        raise BadConfig("-o names one folder, and these are several runs: leave it out, each run keeps its own results")
    films, trained_on = Manifest.open(on), Manifest.open(manifest) if manifest else None
    for run in runs:
        evaluation = evaluate_outside(
            run,
            films,
            stated=stated,
            directory=directory,
            trained_on=trained_on,
            prevalence=prevalence,
            progress=progress_on(),
        )
        print_outside(evaluation)


@app.command(
    name="compare",
    short_help="Which of several runs is better, and is it real?",
    epilog="Examples: plainfilm compare runs/r18 runs/r50 rival.csv -o compare    plainfilm compare runs --split val",
)
def compare_command(
    places: Annotated[
        list[Path], typer.Argument(help="Runs, folders of runs (seeds, folds), tables of scores (CSV or Parquet).")
    ],
    directory: Annotated[
        Path, typer.Option("-o", "--output", help="Folder for compare.html, compare.json and leaderboard.csv.")
    ] = Path("compare"),
    split: Annotated[ComparedSplit, typer.Option(help="The films to compare on.")] = ComparedSplit.test,
    by: Annotated[Measure, typer.Option(help="The measure that sorts the leaderboard.")] = Measure.accuracy,
    ensemble: Annotated[bool, typer.Option(help="Let ensembles, the mean of probabilities, join as rows.")] = True,
) -> None:
    """A leaderboard with intervals, and a test of every difference: supported or not. Each run counts a reading of test."""
    from plainfilm.jobs import compare_runs

    print_comparison(
        compare_runs(places, directory, split=split.value, by=by.value, with_ensembles=ensemble, progress=progress_on())
    )


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"
