// Dark, light, or as the system has it; for this visit, since nothing is stored.

const NAMES = { auto: "System", dark: "Dark", light: "Light" };

/** Lets a button go through the three. */
export function switchTheme(button) {
  const order = Object.keys(NAMES);
  let theme = "auto";
  const show = () => {
    if (theme === "auto") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
    button.textContent = `◐ ${NAMES[theme]}`;
    button.setAttribute("aria-label", `Colours: ${NAMES[theme].toLowerCase()}. Change`);
    button.title = "Dark, light, or as the system has it";
  };
  button.addEventListener("click", () => {
    theme = order[(order.indexOf(theme) + 1) % order.length];
    show();
  });
  show();
}
