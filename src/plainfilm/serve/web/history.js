// The list of this visit's films, each with a small picture and what was said of it.

import { byId, el } from "./dom.js";
import { greysOf, histogramOf, levelAt, windowTable } from "./picture.js";
import { counted, shortAnswer, tally } from "./words.js";

const THUMBNAIL_PX = 96;
const TONES = { away: "warning", error: "failure", unsent: "failure" };

export class History {
  #list = byId("list");
  #films;
  #rows = new Map(); // film: {row, button, picture, said, share}

  constructor(films) {
    this.#films = films;
    films.addEventListener("list", () => this.#fill());
    films.addEventListener("film", (event) => this.#show(event.detail));
    films.addEventListener("select", () => this.#mark());
    byId("clear").addEventListener("click", () => films.clear());
    byId("cancel-all").addEventListener("click", () => films.cancel(...films.all));
  }

  /** The films' own part of the focus: the row of the selected film. */
  focus() {
    this.#rows.get(this.#films.selected)?.button.focus();
  }

  #fill() {
    for (const [film, { row }] of this.#rows) {
      if (this.#films.all.includes(film)) continue;
      row.remove();
      this.#rows.delete(film);
    }
    for (const film of this.#films.all) {
      if (this.#rows.has(film)) continue;
      this.#rows.set(film, this.#row(film));
      this.#list.append(this.#rows.get(film).row);
      this.#show(film);
    }
    this.#mark();
    this.#count();
  }

  #row(film) {
    const picture = el("canvas", { width: THUMBNAIL_PX, height: THUMBNAIL_PX, className: "thumbnail", "aria-hidden": "true" });
    const said = el("span", { className: "row-said soft small" });
    const share = el("span", { className: "row-share", "aria-hidden": "true" });
    const select = () => this.#films.select(film);
    const button = el("button", { type: "button", className: "film-row", title: film.name, onclick: select },
      picture, el("span", { className: "row-text" }, el("span", { className: "row-name", textContent: film.name }), said), share);
    const remove = el("button", { type: "button", className: "remove", title: "Remove", "aria-label": `Remove ${film.name}`,
      textContent: "×", onclick: () => this.#remove(film) });
    return { row: el("li", {}, button, remove), button, picture, said, share };
  }

  #remove(film) {
    this.#films.remove(film);
    this.focus();
  }

  #show(film) {
    const row = this.#rows.get(film);
    if (!row) return;
    row.said.textContent = shortAnswer(film);
    row.said.className = `row-said small ${TONES[film.state] ?? "soft"}`;
    row.share.hidden = film.state !== "sending";
    row.share.style.width = `${film.share * 100}%`;
    row.row.dataset.state = film.state;
    if (film.picture && !row.isDrawn) {
      row.isDrawn = true;
      drawThumbnail(row.picture, film.picture);
    }
    this.#count();
  }

  #mark() {
    for (const [film, { button, row }] of this.#rows) {
      const isSelected = film === this.#films.selected;
      if (isSelected) button.setAttribute("aria-current", "true");
      else button.removeAttribute("aria-current");
      if (isSelected) this.#bringIntoSight(row);
    }
  }

  /** Scrolls the list alone; scrollIntoView would move the page, too. */
  #bringIntoSight(row) {
    const [list, box] = [this.#list.getBoundingClientRect(), row.getBoundingClientRect()];
    this.#list.scrollTop += Math.min(0, box.top - list.top) + Math.max(0, box.bottom - list.bottom);
    this.#list.scrollLeft += Math.min(0, box.left - list.left) + Math.max(0, box.right - list.right);
  }

  #count() {
    const { all, left } = this.#films;
    byId("progress").textContent = left ? `${all.length - left} of ${counted(all.length, "film")}` : tally(all);
    byId("cancel-all").hidden = left < 2;
  }
}

async function drawThumbnail(canvas, picture) {
  const greys = await greysOf(picture).catch(() => null);
  if (!greys) return;
  const histogram = histogramOf(greys, picture.most);
  const [low, high] = [levelAt(histogram, 0.005), levelAt(histogram, 0.995)];
  const table = windowTable(picture.most, { width: Math.max(1, high - low), level: (high + low) / 2, isInverted: false });
  const pen = canvas.getContext("2d");
  const image = pen.createImageData(THUMBNAIL_PX, THUMBNAIL_PX);
  const pixels = new Uint32Array(image.data.buffer);
  const step = Math.min(picture.width, picture.height) / THUMBNAIL_PX; // the middle square
  const [left, top] = [(picture.width - step * THUMBNAIL_PX) / 2, (picture.height - step * THUMBNAIL_PX) / 2];
  for (let y = 0; y < THUMBNAIL_PX; y += 1) {
    const row = Math.min(picture.height - 1, Math.floor(top + (y + 0.5) * step)) * picture.width;
    for (let x = 0; x < THUMBNAIL_PX; x += 1) {
      pixels[y * THUMBNAIL_PX + x] = table[greys[row + Math.min(picture.width - 1, Math.floor(left + (x + 0.5) * step))]];
    }
  }
  pen.putImageData(image, 0, 0);
}
