"""The audit's page and text, and the verdict at the head of a report: true to the findings, escaped, offline, never stale."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from plainfilm.core.audit import CHECKS, Audit, Finding
from plainfilm.core.bootstrap import Interval, format_interval
from plainfilm.core.chart import Branch, Guess, Line, forest
from plainfilm.core.run import Run
from plainfilm.errors import BadRun
from plainfilm.judge.audit.evidence import evidence_of
from plainfilm.judge.audit.page import Shown, audit_page, write_audit_page
from plainfilm.judge.audit.standing import standing, standing_text
from plainfilm.judge.audit.text import audit_text
from plainfilm.judge.card.known import known_facts
from plainfilm.judge.compare.audits import audit_cells
from plainfilm.judge.compare.contestants import Contestant
from plainfilm.judge.report import rewrite_report, write_report
from test_report import Reader, make_run

pytestmark = pytest.mark.usefixtures("in_little")

WEIGHTS = "fb23bdb88337" + "0" * 52
MADE = {"weights_sha256": WEIGHTS, "command": "plainfilm audit a", "made_at": "2026-11-21T16:00:00+00:00", "seed": 3}
NUMBER = Interval(0.89, 0.871, 0.907)


def iv(value, width=0.02):
    return {"value": value, "low": value - width, "high": value + width}


SCORES = {"accuracy": iv(0.83), "balanced_accuracy": iv(0.82), "macro_auroc": iv(0.951)}
RUN = {"accuracy": iv(0.959), "macro_auroc": iv(0.994)}
AREAS = {"COVID": iv(0.97), "Normal": iv(0.93)}
EVIDENCE = {
    "less": {
        "classes": ["COVID", "Normal"],
        "rows": [{"sees": seen, **SCORES, "auroc": AREAS} for seen in ("film", "border", "background", "lungs", "blurred")],
        "run": RUN,
        "commonest": 0.482,
        "thresholds": {"warns from": 0.6, "fails from": 0.7},
    },
    "hidden": {"rows": [{"hidden": part, **SCORES, "kept": iv(0.55)} for part in ("nothing", "lungs", "background", "middle")]},
    "source": {
        "rows": [
            {"label": "Normal", "sources": {"rsna": 8851, "kermany": 1341}, "auroc": iv(0.961), "commonest": 0.868}
        ],
        "tied": iv(0.812),
        "skipped": {"COVID": "it has one source"},
    },
    "left_out": {
        "rows": [{"source": "kermany", "films": 1341, "classes": ["Normal"], "own": iv(0.96), "there": iv(0.31), "loss": iv(0.65)}],
        "refused": {"bimcv": "no other source supplies COVID"},
    },
    "file": {**SCORES, "auroc": AREAS, "run": RUN},
    "stamps": {"rows": [{"stamp": "PORTABLE", "corner": "upper right", "flipped": iv(0.031, 0.004), "toward": "COVID"}]},
    "heatmaps": {"rows": [{"label": "COVID", "share": iv(0.41), "lungs_share": iv(0.3), "gain": iv(0.11), "films": 300}]},
    "robustness": {
        "rows": [
            {"change": "blur", "strength": "sigma 0.4%", "is_mild": True, "accuracy": iv(0.9), "loss": iv(0.06)},
            {"change": "inversion", "strength": "", "is_mild": False, "accuracy": iv(0.5), "loss": iv(0.46), "flipped": iv(0.5)},
        ]
    },
    "leaks": {"rows": [{"title": "One picture under two labels", "level": "warning", "text": "COVID-12 is Normal-906"}]},
}  # fmt: skip
# What each section must say of its evidence, beside the finding itself.
SAID = {
    "less": ("The outermost eighth alone", "Everything but the lungs", "0.951 (0.931 to 0.971)", "the run itself 0.994",
             "fails from 0.700", "always the commonest class 0.482"),
    "hidden": ("Lungs hidden", "Answers that stay", "0.550 (0.530 to 0.570)"),
    "source": ("rsna 8,851, kermany 1,341", "0.961 (0.941 to 0.981)", "Cramér's V: 0.812", "COVID: it has one source"),
    "left_out": ("kermany", "1,341", "own 0.960 · there 0.310", "0.650 (0.630 to 0.670)", "bimcv: no other source supplies COVID"),
    "file": ("The file alone", "The run", "0.994 (0.974 to 1.014)", "AUROC of each class, from the file alone"),
    "stamps": ("PORTABLE", "upper right", "0.0310", "COVID"),
    "heatmaps": ("map 0.410 · lungs 0.300", "300", "0.110 (0.090 to 0.130)"),
    "robustness": ("blur, sigma 0.4%", "mild", "inversion", "strong", "0.0600"),
    "leaks": ("One picture under two labels", "Warning", "COVID-12 is Normal-906"),
}  # fmt: skip


def finding(check, verdict="fail", **changed):
    values = {"measure": "AUROC without the lungs", "number": NUMBER, "threshold": "fails from 0.70", "told": ("It was found.",),
              "advice": "Train again.", "evidence": EVIDENCE[check]} | changed  # fmt: skip
    return Finding(check, verdict, **values)


def audit(*findings, **changed):
    values = {"of": "run", "name": "a run", "headline": "0.959, of which 0.89 without the lungs",
              "made": MADE} | changed  # fmt: skip
    return Audit(values["of"], values["name"], values["headline"], tuple(findings), values["made"])


def read(one, films=None):
    reader = Reader(audit_page(one, films or {}))
    assert reader.problems == []
    return reader


ALL = audit(*(finding(check) for check in CHECKS))


# The page -------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def reader():
    films = {
        "less": [
            Shown(np.full((40, 30), 128, np.uint8), "the border of COVID-1"),
            Shown(np.zeros((8, 8, 3), np.uint8), "in colour"),
        ]
    }
    return read(ALL, films)


def test_the_page_is_one_offline_file_whose_links_lead_somewhere(reader, tmp_path):
    path = write_audit_page(ALL, tmp_path / "audit.html", {})
    text = path.read_text(encoding="utf-8")
    assert "default-src 'none'" in text and "@import" not in text and "url(" not in text
    assert all(link.startswith(("data:image/", "#")) for link in reader.links)
    assert {link[1:] for link in reader.links if link.startswith("#")} == set(reader.ids)
    assert reader.text.strip().startswith("Research and education only. Not a medical device.")


def test_the_verdict_and_every_check_come_first_each_with_a_link_a_word_and_a_number(reader):
    assert reader.headings == ["Verdict", *CHECKS.values(), "How to read this"]
    first = reader.text.split("fails from 0.70")[0]
    assert "Audit: Fail0.959, of which 0.89 without the lungs" in first and "Of 9 checks, 9 fail." in first
    for title in CHECKS.values():
        assert f"{title}Fail0.890 (0.871 to 0.907)AUROC without the lungsfails from 0.70" in reader.text
        anchor = re.sub(r"\W+", "-", title.lower())
        assert reader.links.count(f"#{anchor}") == 2  # contents and overview


@pytest.mark.parametrize("check", CHECKS)
def test_each_check_has_what_was_found_what_to_do_and_its_evidence(check):
    shown = read(audit(finding(check))).text
    said = (
        "AUROC without the lungs 0.890 (0.871 to 0.907)",
        "It was found.",
        "What to do: Train again.",
        "Threshold: fails from 0.70",
    )
    for words in (*said, *SAID[check]):
        assert words in shown, words


def test_pictures_stand_in_their_section_with_their_caption(reader):
    assert [image["alt"] for image in reader.images] == ["the border of COVID-1", "in colour"]
    assert all(image["src"].startswith("data:image/jpeg;base64,") for image in reader.images)
    assert "the border of COVID-1" in reader.text


def test_a_check_that_was_not_made_says_why():
    why = finding("left_out", "unknown", number=None, told=("The manifest names no source.",), evidence={}, advice="")
    run = read(audit(finding("less", "pass"), why))
    assert "UnknownThe manifest names no source." in run.text.replace("Unknown ", "Unknown")
    assert "Of 2 checks, 1 passes, 1 could not be made or says nothing either way." in run.text
    assert run.text.count("Not made") == 7
    films = read(audit(finding("file"), of="manifest", name="data"))
    assert "It asks a trained network, and this audit is of films before any training." in films.text
    assert films.headings == run.headings


def test_no_finding_at_all_is_no_pass():
    shown = read(audit())
    assert "Audit: Unknown" in shown.text and "Pass" not in shown.text.split("How to read this")[0]


@pytest.mark.parametrize("verdict", ["pass", "warn", "fail", "unknown"])
def test_verdicts_are_words_and_colours(verdict):
    text = audit_page(audit(finding("less", verdict)), {})
    level = {"pass": "pass", "warn": "warning", "fail": "failure", "unknown": "note"}[verdict]
    assert f'<span class="level {level}">{verdict.capitalize()}</span>' in text


def test_nothing_in_the_findings_becomes_markup():
    bad = '<script>alert(1)</script>"&\x07'
    evidence = {
        "rows": [{"sees": bad, "hidden": bad, "label": bad, "source": bad, "stamp": bad, "corner": bad, "toward": bad,
                  "change": bad, "strength": bad, "title": bad, "text": bad, "classes": [bad], "sources": {bad: 3},
                  "auroc": {bad: iv(0.5)},
                  "accuracy": iv(0.5), "flipped": iv(0.1), "loss": iv(0.1), "share": iv(0.2), "own": iv(0.4)}],
        "classes": [bad], "skipped": {bad: bad}, "refused": {bad: bad}, "thresholds": {bad: 0.5},
    }  # fmt: skip
    findings = [
        finding(c, told=(f"a {bad}",), measure=bad, threshold=bad, advice=bad, evidence=evidence) for c in CHECKS
    ]
    films = {check: [Shown(np.zeros((4, 4), np.uint8), bad)] for check in CHECKS}
    reader = read(audit(*findings, name=bad, headline=bad), films)
    assert "<script>alert(1)</script>" in reader.text
    assert "\x07" not in reader.text


def _without_each(value):
    """The evidence with every single key left out in turn, and with what a damaged file may hold in its place."""
    if isinstance(value, dict):
        for key in value:
            rest = {name: item for name, item in value.items() if name != key}
            yield rest
            yield from ({**rest, key: other} for other in (None, "text", 7, [], {}, [None]))
            yield from ({**rest, key: inner} for inner in _without_each(value[key]))
    if isinstance(value, list):
        for place, item in enumerate(value[:1]):
            yield from ([*value[:place], inner, *value[place + 1 :]] for inner in _without_each(item))


@pytest.mark.parametrize("check", CHECKS)
def test_what_is_missing_is_left_out_and_never_stops_the_page(check):
    tried = 0
    for evidence in _without_each(EVIDENCE[check]):
        reader = Reader(str(evidence_of(finding(check, evidence=evidence))))
        assert reader.problems == []
        tried += 1
    assert tried > 10
    assert evidence_of(finding(check, evidence={})) == ""


def test_unknown_numbers_are_dashes_and_columns_that_nobody_knows_fall_away():
    unknown = {"value": None, "low": None, "high": None}
    rows = [{"sees": "film", "accuracy": iv(0.9), "macro_auroc": unknown}, {"sees": "border", "accuracy": unknown}]
    shown = Reader(str(evidence_of(finding("less", evidence={"rows": rows})))).text
    assert "Macro AUROC" not in shown and "Balanced" not in shown
    assert "0.900(0.880 to 0.920)" in shown.replace(" (", "(") and "–" in shown and "nan" not in shown.lower()


def test_what_was_told_is_not_said_twice():
    told = ("bimcv cannot be left out: no other source supplies COVID.", "COVID-12 is Normal-906.")
    assert "no other source" not in evidence_of(finding("left_out", told=told))
    assert "COVID-12" not in evidence_of(finding("leaks", told=told))


def test_many_pictures_are_shown_smaller():
    one = Shown(np.zeros((8, 8), np.uint8), "a film")
    assert 'class="gallery large"' in audit_page(ALL, {"stamps": [one] * 8})
    assert 'class="gallery"' in audit_page(ALL, {"stamps": [one] * 9})


def test_a_counted_number_has_no_interval():
    counted = finding("leaks", number=Interval(0.25, 0.25, 0.25), measure="share of test films")
    assert "0.250" in read(audit(counted)).text and "0.250 to" not in read(audit(counted)).text
    assert "0.250  share of test films\n" in audit_text(audit(counted))


def test_an_audit_that_was_written_and_read_gives_the_same_page(tmp_path):
    ALL.write(tmp_path / "audit.json")
    assert audit_page(Audit.open(tmp_path / "audit.json"), {}) == audit_page(ALL, {})


# The chart ------------------------------------------------------------------------------------------------------------


def test_a_forest_draws_values_and_lines_where_they_are_on_the_axis():
    rows = [
        Branch(
            "a",
            [
                Guess("a, own", "#111111", Interval(0.5, 0.25, 0.75)),
                Guess("a, there", "#222222", Interval(1.0, 1.0, 1.0)),
            ],
            "",
        )
    ]
    drawn = forest(
        "Title", rows, "AUROC", low=0, high=1, lines=[Line("chance", 0.5, "dotted"), Line("fails", 0.7, "failure")]
    )
    rings = [float(x) for x in re.findall(r'<circle cx="([\d.]+)"', drawn)]
    soft = r'text x="([\d.]+)" y="[\d.]+" text-anchor="{}" class="soft"'
    left, right = (float(re.search(soft.format(side), drawn).group(1)) for side in ("start", "end"))
    assert rings[0] == pytest.approx((left + right) / 2, abs=0.2) and rings[1] == pytest.approx(right, abs=0.2)
    dotted = float(re.search(r'<line x1="([\d.]+)"[^>]*class="dotted"', drawn).group(1))
    assert dotted == pytest.approx(rings[0], abs=0.2)
    bar = re.search(r'<rect x="([\d.]+)" width="([\d.]+)"[^>]*fill="#111111"', drawn)
    assert float(bar.group(2)) == pytest.approx((right - left) / 2, abs=0.2)
    assert "a, own: 0.500 (0.250 to 0.750)" in drawn and "chance 0.500" in drawn and "fails 0.700" in drawn


# The terminal ---------------------------------------------------------------------------------------------------------


def test_the_text_has_a_line_a_check_then_what_fails_then_the_headline():
    lines = audit_text(audit(finding("less"), finding("stamps", "warn"), finding("leaks", "pass"))).splitlines()
    rows = lines[: len(CHECKS)]
    assert (
        rows[0]
        == f"FAIL      Networks retrained on less              {format_interval(NUMBER)}  AUROC without the lungs"
    )
    assert [row.split("  ")[0] for row in rows] == ["FAIL", *["not made"] * 4, "WARN", *["not made"] * 2, "pass"]
    assert len({row.index(CHECKS[check]) for row, check in zip(rows, CHECKS, strict=True)}) == 1
    assert lines[len(CHECKS)] == ""
    assert lines[-3:] == [
        "FAIL: Networks retrained on less. It was found. Train again.",
        "WARN: Letters and markers in the corners. It was found. Train again.",
        "FAIL: 0.959, of which 0.89 without the lungs",
    ]


# The report -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def made(tmp_path):
    run, manifest, predictions, metrics = make_run(tmp_path, films=60, complete=False)
    run.mark_complete({"best_epoch": 3, "epochs": 4, "weights_sha256": WEIGHTS})
    return run, manifest, predictions, metrics


def result(made):
    """The first section of the report, and all of its page."""
    reader = Reader(write_report(*made).read_text(encoding="utf-8"))
    assert reader.problems == []
    text = reader.text.split("Result on the test split", 2)[2]
    return text.split("Accuracy")[0], reader


def test_the_verdict_heads_the_report(made):
    run = made[0]
    before, reader = result(made)
    assert before.strip() == "Not audited yet. Audit it: plainfilm audit RUN" and "audit.html" not in reader.links
    assert standing_text(run).endswith("a run'") and standing_text(run).startswith(
        "Not audited yet. Audit it: plainfilm audit "
    )

    ALL.write(run / "audit.json")
    after, reader = result(made)
    assert "Audit: Fail0.959, of which 0.89 without the lungsOf 9 checks, 9 fail." in after
    assert "audit.html" in reader.links and "Not audited" not in reader.text
    assert standing_text(run).startswith("audit: FAIL: 0.959, of which 0.89 without the lungs")


@pytest.mark.parametrize(
    ("made_of", "of", "said"),
    [
        ({"weights_sha256": "1" * 64}, "run", "is of other weights (111111111111, not fb23bdb88337)"),
        ({}, "run", "does not say of which weights it is"),
        ({"weights_sha256": WEIGHTS}, "manifest", "is of a manifest, not of this run"),
    ],
)
def test_an_audit_of_something_else_heads_no_report(made, made_of, of, said):
    audit(finding("less"), made=made_of, of=of).write(made[0] / "audit.json")
    before, reader = result(made)
    assert said in before and "0.959, of which" not in reader.text
    assert "0.959, of which" not in (made[0] / "model_card.md").read_text()
    assert standing(made[0]).audit is None and said in standing_text(made[0])


def test_an_audit_of_a_run_whose_weights_nobody_knows_heads_no_report(made):
    made[0].mark_complete({"best_epoch": 3, "epochs": 4})
    ALL.write(made[0] / "audit.json")
    assert standing(made[0]).audit is None


def test_a_damaged_audit_is_said_and_stops_nothing(made):
    (made[0] / "audit.json").write_text('{"format_version": 1, "of": "run"}')
    with pytest.raises(BadRun, match="make it again"):
        made[0].audit()
    before, _ = result(made)
    assert "The audit cannot be read: is damaged" in before


def test_the_report_is_written_again_from_what_the_run_holds(made):
    from plainfilm.core.files import write_json

    run, manifest, predictions, metrics = made
    assert rewrite_report(run, manifest) is None
    predictions.write(run / "predictions.csv")
    write_json(run / "metrics.json", metrics)
    ALL.write(run / "audit.json")
    path = rewrite_report(Run.open(run.directory), manifest)
    assert path == run / "report.html" and "Audit: Fail" in path.read_text()


# Model card, checklists, leaderboard ----------------------------------------------------------------------------------


def test_the_card_and_the_checklists_say_what_the_audit_found(made):
    run, manifest, _, metrics = made
    before = known_facts(run, manifest, metrics)
    assert not before["audit"].known and "plainfilm audit RUN" in before["audit"].missing[0]
    assert "shortcuts" in " ".join(before["robustness"].missing)

    unknown = finding("left_out", "unknown", number=None, told=("No source is known.",))
    audit(finding("less"), finding("heatmaps", "pass"), finding("robustness", "warn"), unknown).write(
        run / "audit.json"
    )
    after = known_facts(run, manifest, metrics)
    assert after["audit"].known[0].startswith("Audit: Fail. 0.959, of which 0.89 without the lungs.")
    assert after["audit"].missing == ("One source left out: unknown. No source is known",)
    assert after["heatmaps"].known == (
        f"Heatmaps inside the lungs: pass; AUROC without the lungs {format_interval(NUMBER)}. It was found.",
    )
    assert "films that were changed on purpose" in " ".join(after["robustness"].known)
    write_report(*made)
    card, lists = ((run / name).read_text() for name in ("model_card.md", "checklists.md"))
    assert "0.959, of which 0.89 without the lungs" in card
    assert "Checks that fail: Networks retrained on less." in lists and "Checks that warn: Robustness." in lists


def test_the_leaderboard_shows_the_gravest_verdict_of_a_contestants_runs(made, tmp_path):
    run = made[0]
    alone, table = (Contestant(name, "method", (), (), runs) for name, runs in (("one", (run,)), ("table", ())))
    assert audit_cells([alone, table]) == {}
    audit(finding("stamps", "warn"), finding("less", "pass")).write(run / "audit.json")
    (tmp_path / "other").mkdir()
    bare = make_run(tmp_path / "other", films=60)[0]
    cells = audit_cells(
        [alone, table, replace(alone, name="both", runs=(run, bare)), replace(alone, name="bare", runs=(bare,))]
    )
    texts = {name: Reader(str(cell)).text for name, cell in cells.items()}
    assert texts == {"one": "Warn", "both": "Warn 1 of 2 audited", "bare": "not audited"}
