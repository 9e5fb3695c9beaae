// Runs before the first paint, so that a chosen theme never flashes in after the system's.

const THEMES = ["system", "light", "dark"];
const SIGNS = { system: "◐", light: "☀", dark: "☾" };
let theme = "system";
try {
  theme = localStorage.getItem("tocsin-theme") ?? "system";
} catch { /* a browser that keeps nothing follows the system */ }
if (!THEMES.includes(theme)) theme = "system";

function applyTheme() {
  document.documentElement.dataset.theme = theme;
  const button = document.getElementById("theme");
  if (!button) return;
  button.textContent = SIGNS[theme];
  button.title = `Theme: ${theme}. Switch to ${THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length]}`;
  button.setAttribute("aria-label", button.title);
}

applyTheme();
addEventListener("DOMContentLoaded", () => {
  applyTheme();
  document.getElementById("theme").addEventListener("click", () => {
    theme = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length];
    applyTheme();
    try {
      localStorage.setItem("tocsin-theme", theme);
    } catch { /* then it lasts as long as the page */ }
  });
});
