// What answers, problems and files are in plain words. Nothing is calculated here; numbers are the server's, rounded for the eye.

const FORMATS = { png: "PNG", jpeg: "JPEG", tiff: "TIFF", bmp: "BMP", webp: "WebP", dicom: "DICOM" };
const COLOURS = { grey: "grey", rgb: "colour", rgba: "colour with transparency", palette: "palette" };
const ENDS = { answered: "answered", away: "turned away", error: "not read", unsent: "not sent", cancelled: "cancelled" };

/** A class as people read it: "Lung_Opacity" is "Lung Opacity". */
export const className = (name) => name.replaceAll("_", " ");

/** A probability as a percentage; none reads as if it were nothing or certain, which a network cannot know. */
export function percent(probability) {
  if (probability < 0.001) return "<0.1%";
  if (probability > 0.999) return ">99.9%";
  return `${(probability * 100).toFixed(1)}%`;
}

/** A wanted error as a percentage, no longer than it must be: "5%", "2.5%". */
export const wantedError = (error) => `${Number((error * 100).toFixed(2))}%`;

/** `1 film`, `3 films`. */
export const counted = (count, one, many = `${one}s`) => `${count.toLocaleString("en")} ${count === 1 ? one : many}`;

/** What became of the films: "100 films: 3 answered, 97 cancelled"; only their number where all have an answer, or there is one. */
export function tally(films) {
  const ends = Object.entries(ENDS).map(([state, said]) => [films.filter((film) => film.state === state).length, said]);
  const all = counted(films.length, "film");
  if (films.length === 1 || ends[0][0] === films.length) return all;
  return `${all}: ${ends.filter(([count]) => count).map(([count, said]) => `${count} ${said}`).join(", ")}`;
}

/** "a", "a or b", "a, b or c". */
export function either(names, word = "or") {
  return names.length < 2 ? names.join("") : `${names.slice(0, -1).join(", ")} ${word} ${names.at(-1)}`;
}

/** Text that begins with a capital and ends with a stop. */
export function sentence(text) {
  const said = text.trim();
  if (!said) return "";
  const begun = said[0].toUpperCase() + said.slice(1);
  return /[.!?]$/.test(begun) ? begun : `${begun}.`;
}

/** What is wrong with a file: the server says it without a subject ("is cut off"). */
export const ofFile = (said) => sentence(/^(is|has|holds|[a-z]+s) /.test(said) ? `The file ${said}` : said);

/** Whether what is said of a file tells what to do as well, so that general advice would only say it twice. */
export const tellsWhatToDo = (said) => /\b(again|expected|save|make|check|rename)\b/i.test(said);

/**
 * The prediction set of an answer with a class. error: how often a set may miss the class, 0..1; null where nobody said.
 */
export function setSentence({ class: best, set, probability }, error) {
  const at = typeof error === "number" ? ` at the wanted error of ${wantedError(error)}` : "";
  const names = set.map(className);
  if (!set.length) return `None of the classes fits${at}: do not rely on ${className(best)}, which is only the nearest.`;
  if (!set.includes(best)) {
    const others = `${either(names)} ${set.length === 1 ? "does" : "do"}`;
    return `${className(best)} is the most probable, and yet does not fit${at}; ${others}. Rely on neither.`;
  }
  if (set.length === 1) return `Only ${names[0]} fits${at}.`;
  if (set.length === Object.keys(probability).length) {
    return `${either(names)}: any class is possible${at}; the film does not settle it.`;
  }
  return `${either(names)}: ${set.length === 2 ? "both" : `all ${set.length}`} are possible${at}.`;
}

/** One line for a film: what was said of it. */
export function shortAnswer(film) {
  const answer = film.answer;
  if (film.state === "answered") return `${className(answer.class)} ${percent(answer.probability[answer.class])}`;
  return {
    waiting: film.said || "Waiting",
    sending: film.share < 1 ? `Sending, ${Math.round(film.share * 100)}%` : "Being read",
    away: `No answer: ${answer?.turned_away}`,
    error: "Could not be read",
    unsent: "Not sent",
    cancelled: "Cancelled",
  }[film.state];
}

/** What a file says of itself, as [what, value] pairs. */
export function fileFacts(info, picture) {
  const facts = [
    ["Format", FORMATS[info.format] ?? info.format],
    ["Size", `${info.width} × ${info.height} pixels`],
    ["Depth", `${info.bit_depth} bits, ${COLOURS[info.colour] ?? info.colour}`],
  ];
  if (info.view) facts.push(["View", info.view]);
  if (info.is_inverted) facts.push(["Stored inverted", "yes; shown with black for air"]);
  if (picture && picture.width < info.width) facts.push(["Shown with", `${picture.width} × ${picture.height} pixels`]);
  return facts;
}

/** A number of 0..1 with its interval, as "0.947 (0.935 to 0.957)"; a dash where it is not known. */
export function withInterval(number) {
  if (!number || typeof number.value !== "number") return "–";
  const digits = (value) => (typeof value === "number" ? value.toFixed(3) : "–");
  const known = typeof number.low === "number" && typeof number.high === "number";
  return digits(number.value) + (known ? ` (${digits(number.low)} to ${digits(number.high)})` : "");
}
