"""The page's scripts without a browser: Node runs them on a stand-in for the document."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import playwright
import pytest

WEB = Path(__file__).resolve().parent.parent / "src" / "plainfilm" / "serve" / "web"
NODE = Path(playwright.__file__).parent / "driver" / "node"  # Playwright brings its own
_DOCUMENT = """
class Element {
  constructor() { Object.assign(this, { children: [], style: {}, dataset: {} }); }
  append(...more) { this.children.push(...more); }
  replaceChildren(...all) { this.children = all; }
  setAttribute(name, value) { this[name] = value; }
  querySelector() { return new Element(); }
  contains() { return false; }
  showModal() {}
  get text() { return [this.textContent, ...this.children.map((one) => one.text ?? one)].filter(Boolean).join(" "); }
}
const byId = new Map();
globalThis.document = {
  createElement: () => new Element(), querySelectorAll: () => [], body: { classList: { toggle() {} } },
  getElementById: (id) => byId.get(id) ?? byId.set(id, new (class extends Element { addEventListener() {} })()).get(id),
};
const listeners = {};
globalThis.addEventListener = (name, act) => (listeners[name] = act);
"""
# One film after another, each answered by the model that `server.now` names; `films` and their `told` are at hand.
_FILMS = """
import { Films } from "./films.js";
const models = { a: { sha256: "a", classes: ["A"], limits: { bytes_per_film: 100e6 } }, b: { sha256: "b", classes: ["B"] } };
const server = {
  now: "a", told: 0, problem: null,
  async send() {
    if (this.problem) throw this.problem;
    return { film: { status: "ok", turned_away: "", class: "A", probability: { A: 1 } }, model: { sha256: this.now } };
  },
  async model() { this.told += 1; return models[this.says ?? this.now]; },
};
const films = new Films(server);
films.know(models.a);
const heard = [];
films.addEventListener("model", (event) => heard.push(event.detail.sha256));
const idle = () => new Promise((done) => films.addEventListener("idle", done, { once: true }));
const send = async (...names) => { const end = idle(); films.add(names.map((name) => ({ name, size: 1 }))); await end; };
"""

Run = Callable[[str], Any]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Runs a module beside the page's own; what it gives to print() comes back."""
    folder = shutil.copytree(WEB, tmp_path / "web")
    (folder / "package.json").write_text('{"type": "module"}')

    def in_node(code: str) -> Any:
        (folder / "test.js").write_text("const print = (told) => console.log(JSON.stringify(told));\n" + code)
        done = subprocess.run([str(NODE), "test.js"], cwd=folder, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return in_node


def test_a_server_that_answers_by_another_model_is_asked_for_it_before_its_answer_is_kept(run: Run) -> None:
    told = run(
        _FILMS
        + """
        await send("1");
        server.now = "b";
        await send("2", "3", "4");
        server.says = "a";
        server.now = "c"; // and away again before it can say what it is
        await send("5");
        print([films.all.map((film) => [film.state, film.model?.sha256]), heard.slice(0, 1), server.told,
          films.all[4].title, films.all[4].advice, films.all[4].answer]);
        """
    )
    answered = [["answered", "a"], *[["answered", "b"]] * 3]
    assert told == [[*answered, ["error", None]], ["b"], 2, "Another model", "Try it again.", None]


def test_an_answer_is_shown_with_the_audit_and_the_wanted_error_of_its_own_model(run: Run) -> None:
    text = run(
        _DOCUMENT
        + """
        const { Answers } = await import("./answers.js");
        const shown = [];
        const answers = new Answers({ showAudit: (model) => shown.push(model.name) });
        const [old, now] = [["old", 0.05], ["now", 0.2]].map(([name, error]) =>
          ({ name, error, audit: { verdict: "pass", headline: `The audit of ${name}` } }));
        answers.know(now);
        const answer = { class: "A", set: ["A"], probability: { A: 0.9, B: 0.1 }, warnings: [] };
        const file = { isDrawn: false };
        print([old, null].map((model) => {
          answers.show({ state: "answered", answer, model, file, maps: null, name: "1" });
          return document.getElementById("answer").text;
        }));
        """
    )
    for said, name, error in zip(text, ("old", "now"), ("5%", "20%"), strict=True):
        assert f"The audit of {name}" in said and f"at the wanted error of {error}" in said


def test_nothing_of_an_earlier_failure_stands_beside_a_good_answer(run: Run) -> None:
    told = run(
        _FILMS
        + """
        import { csvOf } from "./table.js";
        import { Refused } from "./server.js";
        server.problem = new Refused("Damaged", "is damaged", "Copy the file again.");
        await send("1");
        const before = films.all[0].advice;
        server.problem = null;
        const end = idle();
        films.retry(films.all[0]);
        await end;
        print([before, films.all[0].title, films.all[0].advice, csvOf(films.all, models.a)]);
        """
    )
    assert told[:3] == ["Copy the file again.", "", ""] and "Copy" not in told[3] and "1,A," in told[3]


def test_a_file_that_is_no_film_is_not_offered_to_be_sent_again(run: Run) -> None:
    told = run(
        _FILMS
        + """
        import { refusal } from "./server.js";
        server.problem = refusal(504, { type: "urn:plainfilm:problem:too-slow" });
        await send("1");
        server.problem = refusal(415, { type: "urn:plainfilm:problem:no-picture", title: "No picture", detail: "is text" });
        await send("2");
        films.add([{ name: "3", size: 1e9 }]);
        const before = films.all.map((film) => film.isOfFile);
        const end = idle();
        films.retry(films.all[1]);
        const during = films.all[1].isOfFile;
        await end;
        print([before, during, films.all[1].isOfFile]);
        """
    )
    assert told == [[False, True, True], False, True]


def test_the_table_has_the_classes_of_every_model_that_answered(run: Run) -> None:
    table = run(
        """
        import { csvOf } from "./table.js";
        const answer = { class: "A", set: ["A"], probability: { A: 0.75 } };
        print(csvOf([{ name: "1", state: "answered", answer, model: { classes: ["A"] } }], { classes: ["B"] }));
        """
    )
    assert ",p_B,p_A," in table and ",,0.75," in table


@pytest.mark.parametrize(
    ("size", "said"),
    [(100_000_001, "100.1 MB, and this server takes 100 MB"), (250_000_000, "250 MB, and this server takes 100 MB")],
)
def test_a_film_beyond_the_limit_is_told_in_the_limit_s_megabytes(run: Run, size: int, said: str) -> None:
    told = run(_FILMS + f'films.add([{{ name: "1", size: {size} }}]); print(films.all[0].said);')
    assert told == f"The file has {said} a film."


@pytest.mark.parametrize(
    ("preprocess", "seen"),
    [
        ({"fit": "squash", "region": "film"}, "the whole film, "),
        ({"fit": "crop", "region": "film"}, "the middle square of the film, "),
        ({"fit": "crop", "region": "lungs"}, "the lungs alone, in the middle square of the film, "),
    ],
)
def test_the_model_s_dialog_says_what_it_sees_and_links_the_card_of_no_other(
    run: Run, preprocess: dict[str, str], seen: str
) -> None:
    model = {"name": "m", "classes": [], "sha256": "a", "preprocess": {**preprocess, "size": 224}}
    with_card, without = run(
        _DOCUMENT
        + f"""
        const {{ openModelDialog }} = await import("./model.js");
        print([true, false].map((hasCard) => {{
          const dialog = document.createElement("dialog");
          openModelDialog(dialog, {json.dumps(model)}, {{ hasCard }});
          return dialog.text;
        }}));
        """
    )
    assert seen in with_card and "whole model card" in with_card
    assert seen in without and "whole model card" not in without


def test_a_file_that_the_browser_cannot_read_leaves_the_others_of_its_folder(run: Run) -> None:
    told = run(
        _DOCUMENT
        + """
        const { takeFilms } = await import("./intake.js");
        const came = new Promise((done) => takeFilms((files, said) => done([files.map((file) => file.name), said])));
        const file = (name) => ({ isFile: true, file: (done, fail) => (name ? done({ name }) : fail(new Error("gone"))) });
        const folder = (...inside) => ({ isDirectory: true, createReader: () => ({
          readEntries: (done, fail) => (inside.includes("shut") ? fail(new Error("shut")) : done(inside.splice(0))) }) });
        const dropped = folder(file("b.png"), file(""), folder("shut"), folder(file("a.png"), file("notes.txt")));
        const items = [{ webkitGetAsEntry: () => dropped }];
        listeners.drop({ preventDefault() {}, dataTransfer: { types: ["Files"], items, files: [] } });
        print(await came);
        """
    )
    assert told[0] == ["a.png", "b.png"]
    assert "no picture: 1 file of the folder." in told[1] and "cannot read them: 2 files or folders." in told[1]


def test_what_is_sent_comes_back_with_the_model_that_answered(run: Run) -> None:
    told = run(
        """
        import { Server } from "./server.js";
        const reply = { films: [{ film: "1" }], model: { name: "m", precision: "fp32", sha256: "a" } };
        globalThis.XMLHttpRequest = class {
          upload = {};
          status = 200;
          responseText = JSON.stringify(reply);
          open() {}
          getResponseHeader() {}
          send() { this.onload(); }
        };
        const asked = { heatmaps: false, onShare() {}, signal: new AbortController().signal };
        print(await new Server().send(new File(["x"], "1"), asked));
        """
    )
    assert told == {"film": {"film": "1"}, "model": {"name": "m", "precision": "fp32", "sha256": "a"}}


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (
            {"precision": "int8", "parity": {"labels": 0.9972862957937585, "films": 737}},
            " and gives its label for 99.73% of 737 validation films",
        ),
        ({"precision": "int8", "parity": {}}, ""),
        ({"precision": "fp32", "parity": {"labels": 1, "films": 737}}, None),
    ],
)
def test_the_numbers_of_a_bundle_in_int8_are_said_to_be_the_run_s(
    run: Run, model: dict[str, object], said: str | None
) -> None:
    metrics = {"split": "test", "films": 9, "metrics": {"accuracy": {"value": 0.9, "low": 0.8, "high": 1}}}
    told = run(
        _DOCUMENT
        + f"""
        const {{ openModelDialog }} = await import("./model.js");
        const dialog = document.createElement("dialog");
        openModelDialog(dialog, {json.dumps({"name": "m", "classes": [], "metrics": metrics, **model})});
        print(dialog.text);
        """
    )
    assert "How good it was" in told
    if said is None:
        assert "float32" not in told
    else:
        assert f"These numbers are of the run in float32; this bundle counts in int8{said}." in told
