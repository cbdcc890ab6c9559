// The view as a picture to save: the film as it is seen, below it what was said of it and what it is not for.

import { NOTICE } from "./notice.js";
import { className, percent, setSentence } from "./words.js";

const LEAST_WIDTH_PX = 900;
const FONT = 'system-ui, "Segoe UI", Roboto, sans-serif';
const SIZE_PX = 20;
const LINE_PX = 30;
const MARGIN_PX = 22;

/** A canvas to save. viewer: with the film. model: what GET /v1/model says. */
export function printed(viewer, model) {
  const stage = document.createElement("canvas");
  viewer.paint(stage, Math.max(devicePixelRatio, LEAST_WIDTH_PX / document.getElementById("stage").clientWidth));
  const canvas = document.createElement("canvas");
  const pen = canvas.getContext("2d");
  pen.font = `${SIZE_PX}px ${FONT}`;
  const lines = caption(viewer, model).flatMap(({ text, isStrong }) => {
    pen.font = fontOf(isStrong);
    return wrapped(pen, text, stage.width - 2 * MARGIN_PX).map((line) => ({ line, isStrong }));
  });
  canvas.width = stage.width;
  canvas.height = stage.height + lines.length * LINE_PX + 2 * MARGIN_PX;
  pen.fillStyle = "#14181e";
  pen.fillRect(0, 0, canvas.width, canvas.height);
  pen.drawImage(stage, 0, 0);
  pen.fillStyle = "#f2f4f7";
  pen.textBaseline = "top";
  lines.forEach(({ line, isStrong }, place) => {
    pen.font = fontOf(isStrong);
    pen.fillText(line, MARGIN_PX, stage.height + MARGIN_PX + place * LINE_PX);
  });
  return canvas;
}

/** What stands below the film, line by line. */
export function caption(viewer, model) {
  const { film, view } = viewer;
  const { answer } = film;
  const lines = [{ text: film.name, isStrong: false }];
  if (film.state === "answered") {
    lines.unshift({ text: `${className(answer.class)} ${percent(answer.probability[answer.class])}`, isStrong: true });
    if (answer.set) lines.push({ text: setSentence(answer, model.error), isStrong: false });
  } else lines.unshift({ text: `No answer: ${answer?.turned_away || film.said}`, isStrong: true });
  const heat = viewer.heatName
    ? ` · heatmap of ${className(viewer.heatName)} at ${Math.round(viewer.opacity * 100)}%: where the network looks, not why`
    : "";
  const window = `Window ${Math.round(view.width)}, level ${Math.round(view.level)}${view.isInverted ? ", inverted" : ""}`;
  const audit = model.audit ? `Audit: ${model.audit.verdict.toUpperCase()}. ${model.audit.headline}` : "Audit: none";
  lines.push({ text: window + heat, isStrong: false });
  lines.push({ text: `Model ${model.name} (${model.precision}) · ${audit}`, isStrong: false });
  lines.push({ text: NOTICE, isStrong: true });
  return lines;
}

const fontOf = (isStrong) => `${isStrong ? "600 " : ""}${SIZE_PX}px ${FONT}`;

/** Text in lines that fit; an endless word is broken. */
function wrapped(pen, text, width) {
  const lines = [""];
  for (const word of text.split(" ").flatMap((one) => one.match(/.{1,40}/gsu) ?? [])) {
    const longer = lines.at(-1) ? `${lines.at(-1)} ${word}` : word;
    if (pen.measureText(longer).width <= width || !lines.at(-1)) lines[lines.length - 1] = longer;
    else lines.push(word);
  }
  return lines;
}
