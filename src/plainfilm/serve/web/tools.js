// The controls around the film: they show how it is looked at, and change it.

import { byId, el } from "./dom.js";
import { drawRamp } from "./picture.js";
import { className } from "./words.js";

export const ZOOM_STEP = 1.25;

/** Binds the controls to the viewer. classes: of the model. Gives what a drag does: "window" or "move". */
export function bindTools(viewer, savePng) {
  const on = (id, name, act) => byId(id).addEventListener(name, (event) => viewer.hasPicture && act(event.target));
  on("zoom-in", "click", () => viewer.zoom(ZOOM_STEP));
  on("zoom-out", "click", () => viewer.zoom(1 / ZOOM_STEP));
  on("fit", "click", () => viewer.fit());
  on("actual", "click", () => viewer.actual());
  on("invert", "click", () => viewer.invert());
  on("reset", "click", () => viewer.reset());
  on("save-png", "click", savePng);
  on("preset", "change", (select) => viewer.preset(select.value));
  on("width", "input", (slider) => viewer.window(slider.valueAsNumber, viewer.view.level));
  on("level", "input", (slider) => viewer.window(viewer.view.width, slider.valueAsNumber));
  byId("heat").addEventListener("change", (event) => viewer.heat({ isShown: event.target.checked }));
  on("heat-class", "change", (select) => viewer.heat({ isShown: true, name: select.value }));
  byId("opacity").addEventListener("input", (event) => viewer.heat({ opacity: event.target.valueAsNumber / 100 }));
  drawRamp(byId("ramp"));

  const picks = [...document.querySelectorAll("input[name=drag]")];
  const dragging = () => picks.find((pick) => pick.checked).value;
  if (matchMedia("(pointer: coarse)").matches) picks.find((pick) => pick.value === "move").checked = true;
  const mark = () => (byId("stage").dataset.drag = dragging());
  for (const pick of picks) pick.addEventListener("change", mark);
  mark();

  const wide = matchMedia("(min-width: 48rem)"); // as in viewer.css
  const fold = () => (byId("adjust").open = wide.matches);
  wide.addEventListener("change", fold);
  fold();

  viewer.addEventListener("change", () => showState(viewer));
  showState(viewer);
  return dragging;
}

/** Offers these classes for the heatmap. */
export function offerClasses(classes) {
  byId("heat-class").replaceChildren(...classes.map((name) => el("option", { value: name, textContent: className(name) })));
}

function showState(viewer) {
  const has = viewer.hasPicture;
  for (const id of ["zoom-in", "zoom-out", "fit", "actual", "invert", "reset", "save-png", "preset", "width", "level"]) {
    byId(id).disabled = !has;
  }
  byId("stage").dataset.fit = String(!has || viewer.view.isFit);
  byId("screen").setAttribute("aria-label", viewer.inWords);
  for (const id of ["heat", "heat-class", "opacity"]) byId(id).disabled = !viewer.hasMaps;
  byId("heat").checked = viewer.hasMaps && viewer.isHeatShown;
  const opacity = Math.round(viewer.opacity * 100);
  byId("opacity").value = opacity;
  byId("opacity-said").textContent = `${opacity}%`;
  if (viewer.hasMaps) byId("heat-class").value = viewer.view.heatClass;
  showCorners(viewer);
  if (has) showWindow(viewer);
  else for (const id of ["width-said", "level-said", "zoom"]) byId(id).textContent = "";
}

function showWindow(viewer) {
  const { width, level, isInverted, preset } = viewer.view;
  for (const [id, value] of [["width", width], ["level", level]]) {
    byId(id).max = viewer.most;
    byId(id).step = viewer.most > 255 ? 16 : 1;
    byId(id).value = Math.round(value);
    byId(`${id}-said`).textContent = Math.round(value);
  }
  byId("preset").value = preset;
  byId("invert").setAttribute("aria-pressed", String(isInverted));
  byId("zoom").textContent = zoomText(viewer);
}

const zoomText = (viewer) => `${Math.round(viewer.scale * devicePixelRatio * 100)}%`;

function showCorners(viewer) {
  const has = viewer.hasPicture;
  byId("corner-film").textContent = viewer.film?.name ?? "";
  byId("corner-view").textContent = has
    ? `W ${Math.round(viewer.view.width)}  L ${Math.round(viewer.view.level)}  ${zoomText(viewer)}`
    : "";
  byId("corner-heat").textContent = viewer.heatName
    ? `${className(viewer.heatName)}${viewer.isHeatEmpty ? ": nothing speaks for it" : ""}`
    : "";
}
