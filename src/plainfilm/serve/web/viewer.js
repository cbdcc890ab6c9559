// One film on the screen: its grey levels through a window, zoomed and moved, a heatmap over it.

import { OPACITY } from "./colours.js";
import { drawGreys, greysOf, heatCanvas, histogramOf, levelAt, windowTable } from "./picture.js";
import { className } from "./words.js";

const MOST_SCALE = 32; // screen pixels a film pixel
const LEAST_OF_FIT = 0.5;
const PRESETS = { auto: [0.01, 0.99], dark: [0.02, 0.55], bright: [0.45, 0.998] }; // shares of the pixels at black and at white

/**
 * Event "change": anything that is seen has changed.
 * A film's view: width and level of the window in the picture's own grey levels, isInverted, preset (its name, or "own"), isFit,
 * scale (CSS pixels a film pixel), x and y (the film's point in the middle), heatClass.
 */
export class Viewer extends EventTarget {
  film = null;
  isHeatShown = true;
  opacity = OPACITY;
  #stage;
  #screen;
  #greys = null;
  #histogram = null;
  #drawn = document.createElement("canvas"); // the film through its window
  #heat = null;
  #heatOf = "";
  #isStale = true; // whether #drawn lags behind the window
  #isAsked = false; // whether a frame is on its way

  constructor(stage, screen) {
    super();
    this.#stage = stage;
    this.#screen = screen;
    new ResizeObserver(() => this.#changed()).observe(stage);
  }

  /** Whether there is a picture to look at. */
  get hasPicture() {
    return this.#greys !== null;
  }

  get view() {
    return this.film?.view ?? null;
  }

  get most() {
    return this.film.picture.most;
  }

  /** The class whose heatmap lies over the film; "" for none. */
  get heatName() {
    return this.isHeatShown && this.hasMaps ? this.view.heatClass : "";
  }

  get hasMaps() {
    return this.hasPicture && this.film.maps !== null;
  }

  /** Whether nothing speaks for the class whose heatmap is shown. */
  get isHeatEmpty() {
    return Boolean(this.heatName) && this.film.maps.strength.get(this.heatName).every((strength) => strength === 0);
  }

  /** Shows a film, or nothing. */
  async show(film) {
    this.film = film;
    this.#greys = null;
    if (film?.picture) {
      const greys = await greysOf(film.picture).catch(() => null);
      if (this.film !== film) return; // another one was chosen meanwhile
      this.#greys = greys;
      this.#heatOf = "";
      this.#isStale = true;
      if (greys) {
        this.#histogram = histogramOf(greys, film.picture.most);
        film.view ??= { ...this.#whole(), isFit: true, scale: 1, x: 0, y: 0, heatClass: film.answer?.class ?? "" };
      }
    }
    this.#changed();
  }

  /** Sets the window: width and level, in the picture's grey levels. */
  window(width, level, preset = "own") {
    const view = this.view;
    view.width = Math.min(this.most, Math.max(1, width));
    view.level = Math.min(this.most, Math.max(0, level));
    view.preset = preset;
    this.#isStale = true;
    this.#changed();
  }

  /** Sets the window to a preset: full, auto, dark or bright. */
  preset(name) {
    if (name === "full") return this.window(this.most, this.most / 2, name);
    const [low, high] = PRESETS[name].map((share) => levelAt(this.#histogram, share));
    return this.window(high - low, (high + low) / 2, name);
  }

  invert() {
    this.view.isInverted = !this.view.isInverted;
    this.#isStale = true;
    this.#changed();
  }

  /** Zooms by a factor around a point of the stage in CSS pixels, its middle where none is given. */
  zoom(factor, at = null) {
    const view = this.#placed();
    const { width, height } = this.#size();
    const point = at ?? { x: width / 2, y: height / 2 };
    const scale = Math.min(MOST_SCALE, Math.max(this.#fitScale() * LEAST_OF_FIT, view.scale * factor));
    const away = { x: point.x - width / 2, y: point.y - height / 2 };
    view.x += away.x / view.scale - away.x / scale;
    view.y += away.y / view.scale - away.y / scale;
    view.scale = scale;
    this.#kept();
  }

  /** Moves the film by CSS pixels. */
  move(across, down) {
    const view = this.#placed();
    view.x -= across / view.scale;
    view.y -= down / view.scale;
    this.#kept();
  }

  fit() {
    this.view.isFit = true;
    this.#changed();
  }

  /** One pixel of the film on one of the screen. */
  actual() {
    const view = this.#placed();
    view.scale = 1 / devicePixelRatio;
    this.#kept();
  }

  /** Back to the film as it came. */
  reset() {
    Object.assign(this.view, this.#whole(), { isFit: true, heatClass: this.film.answer?.class ?? "" });
    this.#isStale = true;
    this.#changed();
  }

  /** Sets what of the heatmap is seen; what is left out stays. */
  heat({ isShown = this.isHeatShown, opacity = this.opacity, name = this.view?.heatClass }) {
    this.isHeatShown = isShown;
    this.opacity = Math.min(1, Math.max(0, opacity));
    if (this.hasMaps && this.film.maps.strength.has(name)) this.view.heatClass = name;
    this.#changed();
  }

  /** CSS pixels of the screen for one of the film. */
  get scale() {
    return this.view.isFit ? this.#fitScale() : this.view.scale;
  }

  /** Paints what is seen into a canvas of the stage's shape, `times` as large. */
  paint(canvas, times) {
    const { width, height } = this.#size();
    canvas.width = Math.max(1, Math.round(width * times));
    canvas.height = Math.max(1, Math.round(height * times));
    const pen = canvas.getContext("2d");
    pen.fillStyle = "#000000";
    pen.fillRect(0, 0, canvas.width, canvas.height);
    if (!this.hasPicture) return;
    const { picture } = this.film;
    const scale = this.scale * times;
    const [x, y] = this.view.isFit ? [picture.width / 2, picture.height / 2] : [this.view.x, this.view.y];
    const corner = [canvas.width / 2 - x * scale, canvas.height / 2 - y * scale].map(Math.round); // 1:1 stays sharp
    const place = [...corner, picture.width * scale, picture.height * scale];
    if (this.#isStale) drawGreys(this.#drawn, picture, this.#greys, windowTable(this.most, this.view));
    this.#isStale = false;
    pen.imageSmoothingQuality = "high";
    pen.drawImage(this.#drawn, ...place);
    if (!this.heatName) return;
    if (this.#heatOf !== this.heatName) this.#heat = heatCanvas(this.film.maps, this.heatName);
    this.#heatOf = this.heatName;
    pen.globalAlpha = this.opacity;
    pen.drawImage(this.#heat, ...place);
    pen.globalAlpha = 1;
  }

  /** What is seen, in words, for those who do not see it. */
  get inWords() {
    if (!this.hasPicture) return "No picture";
    const { width, level, isInverted } = this.view;
    const heat = this.heatName ? `, under a heatmap of ${className(this.heatName)}` : "";
    const inverted = isInverted ? ", black and white swapped" : "";
    return `${this.film.name}, window ${Math.round(width)}, level ${Math.round(level)}${inverted}${heat}`;
  }

  #whole() {
    const { most } = this.film.picture;
    return { width: most, level: most / 2, preset: "full", isInverted: false };
  }

  #size() {
    return { width: this.#stage.clientWidth, height: this.#stage.clientHeight };
  }

  #fitScale() {
    const { width, height } = this.#size();
    return Math.min(width / this.film.picture.width, height / this.film.picture.height);
  }

  /** The view with its place written out, so that it can be changed. */
  #placed() {
    const { picture, view } = this.film;
    if (view.isFit) Object.assign(view, { scale: this.#fitScale(), x: picture.width / 2, y: picture.height / 2 });
    return view;
  }

  /** Keeps a part of the film in the middle, so that it cannot get lost. */
  #kept() {
    const { picture, view } = this.film;
    view.isFit = false;
    view.x = Math.min(picture.width, Math.max(0, view.x));
    view.y = Math.min(picture.height, Math.max(0, view.y));
    this.#changed();
  }

  #changed() {
    if (this.#isAsked) return;
    this.#isAsked = true;
    requestAnimationFrame(() => {
      this.#isAsked = false;
      this.paint(this.#screen, devicePixelRatio);
      this.dispatchEvent(new Event("change"));
    });
  }
}
