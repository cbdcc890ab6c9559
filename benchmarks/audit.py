"""Has the audit power, and restraint? Sets of phantoms with a planted shortcut, and clean ones, through `plainfilm audit MANIFEST`.

    python benchmarks/audit.py --planted 20 --clean 40 --jobs 2 -o audit_power.csv

Each planted set has one class, in turn, whose films carry a marker, a border, a grey-level shift or a texture. Clean sets come
in turn from one place and from three whose looks differ, whatever the class. A set is accused where its verdict is "fail";
warnings are told beside. For time, the networks of the parts that the verdict does not rest on are left out, and near twins are not
looked for: leaks have a study of their own (benchmarks/clean_splits.py).
"""

from __future__ import annotations

import argparse
import csv
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

from plainfilm.core.regions import Seen

KINDS = ("marker", "border", "grey", "texture")
FIELDS = ("kind", "seed", "class", "share", "sources", "verdict", "failed", "warned", "highest", "low", "seconds")


class Case(NamedTuple):
    """One set: what is planted, in which class, on what share of its films."""

    kind: str
    seed: int
    films: int
    share: float


def audit_case(case: Case) -> dict[str, object]:
    """Draw, prepare and audit one set."""
    from plainfilm.audit_jobs import audit_manifest
    from plainfilm.prepare.ingest import PrepareOptions, prepare
    from plainfilm.prepare.phantom import FINDINGS
    from plainfilm.prepare.phantom_set import PhantomOptions, make_phantoms

    begun = time.monotonic()
    name = FINDINGS[case.seed % len(FINDINGS)]
    sources = 3 if case.kind == "clean" and case.seed % 2 else 1
    planted = (
        {} if case.kind == "clean" else {"shortcut": case.kind, "shortcut_class": name, "shortcut_share": case.share}
    )
    options = PhantomOptions(films_per_patient=1.5, sources=sources, **planted)  # type: ignore[arg-type]
    with tempfile.TemporaryDirectory() as work:
        phantoms = make_phantoms(Path(work) / "phantoms", case.films, seed=1000 + case.seed, options=options)
        given = PrepareOptions(metadata=phantoms / "metadata.csv", twins=False)
        manifest = prepare(phantoms, Path(work) / "data", given)
        parts: tuple[Seen, ...] = ("border", "background")
        audit = audit_manifest(manifest, parts=parts, has_leaks_checked=False, seed=case.seed).audit
    less = audit.found("less")
    assert less is not None
    number = less.number
    return {
        "kind": case.kind,
        "seed": case.seed,
        "class": "" if case.kind == "clean" else name,
        "share": case.share,
        "sources": sources,
        "verdict": audit.verdict,
        "failed": " ".join(one.check for one in audit.findings if one.verdict == "fail"),
        "warned": " ".join(one.check for one in audit.findings if one.verdict == "warn"),
        "highest": "" if number is None else f"{number.value:.3f}",
        "low": "" if number is None else f"{number.low:.3f}",
        "seconds": f"{time.monotonic() - begun:.0f}",
    }


def cases(planted: int, clean: int, films: int, share: float, begin: int) -> Iterator[Case]:
    """The kinds in turn, so that a study that is stopped knows something of each."""
    for seed in range(begin, begin + max(planted, clean)):
        if seed < begin + planted:
            yield from (Case(kind, seed, films, share) for kind in KINDS)
        if seed < begin + clean:
            yield Case("clean", seed, films, share)


def _done(path: Path) -> Iterator[dict[str, object]]:
    """What an earlier study that was stopped left there."""
    if path.is_file():
        with path.open(newline="") as file:
            yield from csv.DictReader(file)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--planted", type=int, default=20, help="sets of each kind")
    parser.add_argument("--clean", type=int, default=40)
    parser.add_argument("--films", type=int, default=100, help="of each of the four classes")
    parser.add_argument("--share", type=float, default=1.0, help="of the class's films that carry the shortcut")
    parser.add_argument("--begin", type=int, default=0, help="first seed")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("-o", "--output", type=Path, required=True)
    options = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    rows: list[dict[str, object]] = list(_done(options.output))
    done_before = {(row["kind"], str(row["seed"])) for row in rows}
    everything = cases(options.planted, options.clean, options.films, options.share, options.begin)
    todo = [case for case in everything if (case.kind, str(case.seed)) not in done_before]
    with options.output.open("a", newline="") as file, get_context("spawn").Pool(options.jobs) as pool:
        writer = csv.DictWriter(file, FIELDS)
        if not rows:
            writer.writeheader()
        for done, row in enumerate(pool.imap_unordered(audit_case, todo), start=1):
            rows.append(row)
            writer.writerow(row)
            file.flush()
            print(f"{done}/{len(todo)} {' '.join(str(row[name]) for name in FIELDS)}", file=sys.stderr, flush=True)
    for kind in (*KINDS, "clean"):
        verdicts = Counter(str(row["verdict"]) for row in rows if row["kind"] == kind)
        print(f"{kind:8} {sum(verdicts.values()):3} sets: " + ", ".join(f"{n} {name}" for name, n in verdicts.items()))


if __name__ == "__main__":
    main()
