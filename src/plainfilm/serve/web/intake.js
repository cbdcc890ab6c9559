// How films come in: chosen, dropped (folders, too) or pasted.

import { byId } from "./dom.js";
import { counted } from "./words.js";

const NO_FILM = /\.(txt|csv|tsv|json|jsonl|xml|html?|md|pdf|zip|gz|7z|tar|docx?|xlsx?|ini|log|py|db|exe)$/i;

/** Lets files come in. add: called with files, and a sentence about what was left out, "" for nothing. */
export function takeFilms(add) {
  for (const button of document.querySelectorAll("[data-choose]")) {
    button.addEventListener("click", () => choose(button.dataset.choose));
  }
  for (const kind of ["files", "folder"]) {
    const input = byId(`choose-${kind}`);
    input.addEventListener("change", () => {
      const files = [...input.files];
      input.value = ""; // so that the same file can be chosen again
      hand(files, kind === "folder");
    });
  }
  addEventListener("paste", (event) => {
    const files = [...(event.clipboardData?.files ?? [])];
    if (!files.length) return;
    event.preventDefault();
    hand(files, false);
  });
  takeDrops();

  function takeDrops() {
    const holdsFiles = (event) => event.dataTransfer?.types.includes("Files");
    const veil = (isShown) => document.body.classList.toggle("dropping", isShown);
    addEventListener("dragover", (event) => {
      if (!holdsFiles(event)) return;
      event.preventDefault();
      event.dataTransfer.dropEffect = "copy";
      veil(true);
    });
    addEventListener("dragleave", (event) => event.relatedTarget === null && veil(false));
    addEventListener("drop", async (event) => {
      veil(false);
      if (!holdsFiles(event)) return;
      event.preventDefault();
      const entries = [...event.dataTransfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
      const hasFolder = entries.some((entry) => entry.isDirectory);
      if (!hasFolder) return hand([...event.dataTransfer.files], false);
      let unread = 0;
      const lists = await Promise.all(entries.map((entry) => filesIn(entry, () => (unread += 1))));
      return hand(lists.flat(), true, unread);
    });
  }

  /** unread: how many of a folder's files and folders the browser could not read. */
  function hand(files, isFolder, unread = 0) {
    const films = isFolder ? files.filter((file) => !file.name.startsWith(".") && !NO_FILM.test(file.name)) : files;
    const without = files.length - films.length;
    const said = [
      without && `Left out, since by name no picture: ${counted(without, "file")} of the folder.`,
      unread && `Left out, since the browser cannot read them: ${counted(unread, "file or folder", "files or folders")}.`,
    ].filter(Boolean).join(" ");
    add(isFolder ? films.sort((one, other) => one.name.localeCompare(other.name, "en", { numeric: true })) : films, said);
  }
}

/** Opens the browser's choice. kind: "files" or "folder". */
export const choose = (kind) => byId(`choose-${kind}`).click();

/** All files in a dropped entry, in its folders, too. failed: called for each file and folder that cannot be read. */
async function filesIn(entry, failed) {
  const inside = [];
  try {
    if (entry.isFile) return [await new Promise((done, fail) => entry.file(done, fail))];
    const reader = entry.createReader();
    for (;;) {
      const some = await new Promise((done, fail) => reader.readEntries(done, fail)); // gives a hundred at a time, none at the end
      if (!some.length) break;
      inside.push(...some);
    }
  } catch {
    failed(); // what was found before stays
  }
  return (await Promise.all(inside.map((one) => filesIn(one, failed)))).flat();
}
