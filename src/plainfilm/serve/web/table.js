// All answers of the visit as a table: CSV, one film a row.

import { NOTICE } from "./notice.js";

/** The CSV. films: of the visit. model: what GET /v1/model says now, for films that no other one answered. */
export function csvOf(films, model) {
  const classes = [...new Set([model, ...films.map((film) => film.model ?? model)].flatMap((one) => one.classes))];
  const head = ["film", "class", "set", ...classes.map((name) => `p_${name}`), "status", "turned_away", "error",
    "advice", "warnings", "format", "width", "height", "bit_depth", "colour", "is_inverted", "view", "model", "precision", "sha256",
    "audit", "note"];
  const rows = films.map((film) => row(film, film.model ?? model, classes));
  return [head, ...rows].map((cells) => cells.map(cell).join(",")).join("\r\n") + "\r\n";
}

function row(film, model, classes) {
  const { class: name, set, probability = {}, turned_away: away, advice, warnings, info } = film.answer ?? {};
  const status = { answered: "ok", away: "ok" }[film.state] ?? film.state;
  return [
    film.name, name, set && (set.join(" or ") || "none"), ...classes.map((one) => probability[one]), status, away,
    film.state === "error" ? film.said : "", advice || film.advice, warnings?.join("; "), info?.format, info?.width, info?.height,
    info?.bit_depth, info?.colour, info?.is_inverted, info?.view, model.name, model.precision, model.sha256,
    model.audit?.verdict, NOTICE,
  ];
}

/** One cell; text that a spreadsheet would run as a formula gets an apostrophe before it, as core/cells.py does it. */
function cell(value) {
  if (value === null || value === undefined) return "";
  const text = typeof value === "string" ? value.replace(/^(?=[=+\-@\t\r\n＝＋－＠'])/, "'") : String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
