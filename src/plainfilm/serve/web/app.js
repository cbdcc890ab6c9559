// The page: asks the server for its model, takes films, and lets each part know of the others.

import { Answers, verdictCard } from "./answers.js";
import { announce, byId, el, save } from "./dom.js";
import { Films, MOST_FILMS } from "./films.js";
import { handleGestures } from "./gestures.js";
import { History } from "./history.js";
import { choose, takeFilms } from "./intake.js";
import { obeyKeys } from "./keyboard.js";
import { openModelDialog } from "./model.js";
import { offerPhantoms } from "./phantoms.js";
import { printed } from "./print.js";
import { Busy, KeyWanted, Offline, Server } from "./server.js";
import { csvOf } from "./table.js";
import { switchTheme } from "./theme.js";
import { bindTools, offerClasses } from "./tools.js";
import { Viewer } from "./viewer.js";
import { Waiting } from "./waiting.js";
import { className, counted, sentence, setSentence, shortAnswer, tally } from "./words.js";

const server = new Server();
const films = new Films(server);
const viewer = new Viewer(byId("stage"), byId("screen"));
const history = new History(films);
const answers = new Answers({
  retry: (film) => films.retry(film),
  cancel: (film) => films.cancel(film),
  showHeat: (name) => viewer.heat({ isShown: viewer.heatName !== name, name }),
  showAudit: (of) => openModel(of, "audit"),
});
const waiting = new Waiting(server, say, (wasAway) => (wasAway || !model ? start() : goOn()));
const heatNote = byId("heat-note").textContent;
let model = null; // that answers now

handleGestures(byId("stage"), viewer, bindTools(viewer, savePng));
switchTheme(byId("theme"));
takeFilms(add);
obeyKeys(films, viewer, {
  choose: () => model && choose("files"),
  remove: removeSelected,
  openModel: () => model && openModel(),
  openKeys: () => byId("keys-dialog").showModal(),
  saveCsv, savePng, nextClass,
});
byId("open-model").addEventListener("click", () => openModel());
byId("open-keys").addEventListener("click", () => byId("keys-dialog").showModal());
byId("save-csv").addEventListener("click", saveCsv);
byId("key-form").addEventListener("submit", (event) => {
  event.preventDefault();
  server.giveKey(byId("key").value);
  start();
});
byId("bar-tools").hidden = false; // they need this script
for (const dialog of document.querySelectorAll("dialog")) {
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close()); // a click beside it
}

films.addEventListener("list", showPart);
films.addEventListener("select", () => {
  showFilm();
  tell(films.selected);
});
films.addEventListener("film", (event) => {
  if (event.detail !== films.selected) return; // the others speak when they are chosen
  showFilm();
  tell(event.detail);
});
films.addEventListener("idle", () => {
  waiting.end();
  if (films.all.length > 1) announce(`All done: ${tally(films.all)}.`);
});
films.addEventListener("model", (event) => meet(event.detail));
films.addEventListener("wait", (event) => waiting.begin(event.detail));
films.addEventListener("key", () => askForKey("The key is not the right one any more."));
viewer.addEventListener("change", () => answers.markHeat(viewer.heatName));
addEventListener("beforeunload", (event) => films.isUnsaved && event.preventDefault());
start();

/** Asks for the model, then lets films in; or says why not. */
async function start() {
  let told;
  try {
    told = await server.model();
  } catch (error) {
    return explain(error);
  }
  meet(told);
  say("");
  byId("key-form").hidden = true;
  showPart();
  films.goOn();
  await offerPhantoms(server, add, explain);
}

/** Lets all know of the model that answers from now on; what others answered before stays theirs. */
function meet(now) {
  model = now;
  byId("model-name").textContent = `${model.name} · ${model.network} · ${model.precision}`;
  byId("open-model").hidden = false;
  films.know(model);
  answers.know(model);
  byId("start-audit").replaceChildren(verdictCard(model.audit, () => openModel(model, "audit")));
  showHeatmapsOf(films.selected);
}

/** The classes and the note of the heatmaps, of the model that answered this film. */
function showHeatmapsOf(film) {
  const { classes, has_heatmaps: has, why_no_heatmaps: why } = film?.model ?? model;
  byId("heat-note").textContent = has ? heatNote : sentence(why || "This model has no heatmaps");
  offerClasses(classes);
  viewer.heat({}); // the choice of class shows the film's again
}

function openModel(of = model, part = "") {
  openModelDialog(byId("model-dialog"), of, { hasCard: of.sha256 === model.sha256, part });
}

function explain(error) {
  if (error instanceof KeyWanted) return askForKey(server.hasKey ? "That is not the key." : "");
  if (error instanceof Busy || error instanceof Offline) return waiting.begin(error);
  return say(sentence(error.message), { label: "Try again", act: start });
}

function goOn() {
  say("");
  films.goOn();
}

function askForKey(said) {
  byId("key-form").hidden = false;
  byId("key-said").textContent = said;
  byId("key").value = "";
  byId("key").focus();
}

/**
 * Says something above all else; "" takes it back. label and act: a button where there is something to do. left: seconds until it
 * is done by itself; where they alone have changed, the button stays what it was, and a screen reader is not told again.
 */
function say(text, { left = 0, label = "", act = null } = {}) {
  const banner = byId("banner");
  const isSame = left && banner.dataset.said === text;
  banner.dataset.said = text;
  if (!isSame) {
    banner.replaceChildren(...(text
      ? [el("p", {}, text, left ? el("span", { id: "seconds", "aria-hidden": "true" }) : null),
        label && el("button", { type: "button", textContent: label })].filter(Boolean)
      : []));
  }
  if (left) byId("seconds").textContent = ` in ${left} s`;
  if (label) banner.querySelector("button").onclick = act;
}

function add(files, said = "") {
  if (!files.length) return say(said);
  if (!model) return say(byId("key-form").hidden ? "The model is not there yet." : "Give the key first.");
  const wasEmpty = !films.all.length;
  const without = films.add(files);
  if (without) {
    say(`${counted(without, "film")} found no room: this page holds ${MOST_FILMS}. For whole folders, use "plainfilm predict".`);
  } else say(said);
  if (wasEmpty) {
    scrollTo(0, 0);
    byId("stage").focus({ preventScroll: true });
  }
  return undefined;
}

/** Removes the film; where the focus was in the list, it goes to the next one. */
function removeSelected() {
  if (!films.selected) return;
  const wasInList = byId("list").contains(document.activeElement);
  films.remove(films.selected);
  if (wasInList) history.focus();
}

/** The start, or the films at work. */
function showPart() {
  const isEmpty = !films.all.length;
  const wasAtWork = !byId("work").hidden;
  byId("start").hidden = !isEmpty || !model;
  byId("work").hidden = isEmpty;
  if (isEmpty && wasAtWork) byId("start").querySelector("button").focus({ preventScroll: true });
}

function showFilm() {
  const film = films.selected;
  answers.show(film);
  byId("stage-said").textContent = film && !film.picture ? shortAnswer(film) : "";
  const isNew = viewer.film !== film || (film?.picture && !viewer.hasPicture);
  if (isNew) showHeatmapsOf(film);
  if (isNew) viewer.show(film).then(() => answers.markHeat(viewer.heatName));
  document.title = film ? `${film.name} · plainfilm` : "plainfilm";
}

/** Lets a screen reader know of an answer. */
function tell(film) {
  if (!["answered", "away", "error", "unsent"].includes(film?.state)) return;
  const set = film.state === "answered" && film.answer.set ? setSentence(film.answer, (film.model ?? model).error) : film.said;
  announce(sentence(`${film.name}: ${shortAnswer(film)}`) + (set ? ` ${set}` : ""));
}

function nextClass() {
  if (!viewer.hasMaps) return;
  const { classes } = films.selected.model ?? model;
  const name = classes[(classes.indexOf(viewer.view.heatClass) + 1) % classes.length];
  viewer.heat({ isShown: true, name });
  announce(`Heatmap of ${className(name)}`);
}

function saveCsv() {
  if (!films.all.length) return;
  save(new Blob(["\ufeff", csvOf(films.all, model)], { type: "text/csv;charset=utf-8" }), "plainfilm.csv");
  for (const film of films.all) film.inTable = film.state;
}

function savePng() {
  const name = films.selected.name.replace(/\.[^.]*$/, "").replace(/[^\p{L}\p{N}._-]+/gu, "_") || "film";
  printed(viewer, films.selected.model ?? model).toBlob((blob) => save(blob, `${name}-plainfilm.png`), "image/png");
}
