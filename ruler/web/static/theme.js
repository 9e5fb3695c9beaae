// Runs before the first paint, so that a chosen theme never flashes in after the system's.

const THEMES = ["system", "light", "dark"];
const chosenTheme = () => localStorage.getItem("tocsin-theme") ?? "system";

function applyTheme() {
  if (chosenTheme() === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = chosenTheme();
}

applyTheme();
addEventListener("DOMContentLoaded", () => document.getElementById("theme").addEventListener("click", () => {
  localStorage.setItem("tocsin-theme", THEMES[(THEMES.indexOf(chosenTheme()) + 1) % THEMES.length]);
  applyTheme();
}));
