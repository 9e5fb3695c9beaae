// Keeps the parts of the page up to date, each on its own, so that a slow one holds up none of the others.

import { Unreachable, now } from "./api.js";
import { byId } from "./dom.js";
import { clock } from "./units.js";

const EVERY_MS = 5000, LATE_MS = 15_000;
const parts = [];
let answeredAt = 0;

// Gives a function that refreshes the part now. `load` runs once at a time; what is asked for meanwhile follows at once.
export function keepFresh(load) {
  const part = { load, error: null, running: false, again: false };
  parts.push(part);
  return () => refresh(part);
}

export function start() {
  const refreshAll = () => { if (!document.hidden) parts.forEach(refresh); };
  document.addEventListener("visibilitychange", refreshAll);
  setInterval(() => { refreshAll(); report(); }, EVERY_MS);  // a ruler that hangs is told before patience ends
  refreshAll();
}

async function refresh(part) {
  part.again = part.running;
  if (part.running) return;
  part.running = true;
  do {
    part.again = false;
    part.error = await part.load().then(() => null, (error) => error);
    if (!part.error) answeredAt = now();
    report();
  } while (part.again);
  part.running = false;
}

function report() {
  const errors = parts.map((part) => part.error).filter(Boolean);
  const gone = errors.find((error) => error instanceof Unreachable);
  const asOf = answeredAt ? clock(answeredAt / 1000, { seconds: true }) : "";
  const freshness = byId("freshness"), trouble = byId("trouble");
  const stale = errors.length > 0 || (answeredAt > 0 && now() - answeredAt > LATE_MS);
  freshness.textContent = stale ? `not up to date${asOf && ` since ${asOf}`}` : asOf ? `as of ${asOf}` : "loading …";
  freshness.classList.toggle("stale", stale);
  const text = gone ? `${gone.message}${asOf && ` What you see is from ${asOf}.`}` : errors[0]?.message ?? "";
  if (trouble.textContent !== text) trouble.textContent = text;  // an alert is read aloud whenever it is set
  trouble.hidden = !text;
}
