// The model card's essentials: what the model is for, what it is not for, its data, its numbers, the audit's findings.

import { byId, el } from "./dom.js";
import { verdictCard } from "./answers.js";
import { className, counted, either, sentence, withInterval } from "./words.js";

const OVERALL = {
  accuracy: "Accuracy",
  balanced_accuracy: "Balanced accuracy",
  macro_f1: "F1, mean of the classes",
  macro_auroc: "AUROC, mean of the classes",
  ece: "Calibration error (ECE)",
};
const BY_CLASS = { recall: "Sensitivity", specificity: "Specificity", precision: "Precision", auroc: "AUROC" };

/** Fills the dialog with what GET /v1/model says. hasCard: whether the server still has the card of this very model. */
function fill(dialog, model, hasCard) {
  dialog.replaceChildren(
    el("header", { className: "dialog-head" },
      el("h2", { id: "model-title", textContent: `Model: ${model.name}` }),
      el("button", { type: "button", className: "quiet", textContent: "Close", onclick: () => dialog.close() })),
    el("div", { className: "dialog-body", tabIndex: 0, role: "region", "aria-labelledby": "model-title" },
      el("p", { className: "lead", textContent: sentence(model.intended_use ?? "") }),
      model.not_for?.length && [el("h3", {}, "Not for"), el("ul", {}, model.not_for.map((use) => el("li", {}, sentence(use))))],
      el("h3", { id: "model-audit", textContent: "Audit" }),
      verdictCard(model.audit),
      model.audit && el("div", {}, model.audit.findings.map(finding)),
      scores(model),
      films(model.data),
      made(model),
      hasCard ? wholeCard() : null));
}

/** Opens the dialog on what GET /v1/model said of a model. hasCard: as in `fill`. part: "" for the top, or "audit". */
export function openModelDialog(dialog, model, { hasCard = true, part = "" } = {}) {
  fill(dialog, model, hasCard);
  if (!dialog.open) dialog.showModal();
  dialog.querySelector(".dialog-body").scrollTop = 0;
  if (part) byId(`model-${part}`)?.scrollIntoView();
}

function wholeCard() {
  return el("p", {}, el("a", { href: "card", target: "_blank", rel: "noopener" }, "The whole model card"), " (in a new tab)");
}

function finding(found) {
  const tone = { pass: "pass", warn: "warning", fail: "failure" }[found.verdict] ?? "note";
  return el("details", { className: `finding ${tone}` },
    el("summary", {}, el("span", { className: "level", textContent: found.verdict }), ` ${found.title}`),
    (found.told ?? []).map((told) => el("p", { textContent: told })),
    found.threshold && el("p", { className: "soft small", textContent: sentence(`Threshold: ${found.threshold}`) }),
    found.advice && el("p", {}, el("strong", { textContent: "What to do: " }), found.advice));
}

function scores(model) {
  const measured = model.metrics?.metrics;
  if (!measured) return null;
  const { split, films: count, groups } = model.metrics;
  const where = [split && `the ${split} split`, count && counted(count, "film"), groups && counted(groups, "group")];
  const measures = Object.entries(BY_CLASS).filter(([key]) => model.classes.some((name) => `${key}/${name}` in measured));
  return [
    el("h3", { textContent: "How good it was" }),
    el("p", { className: "soft" }, `On ${where.filter(Boolean).join(", ")}; 95% intervals. Elsewhere it may be worse.`),
    model.precision === "int8" && el("p", { className: "soft", textContent: ofTheRun(model.parity) }),
    el("table", {}, el("tbody", {}, Object.entries(OVERALL).filter(([key]) => key in measured).map(([key, name]) =>
      el("tr", {}, el("th", { scope: "row", textContent: name }), el("td", { textContent: withInterval(measured[key]) }))))),
    measures.length && el("div", { className: "scroll", tabIndex: 0, role: "region", "aria-label": "Numbers of each class" },
      el("table", {},
        el("thead", {}, el("tr", {}, [["", "Class"], ...measures].map(([, name]) => el("th", { scope: "col" }, name)))),
        el("tbody", {}, model.classes.map((name) => el("tr", {},
          el("th", { scope: "row" }, className(name)),
          measures.map(([key]) => el("td", {}, withInterval(measured[`${key}/${name}`])))))))),
  ];
}

/** What the numbers are of where the bundle counts otherwise than the run that reached them. */
function ofTheRun(parity) {
  const { labels, films: count } = parity ?? {};
  const of = labels && count && `${(100 * labels).toFixed(2)}% of ${counted(count, "validation film")}`;
  const alike = of ? ` and gives its label for ${of}` : "";
  return `These numbers are of the run in float32; this bundle counts in int8${alike}.`;
}

function films(data) {
  const list = (counts) =>
    either(Object.entries(counts).map(([name, count]) => `${count.toLocaleString("en")} ${className(name)}`), "and");
  return [
    el("h3", { textContent: "What it learnt from" }),
    el("dl", { className: "facts" },
      fact("Films for training", data?.training_films && list(data.training_films), "long"),
      fact("From", data?.sources && list(data.sources), "long")),
  ];
}

function made(model) {
  const { preprocess = {} } = model;
  const whole = preprocess.fit === "crop" ? "the middle square of the film" : "the whole film";
  const part = { lungs: "the lungs alone", background: "all but the lungs" }[preprocess.region];
  const seen = part && preprocess.fit === "crop" ? `${part}, in ${whole}` : part ?? whole;
  return [
    el("h3", { textContent: "What it is" }),
    el("dl", { className: "facts" },
      fact("Network", model.network),
      fact("Numbers", model.precision),
      fact("Sees", preprocess.size && `${seen}, ${preprocess.size} × ${preprocess.size} pixels`),
      fact("Heatmaps", model.has_heatmaps ? "yes" : model.why_no_heatmaps || "no"),
      fact("plainfilm", model.version),
      fact("SHA-256 of the bundle", el("code", { textContent: model.sha256 }), "long")),
  ];
}

function fact(what, value, className = "") {
  return value ? el("div", { className }, el("dt", { textContent: what }), el("dd", {}, value)) : null;
}
