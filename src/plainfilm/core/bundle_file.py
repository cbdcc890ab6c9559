"""A bundle as a file: its parts packed into one archive that is signed, and read out of it again once it is shown to be whole.

A ZIP archive, nothing compressed, that any archiver opens:

    bundle.json     what it is: classes, preprocess, calibration, intended use, data, metrics with intervals, audit, parity, probes
    network.onnx    films -> logit, embedding, strength (the heatmaps)
    card.md         the model card
    probes/         phantom films; bundle.json says what must be answered to them

The archive's comment, which ends the file, names the format version and the sha256 of every byte before it.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from plainfilm.errors import BadBundle

FORMAT_VERSION = 1
SUFFIX = ".plainfilm"
REMEDY = 'Copy it again, or make it anew with "plainfilm export"'
ABOUT, NETWORK, CARD, PROBES = "bundle.json", "network.onnx", "card.md", "probes/"
_COMMENT = "plainfilm bundle, format {}, sha256 of all before: "
_ENDS = re.compile(rb"plainfilm bundle, format (\d+), sha256 of all before: ([0-9a-f]{64})\Z")
_LONGEST_COMMENT = 200
_BEGINNING = 64  # bytes; an archive's first entry is named there
_MOST_BYTES = 4 << 30
_EPOCH = (1980, 1, 1, 0, 0, 0)
# What is told as it is.
_TOLD: dict[str, type] = {
    **dict.fromkeys(("name", "network", "precision", "intended_use", "why_no_heatmaps"), str),
    **dict.fromkeys(("data", "metrics", "parity", "made"), dict),
    "not_for": list,
}


def packed(parts: Mapping[str, bytes]) -> bytes:
    """The file that holds these parts, in this order."""
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_STORED) as archive:
        for name, part in parts.items():
            archive.writestr(zipfile.ZipInfo(name, _EPOCH), part)
        archive.comment = (_COMMENT.format(FORMAT_VERSION) + "0" * 64).encode()
    before = held.getvalue()[:-64]
    return before + hashlib.sha256(before).hexdigest().encode()


def content_of(path: Path) -> bytes:
    """All bytes of the file. Raises BadBundle where it is missing, no file, larger than any bundle, or cannot be read."""
    try:
        if path.is_dir():
            raise BadBundle(
                'is a folder; expected a bundle, the file that "plainfilm export" writes. A run is named by --run'
            )
        if not path.exists():
            raise BadBundle('is missing: name the file that "plainfilm export" wrote')
        if not path.is_file():
            raise BadBundle("is a pipe or a device; expected a bundle")
        if path.stat().st_size > _MOST_BYTES:
            raise BadBundle(f"has {path.stat().st_size:,} bytes, more than any bundle")
        return path.read_bytes()
    except OSError as cause:
        raise BadBundle(f"cannot be read ({cause.strerror or cause})") from cause


def is_bundle(path: Path) -> bool:
    """Whether a file begins as a bundle does, whatever it is called; whether it is whole, opening it tells."""
    try:
        with path.open("rb") if path.is_file() else io.BytesIO() as file:
            return _begins_as_one(file.read(_BEGINNING))
    except OSError:
        return False


def _begins_as_one(content: bytes) -> bool:
    return content[:4] == b"PK\x03\x04" and ABOUT.encode() in content[:_BEGINNING]


def checked_digest(content: bytes) -> str:
    """The digest that the file ends with. Raises BadBundle where it is not that of this format and these bytes."""
    end = _ENDS.search(content[-_LONGEST_COMMENT:])
    if end is None:
        raise BadBundle(
            f"is cut off, or something was added to it: it does not end as a bundle does. {REMEDY}"
            if _begins_as_one(content)
            else 'is no bundle: expected the file that "plainfilm export" writes'
        )
    if int(end[1]) != FORMAT_VERSION:
        raise BadBundle(
            f"has format version {int(end[1])}; this plainfilm reads {FORMAT_VERSION}. "
            "Export it again with this version, or use the version that made it"
        )
    if hashlib.sha256(memoryview(content)[:-64]).hexdigest().encode() != end[2]:
        raise BadBundle(f"has changed since it was written: its sha256 is another. {REMEDY}")
    return end[2].decode()


def parts_of(content: bytes) -> dict[str, bytes]:
    """The files in the archive. Raises BadBundle where one is missing, compressed or damaged."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for entry in archive.infolist():
                if entry.compress_type != zipfile.ZIP_STORED or entry.file_size > len(content) or entry.flag_bits & 1:
                    raise BadBundle(f"its part {entry.filename!r} is packed as no bundle's is. {REMEDY}")
            parts = {entry.filename: archive.read(entry) for entry in archive.infolist()}
    except (
        zipfile.BadZipFile,
        NotImplementedError,
        EOFError,
        OSError,
        ValueError,
        RuntimeError,
        OverflowError,
    ) as cause:
        raise BadBundle(f"is no sound archive ({cause}). {REMEDY}") from cause
    for name in (ABOUT, NETWORK, CARD):
        if name not in parts:
            raise BadBundle(f"lacks its part {name}. {REMEDY}")
    return parts


def probe_of(parts: Mapping[str, bytes], name: str) -> bytes:
    """A probe's film. Raises BadBundle where it is missing."""
    if PROBES + name not in parts:
        raise BadBundle(f"lacks its part {PROBES}{name}. {REMEDY}")
    return parts[PROBES + name]


def about_of(text: bytes) -> dict[str, Any]:
    """What bundle.json says. Raises BadBundle where it is no JSON, of another format, or says something of the wrong kind."""
    try:
        about = json.loads(text)
        if b"\\ud" in text.lower():  # halves of a letter, which nobody can write down
            json.dumps(about, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as cause:
        raise BadBundle(f"its {ABOUT} is no JSON ({cause}). {REMEDY}") from cause
    if not isinstance(about, dict) or about.get("format_version") != FORMAT_VERSION:
        raise BadBundle(f"its {ABOUT} is not of format version {FORMAT_VERSION}. {REMEDY}")
    for name, kind in _TOLD.items():
        if not isinstance(about.get(name, kind()), kind):
            raise BadBundle(f"its {ABOUT} says {about[name]!r} for {name}, expected a {kind.__name__}. {REMEDY}")
    return about
