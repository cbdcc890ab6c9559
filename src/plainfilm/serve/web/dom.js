// Elements without markup: all text goes in as text, so nothing that a file or the server says becomes part of the page.

/** The element with this id. */
export const byId = (id) => document.getElementById(id);

/**
 * A new element. properties: set as they are called in the DOM (className, textContent, onclick ...), or, where the name has a
 * dash or is "role" or "for", as an attribute; undefined and null are left out. children: elements or text.
 */
export function el(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null) continue;
    if (name.includes("-") || name === "role" || name === "for") element.setAttribute(name, value);
    else element[name] = value;
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== ""));
  return element;
}

/** Tells a screen reader, without a sight on the page. */
export function announce(text) {
  const live = byId("live");
  live.textContent = live.textContent === text ? `${text}\u00a0` : text;
}

/** Hands a file to the browser to save. */
export function save(blob, name) {
  const link = el("a", { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
