// Drawn chests to try the page with.

import { byId, el } from "./dom.js";
import { className } from "./words.js";

/**
 * Shows the phantoms as pictures to press; nothing where there are none. add: called with a phantom as a file.
 * failed: called with the error where it cannot be had.
 */
export async function offerPhantoms(server, add, failed) {
  const box = byId("phantoms");
  const list = box.querySelector("ul");
  if (list.childElementCount) return;
  const phantoms = await server.phantoms().catch(() => []);
  list.append(...phantoms.map(({ name, title }) => {
    const picture = el("img", { alt: "", width: 96, height: 96 });
    server.phantom(name).then((file) => (picture.src = URL.createObjectURL(file)), () => {});
    const onclick = () => server.phantom(name).then((file) => add([Object.assign(file, { isDrawn: true })]), failed);
    const label = `Try a phantom: ${className(title)}`;
    return el("li", {}, el("button", { type: "button", className: "phantom", "aria-label": label, onclick },
      picture, el("span", {}, className(title))));
  }));
  box.hidden = !phantoms.length;
}
