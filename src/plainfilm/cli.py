"""The command line: parse, call one job, print.

Exit codes: 0 done, 1 the input was wrong (one line on standard error), 2 usage, 130 stopped by Ctrl-C.
"""

from __future__ import annotations

import errno
import functools
import inspect
import io
import logging
import os
import shlex
import sys
import time
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from plainfilm import __version__
from plainfilm.core.calibration import Wishes
from plainfilm.core.config import TYPED, TrainConfig, changes_from_toml
from plainfilm.core.files import cannot_write
from plainfilm.core.manifest import Manifest
from plainfilm.core.run import Run
from plainfilm.errors import BadConfig, BadRun, Interrupted, PlainfilmError
from plainfilm.output import (
    DISCLAIMER,
    ComparedSplit,
    Measure,
    TableFormat,
    print_comparison,
    print_evaluation,
    print_inspection,
    print_manifest,
    print_outside,
    print_spread,
    printable,
    scores_text,
)
from plainfilm.terminal import progress_on

_STARTED = time.monotonic()

app = typer.Typer(
    name="plainfilm",
    help=f"Train, test, explain and serve chest-radiograph classifiers, and say how much of the accuracy is real.\n\n{DISCLAIMER}",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def main() -> NoReturn:
    """Run the command line; every PlainfilmError becomes one line and exit code 1."""
    _hear_warnings_only()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a name that the terminal cannot show is no reason to stop
    try:
        app()
    except SystemExit as ended:
        if ended.code == 130:  # typer says nothing
            _complain("stopped", 130)
        if type(sys.stdout).__name__ == "PacifyFlushWrapper":  # typer's sign that the reader of a pipe has gone
            sys.exit(0)
        raise
    except Interrupted as error:
        _complain(error, 130)
    except PlainfilmError as error:
        _complain(error, 1)
    except KeyboardInterrupt:
        _complain("stopped", 130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EFBIG):
            raise
        _complain(cannot_write(error.filename or "the output", error), 1)
    sys.exit(0)


def _hear_warnings_only() -> None:
    """Libraries tell this program of warnings, not of their settings; a root handler keeps them from bringing their own."""
    handler = logging.StreamHandler()
    handler.setLevel(logging.WARNING)
    handler.addFilter(
        lambda record: not record.name.startswith("huggingface_hub")
    )  # its retries; the end of them is ours
    logging.basicConfig(handlers=[handler])


def _complain(message: object, code: int) -> NoReturn:
    print(f"plainfilm: {printable(' '.join(str(message).split()))}", file=sys.stderr)
    sys.exit(code)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"plainfilm {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Options of every command."""


def _with_settings(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command one option for each setting of TrainConfig; those that were typed reach it as the mapping `settings`."""
    own = [
        parameter
        for parameter in inspect.signature(command, eval_str=True).parameters.values()
        if parameter.name != "settings"
    ]
    options = []
    for setting in fields(TrainConfig):
        kind = str if isinstance(setting.default, tuple) else type(setting.default)
        default = ",".join(setting.default) if isinstance(setting.default, tuple) else setting.default
        choices = f" ({', '.join(setting.metadata['choices'])})" if setting.metadata["choices"] else ""
        option = typer.Option(
            help=f"{setting.metadata['help']}{choices} [{str(default).lower() if kind is bool else default}]",
            rich_help_panel=setting.metadata["section"],
            show_default=False,
        )
        options.append(
            inspect.Parameter(
                setting.name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[kind | None, option]
            )
        )
    names = {option.name for option in options}

    @functools.wraps(command)
    def called(**values: Any) -> None:
        typed = {name: value for name, value in values.items() if name in names and value is not None}
        command(**{name: value for name, value in values.items() if name not in names}, settings=typed)

    signature = inspect.Signature([*own, *options])
    called.__signature__ = signature  # type: ignore[attr-defined]
    called.__annotations__ = {parameter.name: parameter.annotation for parameter in signature.parameters.values()}
    return called


@app.command(short_help="The whole job on drawn films, in minutes.", epilog="Example: plainfilm demo -o demo")
def demo(
    directory: Annotated[
        Path, typer.Option("-o", "--output", help="New folder for films, manifest, run and report.")
    ] = Path("demo"),
    films: Annotated[int, typer.Option(min=10, help="Phantom films a class.")] = 200,
    seed: Annotated[int, typer.Option(min=0, help="Seed of phantoms, split and training.")] = 0,
) -> None:
    """The whole job on drawn phantom films, to a report, in minutes: no data and no network needed."""
    from plainfilm.jobs import run_demo

    evaluation = run_demo(directory, films_per_class=films, seed=seed, progress=progress_on())
    print_evaluation(evaluation)


@app.command(
    name="download",
    short_help="Fetch the COVID-19 Radiography Database.",
    epilog="Example: plainfilm download --prepare data, or: plainfilm download -o films, then: plainfilm prepare films -o data",
)
def download_command(
    directory: Annotated[
        Path | None, typer.Option("-o", "--output", help="Folder for the films [kagglehub's cache].")
    ] = None,
    prepared: Annotated[
        Path | None, typer.Option("--prepare", help="Prepare at once, with the usual split, into this folder.")
    ] = None,
) -> None:
    """Fetch the COVID-19 Radiography Database from Kaggle (800 MB; no account needed), count it; goes on where it broke off."""
    from plainfilm.prepare.download import download
    from plainfilm.prepare.ingest import prepare, refuse_taken

    if prepared is not None:
        refuse_taken(prepared, "--prepare")
    films = download(directory, progress=progress_on())
    print(f"The Radiography Database, every film and mask counted: {films}")
    if prepared is None:
        print(f"Next: plainfilm prepare {shlex.quote(str(films))} -o data")
    else:
        print_manifest(prepare(films, prepared, progress=progress_on()))


@app.command(
    name="prepare",
    short_help="Make a manifest: find, read, group, split.",
    epilog="Example: plainfilm prepare COVID-19_Radiography_Dataset.zip -o data, or: plainfilm prepare films.csv "
    "-o data --columns label=finding",
)
def prepare_command(
    source: Annotated[
        Path,
        typer.Argument(
            help="The Radiography Database (folder or zip), folders by class, a CSV or Parquet table, or DICOM files."
        ),
    ],
    directory: Annotated[
        Path, typer.Option("-o", "--output", help="Folder for manifest.csv, dataset.json and dataset.md.")
    ],
    columns: Annotated[
        list[str] | None,
        typer.Option(metavar="OURS=THEIRS", help="The table's name for one of our columns; may be repeated."),
    ] = None,
    metadata: Annotated[
        Path | None, typer.Option(help="Table joined to the films: source, patient_id, view, age, sex, label ...")
    ] = None,
    classes: Annotated[
        str | None, typer.Option(help="Classes to keep, in order, joined by commas [all, by name].")
    ] = None,
    rename: Annotated[
        list[str] | None, typer.Option(metavar="OLD=NEW", help="Rename or merge a class; may be repeated.")
    ] = None,
    test: Annotated[float, typer.Option(help="Test films: a share below 1, or films a class.")] = 0.2,
    val: Annotated[float, typer.Option(help="Validation films: a share below 1, or films a class.")] = 0.1,
    train: Annotated[float | None, typer.Option(help="Training films: a share, or films a class [the rest].")] = None,
    folds: Annotated[int, typer.Option(help="Folds for cross-validation; 0 for one split.")] = 0,
    repeats: Annotated[int, typer.Option(help="How often the split is drawn.")] = 1,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the split.")] = 0,
    resplit: Annotated[
        bool, typer.Option("--resplit", help="Draw a new split although the source came with one.")
    ] = False,
    patient_key_file: Annotated[
        Path | None, typer.Option(help="Secret that DICOM PatientIDs are hashed with [drawn, thrown away].")
    ] = None,
    parquet: Annotated[bool, typer.Option("--parquet", help="Write manifest.parquet instead of manifest.csv.")] = False,
    twins: Annotated[
        bool, typer.Option(help="Find near twins: copies of a picture, resized, cropped, mirrored ...")
    ] = True,
    split: Annotated[
        bool, typer.Option(help="Draw a split; --no-split for films that a run is only to be judged on.")
    ] = True,
) -> None:
    """Make a manifest: find the films, read each once, group patients and copies of a picture, split without leaks."""
    from plainfilm.prepare.ingest import PrepareOptions, prepare
    from plainfilm.prepare.split import SplitPlan

    options = PrepareOptions(
        columns=_pairs(columns, "--columns"),
        metadata=metadata,
        classes=tuple(name.strip() for name in classes.split(",")) if classes else (),
        rename=_pairs(rename, "--rename"),
        plan=SplitPlan(test, val, train, folds, repeats, seed),
        resplit=resplit,
        patient_key=_secret(patient_key_file),
        parquet=parquet,
        twins=twins,
        split=split,
    )
    manifest = prepare(source, directory, options, progress_on())
    print_manifest(manifest)


@app.command(
    short_help="Is a split sound? Leaks, twins, odd films.",
    epilog="Examples: plainfilm check data    plainfilm check theirs.csv --columns path=file,label=finding --split-by fold",
)
def check(
    target: Annotated[
        Path, typer.Argument(help="A manifest, or somebody's films: a folder with train and test, a table, a zip.")
    ],
    directory: Annotated[
        Path, typer.Option("-o", "--output", help="Folder for check.html, check.csv and twins.csv.")
    ] = Path("check"),
    split_by: Annotated[
        str, typer.Option(help="Column that says on which side of the split a film is, in any words [split].")
    ] = "",
    columns: Annotated[
        list[str] | None,
        typer.Option(metavar="OURS=THEIRS", help="The table's name for one of our columns; may be repeated."),
    ] = None,
    metadata: Annotated[Path | None, typer.Option(help="Table joined to films found on disk.")] = None,
    fix: Annotated[
        bool, typer.Option("--fix", help="Write a manifest with a sound split, drawn anew, into the folder of -o.")
    ] = False,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the split that --fix draws.")] = 0,
) -> None:
    """Is a split sound? Patients, pictures and near twins on two sides, wrong labels, odd films. Exit 1 if it leaks."""
    from plainfilm.prepare.ingest import PrepareOptions, refuse_taken
    from plainfilm.prepare.inspection import inspect, is_manifest, mend

    options = PrepareOptions(columns=_pairs(columns, "--columns"), metadata=metadata)
    out = progress_on()
    refuse_taken(directory)
    if directory.resolve() == target.resolve():
        raise BadConfig(f"-o {directory}: is what is checked; choose another folder")
    inspection = inspect(target, split_by=split_by, options=options, progress=out)
    page = inspection.write(directory)
    print_inspection(inspection, page)
    if inspection.side is None and target.is_file() and not is_manifest(target):
        print("hint: --split-by COLUMN names the column that says on which side of a split a film is")
    if fix and inspection.side is not None and not inspection.is_leaking:
        print("Nothing to mend: the split is sound, and stays as it is.")
    elif fix:
        print_manifest(mend(inspection, directory, seed, options, out))
    elif inspection.is_leaking:
        raise typer.Exit(1)


@app.command(
    name="explore",
    short_help="One page of pictures of a whole set.",
    epilog="Example: plainfilm explore data -o explore.html --samples 20",
)
def explore_command(
    manifest: Annotated[Path, typer.Argument(help="manifest.csv, manifest.parquet, or the folder that holds one.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="The page; one that is there is replaced.")] = Path(
        "explore.html"
    ),
    samples: Annotated[int, typer.Option(min=1, help="Films of each class to show.")] = 12,
    seed: Annotated[int, typer.Option(min=0, help="Seed of what is drawn by chance.")] = 0,
) -> None:
    """One offline page of all films: classes, samples, mean films, grey levels, sources, twins, oddities, augmentation."""
    from plainfilm.jobs import explore_films

    page = explore_films(Manifest.open(manifest), output, samples=samples, seed=seed, progress=progress_on())
    print(f"page: {page}")


@app.command(
    name="train",
    short_help="Train a network, in the time given.",
    epilog="Example: plainfilm train data -o runs/first --model resnet18 --weights scratch --size 128 --minutes 20",
)
@_with_settings
def train_command(
    manifest: Annotated[Path, typer.Argument(help="manifest.csv, manifest.parquet, or the folder that holds one.")],
    directory: Annotated[Path, typer.Option("-o", "--output", help="New folder for the run.")],
    recipe: Annotated[Path | None, typer.Option(help="TOML file of settings; options typed here come on top.")] = None,
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
    from plainfilm.jobs import train_runs

    config = _config(recipe, settings, directory if resume else None)
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
    evaluations = train_runs(
        opened,
        directory,
        config,
        splits=columns,
        seeds=seeds,
        resume=resume,
        allow_leaks=allow_leaks,
        tensorboard=tensorboard,
        read_test=evaluate,
        started=_STARTED,
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
    from plainfilm.jobs import evaluate_run

    if on is not None:
        if sensitivity or specificity or error != Wishes().error:
            raise BadConfig(
                "--on takes the run's own thresholds and sets: choose them by plainfilm evaluate without --on"
            )
        _evaluate_outside(
            _runs(runs), on, _pairs(named, "--map"), directory, manifest, _shares(prevalence, "--prevalence")
        )
        return
    if named or directory:
        raise BadConfig(f"{'--map' if named else '-o'} goes with --on MANIFEST")
    wishes = Wishes(
        _shares(sensitivity, "--sensitivity") or Wishes().sensitivity,
        _shares(specificity, "--specificity") or Wishes().specificity,
        error,
        _shares(prevalence, "--prevalence"),
    )
    opened = Manifest.open(manifest) if manifest else None
    evaluations = [evaluate_run(run, opened, wishes=wishes, progress=progress_on()) for run in _runs(runs)]
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


@app.command(
    name="predict",
    short_help="Class probabilities for films.",
    epilog="Example: plainfilm predict film.png folder/ --run runs/first --format csv -o scores.csv",
)
def predict_command(
    films: Annotated[
        list[Path], typer.Argument(help="Films (PNG, JPEG, TIFF, BMP, WebP, DICOM) and folders of films.")
    ],
    run: Annotated[Path, typer.Option(help="The run whose network answers.")],
    format: Annotated[TableFormat, typer.Option(help="How the answers are printed.")] = TableFormat.table,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Write there, in place of what is there.")
    ] = None,
) -> None:
    """Class probabilities for films; a film that cannot be read is a row with its reason; exit 1 where none can."""
    from plainfilm.core.files import write_text
    from plainfilm.jobs import predict_paths

    opened = Run.open(run)
    predictions = predict_paths(opened, films, progress_on())
    text = scores_text(predictions, opened.calibration(), format)
    if output is None:
        print(text, end="")
    else:
        write_text(output, text)
        print(f"{len(predictions.table)} films: {output}")
    failed = int((predictions.table["status"] == "error").sum())
    if failed:
        print(f"{failed} of {len(predictions.table)} films could not be read.", file=sys.stderr)
    if format is TableFormat.table:
        print(DISCLAIMER, file=sys.stderr)
    if failed == len(predictions.table):
        raise typer.Exit(1)


def _pairs(texts: list[str] | None, option: str) -> dict[str, str]:
    pairs = {}
    for text in (part for given in texts or [] for part in given.split(",")):
        name, sign, value = text.partition("=")
        if not (sign and name.strip() and value.strip()):
            raise typer.BadParameter(f'"{text}": expected NAME=NAME', param_hint=option)
        pairs[name.strip()] = value.strip()
    return pairs


def _shares(texts: list[str] | None, option: str) -> dict[str, float]:
    """CLASS=SHARE, or a SHARE alone under the name ""."""
    shares = {}
    for text in (part for given in texts or [] for part in given.split(",")):
        name, _, value = text.rpartition("=")
        try:
            shares[name.strip()] = float(value)
        except ValueError:
            raise typer.BadParameter(f'"{text}": expected CLASS=SHARE, such as COVID=0.02', param_hint=option) from None
    return shares


def _secret(path: Path | None) -> bytes | None:
    if path is None:
        return None
    try:
        secret = path.read_bytes().strip()
    except OSError as cause:
        raise BadConfig(f"--patient-key-file {path}: cannot be read ({cause.strerror})") from cause
    if len(secret) < 16:
        raise BadConfig(f"--patient-key-file {path}: holds {len(secret)} bytes, expected 16 or more")
    return secret


def _config(recipe: Path | None, settings: dict[str, Any], resumed: Path | None) -> TrainConfig:
    """Defaults, then the recipe, then what was typed; a resumed run brings its own settings where nothing is named."""
    if resumed is not None and recipe is None and not settings and Run.is_run(resumed):
        return Run.open(resumed).config
    changes = changes_from_toml(recipe) if recipe else {}
    config = TrainConfig().with_changes(changes, str(recipe))
    return config.with_changes(settings, TYPED)


def _runs(places: list[Path]) -> list[Run]:
    found = []
    for place in places:
        inside = sorted(folder for folder in place.iterdir() if Run.is_run(folder)) if place.is_dir() else []
        found += [Run.open(folder) for folder in inside] if inside and not Run.is_run(place) else [Run.open(place)]
    if not found:
        raise BadRun("is no run")
    return found


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


if __name__ == "__main__":
    main()
