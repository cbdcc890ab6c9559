// The films of this visit, in memory alone, and the queue that sends them: a few at a time, one request each.

import { Busy, KeyWanted, Offline, Refused } from "./server.js";
import { packedPicture, unpackedMaps } from "./picture.js";

export const MOST_FILMS = 200; // of a visit: their pictures stay in memory
const AT_ONCE = 3;
const MOST_LOST = 3; // times that a film is sent and the connection breaks, though the server is there
const ANEW = { share: 0, said: "", title: "", advice: "", isOfFile: false }; // nothing is left of what was said of an earlier try
const CHANGED = ["Another model", "The server has begun to answer by another model since, so nothing vouches for this answer.",
  "Try it again."];

/**
 * Events: "list" (films came or went), "film" (detail: the film that changed), "select", "idle" (nothing is left to send),
 * "key", "wait" (nothing is sent until goOn is called; detail: Busy or Offline), "model" (another one answers from now on; detail:
 * what it says of itself).
 * A film: id, file (isDrawn where it is a phantom of the page), name, state (waiting, sending, answered, away, error, unsent,
 * cancelled), share (sent, 0..1), said, title and advice (why it waits or failed, and what to do), isOfFile (whether it failed by
 * what is in the file, so that to send it again is no use), answer (as the server gave it),
 * model (whose answer it is), picture, maps, view (how it is looked at), lost (how often the connection broke), inTable (its state
 * when it was last saved as CSV).
 */
export class Films extends EventTarget {
  all = [];
  selected = null;
  #server;
  #model = {};
  #next = 1;
  #sending = 0;
  #isPaused = false;
  #asked = null; // the server, what its model says of itself

  constructor(server) {
    super();
    this.#server = server;
  }

  /** Takes what the model that answers from now on says of itself. */
  know(model) {
    this.#model = model;
  }

  /** Adds files and selects the first. Returns how many found no room. */
  add(files) {
    const taken = files.slice(0, Math.max(0, MOST_FILMS - this.all.length));
    const added = taken.map((file) => this.#film(file));
    this.all.push(...added);
    this.#tell("list");
    if (added.length) this.select(added[0]);
    this.#pump();
    return files.length - taken.length;
  }

  select(film) {
    this.selected = film;
    this.#tell("select");
  }

  /** Selects the film `by` places further on in the list. */
  step(by) {
    const place = this.all.indexOf(this.selected) + by;
    if (place >= 0 && place < this.all.length) this.select(this.all[place]);
  }

  remove(film) {
    const place = this.all.indexOf(film);
    film.abort?.abort();
    this.all.splice(place, 1);
    if (this.selected === film) this.select(this.all[Math.min(place, this.all.length - 1)] ?? null);
    this.#tell("list");
    this.#pump();
  }

  clear() {
    for (const film of this.all) film.abort?.abort();
    this.all = [];
    this.select(null);
    this.#tell("list");
    this.#pump();
  }

  cancel(...films) {
    for (const film of films.filter(isLeft)) {
      film.abort?.abort();
      this.#change(film, { ...ANEW, state: "cancelled" });
    }
    this.#pump();
  }

  /** Sends a film again. */
  retry(film) {
    this.#change(film, { ...ANEW, state: "waiting", lost: 0 });
    this.#pump();
  }

  /** Goes on after the server was full or away, or a key was given. */
  goOn() {
    this.#isPaused = false;
    for (const film of this.all) if (film.state === "unsent") this.#change(film, { ...ANEW, state: "waiting" });
    this.#pump();
  }

  /** How many are waiting or on their way. */
  get left() {
    return this.all.filter(isLeft).length;
  }

  /** Whether closing the page would lose something that no table holds. */
  get isUnsaved() {
    return this.all.some((film) => isLeft(film) || film.inTable !== film.state);
  }

  #film(file) {
    const film = { id: this.#next++, file, name: file.name || "film", state: "waiting", ...ANEW, answer: null, model: null,
      picture: null, maps: null, view: null, abort: null, lost: 0, inTable: "" };
    const most = this.#model.limits?.bytes_per_film;
    if (most && file.size > most) {
      const megabytes = (round, bytes) => `${(round(bytes / 1e5) / 10).toLocaleString("en")} MB`;
      film.state = "error";
      film.title = "Too large";
      film.isOfFile = true;
      film.said = `The file has ${megabytes(Math.ceil, file.size)}, and this server takes ${megabytes(Math.floor, most)} a film.`;
    }
    return film;
  }

  #pump() {
    while (!this.#isPaused && this.#sending < AT_ONCE) {
      const film = this.all.find((one) => one.state === "waiting");
      if (!film) break;
      this.#send(film);
    }
    if (this.#sending || this.left) return;
    this.#isPaused = false;
    this.#tell("idle");
  }

  async #send(film) {
    this.#sending += 1;
    const { signal } = (film.abort = new AbortController());
    const model = this.#model;
    this.#change(film, { ...ANEW, state: "sending" });
    try {
      const onShare = (share) => film.state === "sending" && this.#change(film, { share });
      const heatmaps = Boolean(model.has_heatmaps);
      const { film: answer, model: by } = await this.#server.send(film.file, { heatmaps, onShare, signal });
      const answering = by.sha256 === model.sha256 ? model : await this.#met(by.sha256);
      if (signal.aborted) return;
      if (answering.sha256 !== by.sha256) throw new Refused(...CHANGED);
      film.picture = packedPicture(answer.picture);
      film.maps = unpackedMaps(answer.heatmaps);
      film.model = answering;
      delete answer.picture;
      delete answer.heatmaps;
      if (answer.status === "error") this.#fail(film, answer.problem?.title, answer.error, answer.advice, true);
      else this.#change(film, { answer, state: answer.turned_away ? "away" : "answered" });
    } catch (error) {
      if (!signal.aborted) await this.#explain(film, error);
    } finally {
      this.#sending -= 1;
      this.#pump();
    }
  }

  /** What the model with this SHA-256 says of itself: the one that is known, or the one that answers now, known from now on. */
  async #met(sha256) {
    if (this.#model.sha256 === sha256) return this.#model;
    this.#asked ??= this.#server.model().finally(() => (this.#asked = null));
    const model = await this.#asked;
    if (model.sha256 !== this.#model.sha256) {
      this.know(model);
      this.#tell("model", model);
    }
    return model;
  }

  async #explain(film, error) {
    if (error instanceof Busy) {
      this.#wait(film, error.isStopping ? "Waiting: the server is stopping" : "Waiting: the server is full", error);
    } else if (error instanceof KeyWanted) {
      this.#change(film, { state: "unsent", said: "The server asks for a key." });
      this.#tell("key");
    } else if (error instanceof Offline) await this.#lose(film, error);
    else this.#fail(film, error.title, error.message, error.advice, error.isOfFile);
  }

  /** Nothing came back: the server is away, or it is there and this film does not get to it. */
  async #lose(film, error) {
    const isThere = await this.#server.isThere();
    if (film.state === "cancelled") return;
    film.lost += isThere;
    if (film.lost < MOST_LOST) this.#wait(film, "Waiting for the server", error);
    else this.#fail(film, "Could not be sent", "The server is there, but the connection breaks while this film is sent. " +
      "Where the file was moved or changed, choose it again.");
  }

  #wait(film, said, error) {
    this.#isPaused = true;
    this.#change(film, { state: "waiting", share: 0, said });
    this.#tell("wait", error);
  }

  #fail(film, title = "Could not be read", said = "", advice = "", isOfFile = false) {
    this.#change(film, { state: "error", title, said, advice, isOfFile });
  }

  #change(film, values) {
    Object.assign(film, values);
    this.#tell("film", film);
  }

  #tell(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}

const isLeft = (film) => film.state === "waiting" || film.state === "sending";
