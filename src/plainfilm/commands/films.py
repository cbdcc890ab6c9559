"""Commands on films: download, prepare, check, explore."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from plainfilm.commands.app import app
from plainfilm.commands.typed import pairs, secret
from plainfilm.errors import BadConfig
from plainfilm.output import (
    print_inspection,
    print_manifest,
)
from plainfilm.terminal import progress_on


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

    plan = SplitPlan(test, val, train, folds, repeats, seed)
    if not split and (plan != SplitPlan() or resplit):
        raise BadConfig(
            "--no-split draws none: leave out --test, --val, --train, --folds, --repeats, --seed and --resplit"
        )
    options = PrepareOptions(
        columns=pairs(columns, "--columns"),
        metadata=metadata,
        classes=tuple(name.strip() for name in classes.split(",")) if classes else (),
        rename=pairs(rename, "--rename"),
        plan=plan,
        resplit=resplit,
        patient_key=secret(patient_key_file),
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
    from plainfilm.core.files import real_path
    from plainfilm.prepare.ingest import PrepareOptions, refuse_taken
    from plainfilm.prepare.inspection import inspect, is_manifest, mend

    options = PrepareOptions(columns=pairs(columns, "--columns"), metadata=metadata)
    out = progress_on()
    refuse_taken(directory)
    if real_path(directory) == real_path(target):
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
    from plainfilm.core.manifest import Manifest
    from plainfilm.jobs import explore_films

    page = explore_films(Manifest.open(manifest), output, samples=samples, seed=seed, progress=progress_on())
    print(f"page: {page}")
