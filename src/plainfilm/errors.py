"""Every error that plainfilm raises on purpose, in one tree.

    PlainfilmError
    +-- BadManifest         a table of films that breaks its contract
    +-- BadImage            a file that is no readable film
    |   +-- NoPicture       a file of no format that is read
    |   +-- TooManyPixels   a picture larger than allowed
    |   +-- Unfit           a sound file that is no single film in a form that is read
    +-- BadConfig           a setting that is unknown, of the wrong kind or out of range
    |   +-- TooFewFilms     a class that cannot be in every part of a split
    +-- BadSource           a folder, archive or table that cannot be prepared
    +-- BadRun              a directory that is no run, or a damaged or unfinished one
    +-- BadPredictions      a table of scores that breaks its contract
    +-- BadBundle           a model file that is damaged, foreign or changed
    +-- MissingExtra        a command whose optional packages are not installed
    +-- WeightsUnavailable  weights that were asked for and could not be had
    +-- DownloadFailed      a data set that could not be fetched, with what to do instead
    +-- CannotWrite         a place to write that is full, protected or taken
    +-- Interrupted         Ctrl-C or a polite kill, after the work so far was kept

A message is one line: the place, what is wrong, what was expected, what to do. The command line prints it as it is and exits
with 1; everything else that is raised is a defect of plainfilm.
"""

from pathlib import Path


class PlainfilmError(Exception):
    """The user's input or surroundings were wrong; the message says what and what to do."""


class _AboutAFile(PlainfilmError):
    """An error about one file or folder: `path: message`.

    path: the file or folder that the error is about, or None where there is none.
    """

    def __init__(self, message: str, path: str | Path | None = None) -> None:
        self.path = None if path is None else Path(path)
        self.message = message
        super().__init__(message if path is None else f"{path}: {message}")


class BadManifest(_AboutAFile):
    """A table of films that breaks its contract; `problems` holds all of them.

    problems: one sentence each, in the order in which they were found.
    """

    def __init__(self, message: str, path: str | Path | None = None, problems: tuple[str, ...] = ()) -> None:
        self.problems = problems or (message,)
        super().__init__(message, path)


class BadImage(_AboutAFile):
    """A file that cannot be read as one grey-scale film."""


class NoPicture(BadImage):
    """A file of no format that is read."""


class TooManyPixels(BadImage):
    """A picture that declares more pixels than are allowed."""


class Unfit(BadImage):
    """A sound file that is no single film in a form that is read: another modality, several pages, a coding not read."""


class BadConfig(PlainfilmError):
    """A setting that is unknown, of the wrong kind or out of its range."""


class TooFewFilms(BadConfig):
    """A class of which a part of a split would hold nothing.

    fact: what is so; the message adds `advice`, what to do, which depends on who asked for the split.
    """

    def __init__(self, fact: str, advice: str) -> None:
        self.fact = fact
        super().__init__(f"{fact}. {advice}")


class BadSource(_AboutAFile):
    """A folder, archive or table that cannot be turned into a manifest."""


class BadRun(_AboutAFile):
    """A directory that is no run, or a run that is damaged or not finished."""


class BadPredictions(_AboutAFile):
    """A table of scores that breaks its contract."""


class BadBundle(_AboutAFile):
    """A model file that is damaged, of a foreign format, or not what it says."""


class CannotWrite(_AboutAFile):
    """A result that could not be written: the disk is full, the folder protected, the name taken."""


class MissingExtra(PlainfilmError):
    """A command needs packages that are not installed."""

    def __init__(self, command: str, package: str, extra: str = "train") -> None:
        super().__init__(f'{command} needs the package {package}: install it with pip install "plainfilm[{extra}]"')


class WeightsUnavailable(PlainfilmError):
    """Weights that were asked for could not be fetched or read; nothing random is put in their place."""


class DownloadFailed(PlainfilmError):
    """A data set could not be fetched; the message says why, what is kept, and how to get it by hand."""


class Interrupted(PlainfilmError):
    """The user or the system asked to stop; what was done so far is kept and can be gone on with."""
