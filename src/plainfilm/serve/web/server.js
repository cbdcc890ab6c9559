// The server as the page knows it: the model, the phantoms, and one film sent and answered. See docs/serve.md.

/** Nothing answers at the server's address. */
export class Offline extends Error {}

/** The server wants a key, or another one. */
export class KeyWanted extends Error {}

/** The server is full, or stopping; ask again in `seconds`. */
export class Busy extends Error {
  constructor(seconds, isStopping) {
    super(`busy for ${seconds} s`);
    this.seconds = seconds;
    this.isStopping = isStopping;
  }
}

/** The server refuses, and says why in words. isOfFile: for what is in the file, so that to send it again is no use. */
export class Refused extends Error {
  constructor(title, detail, advice = "", isOfFile = false) {
    super(detail);
    this.title = title;
    this.advice = advice;
    this.isOfFile = isOfFile;
  }
}

const LEAST_WAIT_S = 1;
const MOST_WAIT_S = 60;
const OF_FILE = /:(no-picture|damaged|unfit|film-too-large)$/; // types of problems
const PATIENCE_MS = 5000; // with a server that is asked whether it lives
const PLAIN = {
  403: "The server takes no requests from this page's address.",
  408: "The film took too long to arrive.",
  413: "The film is larger than the server takes.",
  504: "The server ran out of time over this film. Try it again, or a smaller one.",
};

export class Server {
  #key = "";

  /** Whether a key was given. */
  get hasKey() {
    return this.#key !== "";
  }

  /** Takes the API key. A header holds bytes, so a letter beyond them goes as its UTF-8, which is what the server compares. */
  giveKey(key) {
    this.#key = String.fromCharCode(...new TextEncoder().encode(key.trim()));
  }

  /** Whether anything answers at the server's address. */
  isThere = () => fetch("health", { cache: "no-store", signal: AbortSignal.timeout(PATIENCE_MS) })
    .then((reply) => reply.ok, () => false);

  /** What GET /v1/model says. */
  model = () => this.#json("v1/model");

  /** The phantoms: [{name, title}]. */
  phantoms = async () => (await this.#json("v1/phantoms")).phantoms;

  /** A phantom as a file. */
  async phantom(name) {
    const reply = await this.#get(`v1/phantoms/${encodeURIComponent(name)}`);
    return new File([await reply.blob()], name);
  }

  /**
   * Sends one film and gives {film, model}: what the server says of it, one of the reply's "films", and whose answer that is, the
   * reply's "model": {name, precision, sha256}.
   * heatmaps: whether to ask for them. onShare: called with 0..1 as it goes. signal: of an AbortController.
   * Throws Offline, KeyWanted, Busy, Refused, or AbortError.
   */
  send(file, { heatmaps, onShare, signal }) {
    return new Promise((resolve, reject) => {
      const request = new XMLHttpRequest(); // fetch does not tell how much is sent
      request.open("POST", `v1/predict?heatmaps=${heatmaps}&picture=true`);
      request.responseType = "text";
      if (this.hasKey) request.setRequestHeader("X-API-Key", this.#key);
      const body = new FormData();
      body.append("films", file, file.name || "film");
      request.upload.onprogress = (event) => event.lengthComputable && onShare(event.loaded / event.total);
      request.upload.onload = () => onShare(1);
      request.onerror = () => reject(new Offline());
      request.onabort = () => reject(new DOMException("cancelled", "AbortError"));
      request.onload = () => {
        const reply = parsed(request.responseText);
        if (request.status !== 200) reject(refusal(request.status, reply, request.getResponseHeader("Retry-After")));
        else if (reply?.films?.length === 1 && reply.model) resolve({ film: reply.films[0], model: reply.model });
        else reject(new Refused("Not understood", "The server's answer is not one that this page understands."));
      };
      signal.addEventListener("abort", () => request.abort());
      request.send(body);
    });
  }

  async #get(path) {
    let reply;
    try {
      reply = await fetch(path, { headers: this.hasKey ? { "X-API-Key": this.#key } : {}, cache: "no-store" });
    } catch {
      throw new Offline();
    }
    if (!reply.ok) throw refusal(reply.status, parsed(await reply.text()), reply.headers.get("Retry-After"));
    return reply;
  }

  #json = async (path) => (await this.#get(path)).json();
}

export function refusal(status, problem, retryAfter) {
  if (status === 401) return new KeyWanted();
  if (status === 503 || status === 429) {
    const wanted = Number.parseFloat(retryAfter ?? "");
    const seconds = Math.min(MOST_WAIT_S, Math.max(LEAST_WAIT_S, Number.isFinite(wanted) ? wanted : 5));
    return new Busy(seconds, Boolean(problem?.type?.endsWith(":stopping")));
  }
  const said = problem?.detail ?? PLAIN[status] ?? "The server gave no reason.";
  return new Refused(problem?.title ?? `Error ${status}`, said, problem?.advice, OF_FILE.test(problem?.type ?? ""));
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
