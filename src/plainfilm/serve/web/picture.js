// Pixels: from the server's text to grey values, and from grey values to what a screen shows through a window.

import { COLOURS } from "./colours.js";

const HEAT_SHAPE = 0.75; // how a map's strength becomes opaque, as core/overlay.py draws it

function bytesOf(base64) {
  if (Uint8Array.fromBase64) return Uint8Array.fromBase64(base64);
  const text = atob(base64);
  return Uint8Array.from(text, (letter) => letter.charCodeAt(0));
}

/** The reply's "picture" as it is kept, still deflated: {width, height, most, packed}; null for none. */
export function packedPicture(picture) {
  if (!picture) return null;
  return { width: picture.width, height: picture.height, most: 2 ** picture.bits - 1, packed: bytesOf(picture.data) };
}

/** The reply's "heatmaps": {width, height, strength: Map of class to bytes}; null for none. */
export function unpackedMaps(heatmaps) {
  if (!heatmaps) return null;
  const strength = new Map(Object.entries(heatmaps.classes).map(([name, data]) => [name, bytesOf(data)]));
  return { width: heatmaps.width, height: heatmaps.height, strength };
}

/** The grey values of a kept picture, row by row: Uint8Array or Uint16Array. */
export async function greysOf(picture) {
  const stream = new Blob([picture.packed]).stream().pipeThrough(new DecompressionStream("deflate"));
  const buffer = await new Response(stream).arrayBuffer();
  const greys = picture.most > 255 ? new Uint16Array(buffer) : new Uint8Array(buffer);
  if (greys.length !== picture.width * picture.height) throw new Error("the picture is cut off");
  return greys;
}

/** How often each grey level occurs. */
export function histogramOf(greys, most) {
  const counts = new Uint32Array(most + 1);
  for (const grey of greys) counts[grey] += 1;
  return counts;
}

/** The grey level below which this share of the pixels lies. */
export function levelAt(histogram, share) {
  let wanted = share * histogram.reduce((sum, count) => sum + count, 0);
  let level = 0;
  while (level < histogram.length - 1 && (wanted -= histogram[level]) > 0) level += 1;
  return level;
}

/** A table from grey level to a screen's pixel (four bytes) for a window of this width around this level. */
export function windowTable(most, { width, level, isInverted }) {
  const table = new Uint32Array(most + 1);
  const low = level - width / 2;
  for (let grey = 0; grey <= most; grey += 1) {
    const shown = Math.round(Math.min(1, Math.max(0, (grey - low) / width)) * 255);
    const value = isInverted ? 255 - shown : shown;
    table[grey] = (0xff << 24) | (value << 16) | (value << 8) | value;
  }
  return table;
}

/** Draws grey values through a table into a canvas of the picture's size. */
export function drawGreys(canvas, picture, greys, table) {
  canvas.width = picture.width;
  canvas.height = picture.height;
  const pen = canvas.getContext("2d");
  const image = pen.createImageData(picture.width, picture.height);
  const pixels = new Uint32Array(image.data.buffer);
  for (let place = 0; place < pixels.length; place += 1) pixels[place] = table[greys[place]];
  pen.putImageData(image, 0, 0);
}

/** A canvas of one class's map: violet, red, orange; clear where nothing speaks for the class. */
export function heatCanvas(maps, name) {
  const canvas = document.createElement("canvas");
  canvas.width = maps.width;
  canvas.height = maps.height;
  const pen = canvas.getContext("2d");
  const image = pen.createImageData(maps.width, maps.height);
  maps.strength.get(name).forEach((strength, place) => {
    image.data.set(COLOURS[strength], place * 4);
    image.data[place * 4 + 3] = Math.round(255 * (strength / 255) ** HEAT_SHAPE);
  });
  pen.putImageData(image, 0, 0);
  return canvas;
}

/** Draws the ramp of colours from weak to strong into a canvas of 256 x 1. */
export function drawRamp(canvas) {
  const pen = canvas.getContext("2d");
  COLOURS.forEach(([red, green, blue], place) => {
    pen.fillStyle = `rgb(${red} ${green} ${blue})`;
    pen.fillRect(place, 0, 1, 1);
  });
}
