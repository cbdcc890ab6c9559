// What is said of one film: its class, probabilities and set; or why there is no answer, what that means and what to do.

import { byId, el } from "./dom.js";
import { className, fileFacts, ofFile, percent, sentence, setSentence, shortAnswer, tellsWhatToDo, wantedError } from "./words.js";

const AWAY = "The film was read, but the model gives no answer about it, since an answer would rest on nothing it has learnt.";

/**
 * Fills the panel of answers. actions: retry(film), cancel(film), showHeat(name), showAudit(model).
 */
export class Answers {
  #panel = byId("answer");
  #model = null;
  #actions;
  #bars = new Map(); // class: its button
  #underWayNow = null; // the film whose progress is shown

  constructor(actions) {
    this.#actions = actions;
  }

  /** Takes what the model that answers from now on says of itself; a film that another one answered keeps that one's. */
  know(model) {
    this.#model = model;
  }

  /** Shows what is said of a film; null for none. Where only its progress has changed, nothing else is touched, the focus least. */
  show(film) {
    const isUnderWay = film?.state === "sending";
    if (isUnderWay && this.#underWayNow === film) return showProgress(film);
    this.#underWayNow = isUnderWay ? film : null;
    this.#bars.clear();
    const hadFocus = this.#panel.contains(document.activeElement);
    this.#panel.replaceChildren(...(film ? this.#parts(film).filter(Boolean) : []));
    if (isUnderWay) showProgress(film);
    if (hadFocus) byId("answer-title")?.focus({ preventScroll: true });
  }

  /** Marks the class whose heatmap lies over the film; "" for none. */
  markHeat(name) {
    for (const [one, button] of this.#bars) button.setAttribute("aria-pressed", String(one === name));
  }

  #parts(film) {
    if (film.state === "answered") return this.#answered(film);
    if (film.state === "away") return this.#away(film);
    return film.state === "error" || film.state === "unsent" ? this.#failed(film) : this.#underWay(film);
  }

  #answered(film) {
    const { answer } = film;
    const { class: best, set, probability } = answer;
    const error = this.#modelOf(film)?.error ?? null;
    const isSettled = set?.length === 1 && set[0] === best;
    return [
      el("p", { className: "kicker", textContent: "Most probable" }),
      title(el("span", {}, className(best)), " ", el("span", { className: "big-number" }, percent(probability[best]))),
      set && el("p", { className: `alert ${isSettled ? "note" : "warning"}`, id: "set" },
        setSentence(answer, error)),
      this.#verdict(film),
      el("h3", { textContent: "Probabilities" }),
      this.#probabilities(answer, film.maps !== null),
      error === null ? null : meaning(error),
      ...remarks(film),
    ];
  }

  #probabilities({ probability, set }, hasMaps) {
    const rows = Object.entries(probability).map(([name, share]) => {
      const bar = el("span", { className: "bar-fill" });
      bar.style.width = `${share * 100}%`;
      const inSet = set?.includes(name);
      const said = `${className(name)}, ${percent(share)}${inSet ? ", in the set of possible classes" : ""}`;
      const inside = [
        el("span", { className: "bar-name", textContent: className(name) }),
        el("span", { className: "bar-number", textContent: percent(share) }),
        el("span", { className: "bar-track", "aria-hidden": "true" }, bar),
      ];
      const looks = `bar-row${inSet ? " in-set" : ""}`;
      if (!hasMaps) {
        const aside = el("span", { className: "hidden" }, inSet ? "in the set of possible classes" : "");
        return el("li", {}, el("div", { className: looks }, inside, aside));
      }
      const button = el("button", {
        type: "button", className: looks, title: `Heatmap of ${className(name)}`, "aria-label": `${said}. Show its heatmap`,
        "aria-pressed": "false", onclick: () => this.#actions.showHeat(name),
      }, inside);
      this.#bars.set(name, button);
      return el("li", {}, button);
    });
    return el("ul", { className: "bars", "aria-label": "Probability of each class" }, rows);
  }

  #away(film) {
    const { answer } = film;
    return [
      el("p", { className: "kicker", textContent: "Turned away" }),
      title(el("span", { textContent: "No answer" })),
      el("div", { className: "alert warning" },
        el("p", {}, el("strong", { textContent: sentence(answer.turned_away) })),
        el("p", { textContent: AWAY }),
        answer.advice && el("p", { textContent: sentence(answer.advice) })),
      this.#verdict(film),
      ...remarks(film),
    ];
  }

  #failed(film) {
    const isSent = film.state === "error";
    return [
      el("p", { className: "kicker", textContent: isSent ? "Error" : "Not sent" }),
      title(el("span", { textContent: isSent ? film.title || "Could not be read" : "No answer yet" })),
      el("div", { className: "alert failure" },
        el("p", { textContent: ofFile(film.said) }),
        film.advice && !tellsWhatToDo(film.said) ? el("p", { textContent: sentence(film.advice) }) : null),
      film.isOfFile ? null : el("button", { type: "button", textContent: "Try again", onclick: () => this.#actions.retry(film) }),
    ];
  }

  #underWay(film) {
    const isOver = film.state === "cancelled";
    const button = isOver
      ? el("button", { type: "button", textContent: "Send again", onclick: () => this.#actions.retry(film) })
      : el("button", { type: "button", textContent: "Cancel", onclick: () => this.#actions.cancel(film) });
    return [
      el("p", { className: "kicker", textContent: film.name }),
      title(el("span", { textContent: shortAnswer(film) })),
      isOver ? null : el("progress", { id: "share", max: 1, "aria-label": `Sending ${film.name}` }),
      button,
    ];
  }

  #modelOf = (film) => film.model ?? this.#model;

  /** The audit's verdict on the model that answered, which stands at every answer. */
  #verdict(film) {
    const model = this.#modelOf(film);
    return model && verdictCard(model.audit, () => this.#actions.showAudit(model));
  }
}

/** The audit in one line. show: leads to its findings; null where they are in sight. */
export function verdictCard(audit, show = null) {
  const tone = { pass: "pass", warn: "warning", fail: "failure" }[audit?.verdict] ?? "note";
  const said = audit ? sentence(audit.headline) : "Nobody has looked yet for shortcuts and leaks behind this model's score.";
  return el("div", { className: `verdict ${tone}` },
    el("p", {},
      el("strong", { className: "level", textContent: `Audit: ${(audit?.verdict ?? "none").toUpperCase()}` }), ` ${said}`),
    audit && show && el("button", { type: "button", className: "link", textContent: "See the findings", onclick: show }));
}

function showProgress(film) {
  byId("answer-title").textContent = shortAnswer(film);
  if (film.share < 1) byId("share").value = film.share;
  else byId("share").removeAttribute("value");
}

function title(...parts) {
  return el("h2", { id: "answer-title", tabIndex: -1 }, ...parts);
}

function meaning(error) {
  return el("details", {},
    el("summary", { textContent: "What these numbers mean" }),
    el("p", {}, "A probability is the model's, calibrated on films like those it was trained on; it is not this person's risk."),
    el("p", {}, `The classes marked with a dot are possible: sets like this miss the true class for about ${wantedError(error)} ` +
      "of the films of each class, as long as films come from the same places."));
}

const DRAWN = "it is a drawn chest of nobody: unless the model was trained on drawn chests, its answer means nothing";

function remarks(film) {
  const { warnings: told = [], info } = film.answer;
  const warnings = film.file.isDrawn ? [DRAWN, ...told] : told;
  return [
    warnings.length ? el("div", { className: "alert warning" },
      el("h3", { textContent: "Mind this film" }),
      el("ul", {}, warnings.map((warning) => el("li", { textContent: sentence(warning) })))) : null,
    info && el("h3", { textContent: "What the file says" }),
    info && el("dl", { className: "facts" },
      fileFacts(info, film.picture).map(([what, value]) => el("div", {}, el("dt", {}, what), el("dd", {}, value)))),
  ];
}
