"""What was typed, made into values: pairs, shares, secrets, settings, runs."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import fields, replace
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from plainfilm.core.config import TYPED, TrainConfig, changes_from_toml, stages_from_toml
from plainfilm.errors import BadConfig, BadRun

if TYPE_CHECKING:
    from plainfilm.core.run import Run


OWN_RECIPE = "default"  # of the model inside


def with_settings(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command one option for each setting of TrainConfig; those that were typed reach it as the mapping `settings`.

    An option of the command's own that has the name of a setting stands in its place.
    """
    own = [
        parameter
        for parameter in inspect.signature(command, eval_str=True).parameters.values()
        if parameter.name != "settings"
    ]
    taken = {parameter.name for parameter in own}
    options = []
    for setting in fields(TrainConfig):
        if setting.name in taken:
            continue
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


def pairs(texts: list[str] | None, option: str) -> dict[str, str]:
    """NAME=NAME, several joined by commas or typed again. option: the one that they were typed for.

    A text with one equals sign is one pair, since the names of classes may hold commas.
    """
    found: dict[str, str] = {}
    for text in (part for given in texts or [] for part in (given.split(",") if given.count("=") > 1 else [given])):
        name, sign, value = text.partition("=")
        if not (sign and name.strip() and value.strip()):
            raise typer.BadParameter(f'"{text}": expected NAME=NAME', param_hint=option)
        if found.get(name.strip(), value.strip()) != value.strip():
            raise typer.BadParameter(
                f'"{name.strip()}" is {found[name.strip()]} and {value.strip()}: say one of them', param_hint=option
            )
        found[name.strip()] = value.strip()
    return found


def shares(texts: list[str] | None, option: str) -> dict[str, float]:
    """CLASS=SHARE, or a SHARE alone under the name ""; a class's name may hold commas. option: the one that they were typed for."""
    found: dict[str, float] = {}
    for text in texts or []:
        name, _, value = text.rpartition("=")
        try:
            if name.strip() in found:
                raise typer.BadParameter(f'"{text}": said twice', param_hint=option)
            found[name.strip()] = float(value)
        except ValueError:
            raise typer.BadParameter(f'"{text}": expected CLASS=SHARE, such as COVID=0.02', param_hint=option) from None
    return found


def secret(path: Path | None) -> bytes | None:
    """What --patient-key-file holds. Raises BadConfig where that cannot be read or is too short."""
    if path is None:
        return None
    try:
        held = path.read_bytes().strip()
    except OSError as cause:
        raise BadConfig(f"--patient-key-file {path}: cannot be read ({cause.strerror})") from cause
    if len(held) < 16:
        raise BadConfig(f"--patient-key-file {path}: holds {len(held)} bytes, expected 16 or more")
    return held


def config_of(recipe: Path | None, settings: dict[str, Any], resumed: Path | None) -> TrainConfig:
    """Defaults, then the recipe, then what was typed; a resumed run brings its own settings where nothing is named."""
    from plainfilm.core.run import Run

    if resumed is not None and recipe is None and not settings and Run.is_run(resumed):
        return Run.open(resumed).config
    changes = changes_from_toml(_recipe_file(recipe)) if recipe else {}
    config = TrainConfig().with_changes(changes, str(recipe))
    return config.with_changes(settings, TYPED)


def stages_of(
    recipe: Path | None, settings: dict[str, Any], directory: Path, resume: bool
) -> tuple[TrainConfig | None, TrainConfig]:
    """The settings of a training, after those of the one whose weights it starts from where the recipe has a [finish].

    directory: of the run; the first training's lies beside it. What was typed holds for both, but for first weights.
    """
    if recipe is None:
        return None, config_of(recipe, settings, directory if resume else None)
    changes, finish = stages_from_toml(_recipe_file(recipe))
    first = TrainConfig().with_changes(changes, str(recipe)).with_changes(settings, TYPED)
    if not finish:
        return None, first
    from plainfilm.core.run import first_place

    typed = {name: value for name, value in settings.items() if name != "weights"}
    second = TrainConfig().with_changes({**changes, **finish}, str(recipe)).with_changes(typed, TYPED)
    return first, replace(second, weights=str(first_place(directory)))


def _recipe_file(recipe: Path) -> Path:
    """The file itself; or where there is none, the recipe of that name inside the package. Raises BadConfig for a published one."""
    inside = Path(str(files("plainfilm").joinpath("recipes", f"{recipe}.toml")))
    if recipe.exists() or len(recipe.parts) > 1 or not inside.is_file():
        return recipe
    if recipe.name != OWN_RECIPE:
        raise BadConfig(
            f"--recipe {recipe}: is a published one, run as it was by plainfilm reproduce {recipe} MANIFEST"
        )
    return inside


def runs_at(places: list[Path]) -> list[Run]:
    """The runs at some places, each a run or a folder of runs. Raises BadRun where there is none."""
    from plainfilm.core.run import Run

    found = []
    for place in places:
        inside = sorted(folder for folder in place.iterdir() if Run.is_run(folder)) if place.is_dir() else []
        found += [Run.open(folder) for folder in inside] if inside and not Run.is_run(place) else [Run.open(place)]
    if not found:
        raise BadRun("is no run")
    return found
