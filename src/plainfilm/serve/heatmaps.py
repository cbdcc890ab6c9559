"""A folder of pictures, one for each film that was answered: the film, the heatmap of its class over it, and what was answered."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from plainfilm.core.files import cannot_write, make_directory, refuse_foreign, write_json
from plainfilm.core.letters import fitting, write
from plainfilm.core.overlay import film_picture, overlay
from plainfilm.core.predictor import Answer, Seen
from plainfilm.core.words import NOTICE
from plainfilm.errors import CannotWrite
from plainfilm.serve.films import OUR_PICTURES
from plainfilm.serve.tables import warnings_of

_OURS = re.compile(r"\.?\d{4,}-.*\.png(\.part)?")
_LONGEST_STEM = 60
_PANEL_PX, _GAP, _LINE, _TEXT = 384, 16, 24, 15
_PAPER, _INK, _SOFT = (20, 24, 30), (228, 232, 238), (160, 171, 184)
_NO_REASON = "A heatmap says where the network looks, not why."


class HeatmapFolder:
    """Where the pictures go: 0001-name.png for the first film that was asked for.

    A file in it says who drew them, which tells the folder from one that somebody else filled, and its pictures from films.
    """

    def __init__(self, directory: Path, about: Mapping[str, Any]) -> None:
        """Nothing is changed before `begin`. about: who draws.

        Raises CannotWrite where it is a file, or holds anything but what an earlier time left there.
        """
        self.directory, self._about = directory, about
        self._earlier = ours = list[Path]()
        if directory.is_dir():
            ours += (path for path in directory.iterdir() if _OURS.fullmatch(path.name))
            if ours and not (directory / OUR_PICTURES).is_file():
                raise CannotWrite(f"holds {ours[0].name}, and no {OUR_PICTURES}: choose another --heatmaps", directory)
        try:
            refuse_foreign(directory, (OUR_PICTURES, *(path.name for path in ours)), "folder of heatmaps")
        except CannotWrite as error:
            raise CannotWrite(error.message.replace("-o", "--heatmaps"), directory) from error

    def begin(self, *, anew: bool) -> None:
        """Make the folder; where `anew`, the pictures of an earlier time go. Raises CannotWrite where that fails."""
        make_directory(self.directory)
        for path in self._earlier if anew else ():
            try:
                path.unlink(missing_ok=True)
            except OSError as cause:
                raise cannot_write(path, cause) from cause
        write_json(self.directory / OUR_PICTURES, self._about)

    def draw(self, place: int, film: Seen, answer: Answer) -> None:
        """Write the picture of a film; none where it has no answer. place: among all films that were asked for, from 0."""
        if answer.probability is None or answer.strength is None:
            return
        path = self.directory / f"{place + 1:04d}-{_plain(Path(film.name).stem)}.png"
        temporary = path.with_name(f".{path.name}.part")
        try:
            temporary.write_bytes(heatmap_png(film, answer))
            temporary.replace(path)  # unlike files of results it may be lost in a power cut; a kill leaves it whole
        except OSError as cause:
            raise cannot_write(path, cause) from cause
        finally:
            temporary.unlink(missing_ok=True)


def heatmap_png(film: Seen, answer: Answer) -> bytes:
    """The film as the network sees it, beside it the heatmap of the answered class over it; what was answered beneath."""
    assert answer.probability is not None and answer.strength is not None
    c = int(answer.probability.argmax())
    width = 3 * _GAP + 2 * _PANEL_PX
    sheet = np.full((2 * _GAP + _PANEL_PX + 4 * _LINE, width, 3), _PAPER, np.uint8)
    drawn = overlay(film.fitted, answer.strength[c], np.zeros(film.fitted.shape, np.bool_), _PANEL_PX)
    for left, picture in ((_GAP, film_picture(film.fitted, _PANEL_PX)), (2 * _GAP + _PANEL_PX, drawn)):
        sheet[_GAP : _GAP + _PANEL_PX, left : left + _PANEL_PX] = picture
    held = " or ".join(answer.prediction_set or ()) or "none"
    lines = (
        (f"{answer.classes[c]}: probability {answer.probability[c]:.3f}; prediction set: {held}", _INK),
        (film.name, _SOFT),
        ("; ".join(warnings_of(answer)), _SOFT),
        (f"{_NO_REASON} {NOTICE}", _SOFT),
    )
    for number, (words, ink) in enumerate(line for line in lines if line[0]):
        top = _GAP + _PANEL_PX + 8 + number * _LINE
        write(sheet, fitting(words, _TEXT, width - 2 * _GAP), _GAP, top, _TEXT, ink)
    return _png(sheet)


def _png(picture: NDArray[np.uint8]) -> bytes:
    return bytes(cv2.imencode(".png", picture[:, :, ::-1])[1])


def _plain(stem: str) -> str:
    """A film's name as part of a file's name; the number before it tells those of one name apart."""
    return re.sub(r"[^\w.-]", "_", stem)[:_LONGEST_STEM]
