// Keys for everything; the list under "?" is made of the same table that is obeyed.

import { byId, el } from "./dom.js";
import { ZOOM_STEP } from "./tools.js";

const MOVE_PX = 40;
const WINDOW_STEP = 1 / 32; // of the grey levels
const OPACITY_STEP = 0.1;
const PICTURE = "picture"; // works where there is one to look at
const STAGE = "stage"; // works where the film has the focus
const NAMES = { ArrowLeft: "←", ArrowRight: "→", ArrowUp: "↑", ArrowDown: "↓" };

/**
 * Obeys keys. actions: choose, saveCsv, savePng, openModel, openKeys, remove, nextClass. Keys of one letter can be switched off in
 * the dialog, for those whose speech or braille software sends letters (WCAG 2.1.4).
 */
export function obeyKeys(films, viewer, actions) {
  let isOn = true;
  const nudge = (across, down) => viewer.window(
    viewer.view.width + across * viewer.most * WINDOW_STEP, viewer.view.level + down * viewer.most * WINDOW_STEP);
  const table = [
    ["Films", ["o"], "Choose films", actions.choose],
    ["Films", ["n", "]"], "Next film", () => films.step(1)],
    ["Films", ["p", "["], "Film before", () => films.step(-1)],
    ["Films", ["Delete"], "Remove the film", actions.remove],
    ["Films", ["e"], "Save all answers as CSV", actions.saveCsv],
    ["Look", ["+", "="], "Zoom in", () => viewer.zoom(ZOOM_STEP), PICTURE],
    ["Look", ["-"], "Zoom out", () => viewer.zoom(1 / ZOOM_STEP), PICTURE],
    ["Look", ["f", "0"], "The whole film", () => viewer.fit(), PICTURE],
    ["Look", ["z"], "One to one", () => viewer.actual(), PICTURE],
    ["Look", ["ArrowLeft"], "Look further left", () => viewer.move(MOVE_PX, 0), STAGE],
    ["Look", ["ArrowRight"], "Look further right", () => viewer.move(-MOVE_PX, 0), STAGE],
    ["Look", ["ArrowUp"], "Look further up", () => viewer.move(0, MOVE_PX), STAGE],
    ["Look", ["ArrowDown"], "Look further down", () => viewer.move(0, -MOVE_PX), STAGE],
    ["Look", ["r"], "Back to the film as it came", () => viewer.reset(), PICTURE],
    ["Look", ["s"], "Save what is seen as PNG", actions.savePng, PICTURE],
    ["Grey levels", ["Shift+ArrowLeft"], "Window narrower", () => nudge(-1, 0), STAGE],
    ["Grey levels", ["Shift+ArrowRight"], "Window wider", () => nudge(1, 0), STAGE],
    ["Grey levels", ["Shift+ArrowUp"], "Brighter", () => nudge(0, -1), STAGE],
    ["Grey levels", ["Shift+ArrowDown"], "Darker", () => nudge(0, 1), STAGE],
    ["Grey levels", ["1"], "Whole scale", () => viewer.preset("full"), PICTURE],
    ["Grey levels", ["2"], "Auto", () => viewer.preset("auto"), PICTURE],
    ["Grey levels", ["3"], "Dark parts", () => viewer.preset("dark"), PICTURE],
    ["Grey levels", ["4"], "Bright parts", () => viewer.preset("bright"), PICTURE],
    ["Grey levels", ["i"], "Swap black and white", () => viewer.invert(), PICTURE],
    ["Heatmap", ["h"], "On or off", () => viewer.heat({ isShown: !viewer.isHeatShown }), PICTURE],
    ["Heatmap", ["c"], "Of the next class", actions.nextClass, PICTURE],
    ["Heatmap", [","], "Fainter", () => viewer.heat({ opacity: viewer.opacity - OPACITY_STEP }), PICTURE],
    ["Heatmap", ["."], "Stronger", () => viewer.heat({ opacity: viewer.opacity + OPACITY_STEP }), PICTURE],
    ["Page", ["m"], "Model card", actions.openModel],
    ["Page", ["?"], "This list", actions.openKeys],
  ].map(([group, keys, does, act, needs]) => ({ group, keys, does, act, needs }));
  fillDialog(table, (value) => (isOn = value));

  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || document.querySelector("dialog[open]")) return;
    const onStage = event.target === byId("stage");
    if (!onStage && (!isOn || isTyping(event.target))) return;
    const name = event.key.length === 1 ? event.key.toLowerCase() : (event.shiftKey ? "Shift+" : "") + event.key;
    const row = table.find(({ keys }) => keys.includes(name));
    if (!row || (row.needs === STAGE && !onStage) || (row.needs && !viewer.hasPicture)) return;
    event.preventDefault();
    row.act();
  });
}

const isTyping = (target) => target.matches("input:not([type=checkbox], [type=radio], [type=range]), select, textarea");

function fillDialog(table, switchKeys) {
  const dialog = byId("keys-dialog");
  const groups = [...new Set(table.map(({ group }) => group))];
  const check = el("input", { type: "checkbox", checked: true, onchange: () => switchKeys(check.checked) });
  dialog.replaceChildren(
    el("header", { className: "dialog-head" },
      el("h2", { id: "keys-title" }, "Keyboard and mouse"),
      el("button", { type: "button", className: "quiet", onclick: () => dialog.close() }, "Close")),
    el("div", { className: "dialog-body", tabIndex: 0, role: "region", "aria-labelledby": "keys-title" },
      el("div", { className: "key-groups" }, groups.map((group) => el("section", {},
        el("h3", {}, group),
        el("dl", { className: "keys" }, table.filter((row) => row.group === group).map(line))))),
      el("p", { className: "soft" }, "Arrow keys work while the film has the focus."),
      el("h3", {}, "Mouse and fingers"),
      el("p", {}, "Drag: window across, level up and down; with Shift or the right button, move. Wheel or two fingers: zoom. " +
        "Double-click: back to the film as it came."),
      el("label", { className: "switch" }, check,
        el("span", {}, "Obey single keys wherever the focus is; otherwise only while the film has it"))));
}

const line = ({ keys, does }) => el("div", {}, el("dt", {}, keys.map((key) => el("kbd", {}, keyName(key)))), el("dd", {}, does));

function keyName(key) {
  const named = key.split(/\+(?=.)/).map((part) => NAMES[part] ?? part).join(" ");
  return named.length === 1 ? named.toUpperCase() : named;
}
