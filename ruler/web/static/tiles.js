// The numbers at the top.

import { byId } from "./dom.js";

export function tile(name, value, state, note = "") {
  const box = byId(`tile-${name}`);
  box.className = `tile ${state}`;
  box.querySelector("b").textContent = value;
  box.querySelector("small").textContent = note;
}
