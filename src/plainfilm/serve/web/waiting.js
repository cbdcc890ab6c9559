// Waits for a server that is full, stopping or away, says so, and goes on by itself.

import { Busy } from "./server.js";

const AWAY_S = [1, 2, 4, 8, 16, 30]; // ever longer, since nobody knows for how long; the last stays

export class Waiting {
  #server;
  #say;
  #goOn;
  #isOn = false;
  #asked = 0; // how often a server that is away was asked in vain
  #timer = 0;

  /** say(text, action): shows a text, "" for none. goOn(wasAway): called once the server may be asked again. */
  constructor(server, say, goOn) {
    this.#server = server;
    this.#say = say;
    this.#goOn = goOn;
  }

  /** Begins to wait. error: Busy or Offline, what came instead of an answer. Where it waits already, nothing changes. */
  begin(error) {
    if (this.#isOn) return;
    this.#isOn = true;
    if (!(error instanceof Busy)) this.#waitForLife();
    else {
      this.#count(error.isStopping ? "The server is stopping." : "The server is full.", Math.ceil(error.seconds), () => {
        this.#isOn = false;
        this.#goOn(false);
      });
    }
  }

  /** Ends it, since there is nothing left to wait for. */
  end() {
    if (!this.#isOn) return;
    clearTimeout(this.#timer);
    this.#isOn = false;
    this.#asked = 0;
    this.#say("");
  }

  #waitForLife() {
    const seconds = AWAY_S[Math.min(this.#asked, AWAY_S.length - 1)];
    this.#asked += 1;
    this.#count("The server does not answer. Is it still running?", seconds, async () => {
      const isThere = await this.#server.isThere();
      if (!this.#isOn) return; // nobody waits any more
      if (!isThere) return this.#waitForLife();
      this.#isOn = false;
      this.#asked = 0;
      return this.#goOn(true);
    });
  }

  #count(said, left, act) {
    clearTimeout(this.#timer);
    this.#say(`${said} Trying again by itself`, { left, label: "Try now", act: () => this.#stopCounting(act) });
    this.#timer = setTimeout(() => (left > 1 ? this.#count(said, left - 1, act) : act()), 1000);
  }

  #stopCounting(act) {
    clearTimeout(this.#timer);
    return act();
  }
}
