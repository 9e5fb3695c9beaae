// The targets, unhealthy ones first.

import { byId, element, labelChips } from "./dom.js";
import { age, since } from "./units.js";

const ORDER = { down: 0, unknown: 1, up: 2 };

export function show(targets) {
  const up = targets.filter((target) => target.health === "up").length;
  byId("targets-count").textContent = `${up} of ${targets.length} up`;
  const sorted = [...targets].sort((a, b) => ORDER[a.health] - ORDER[b.health] || a.scrapeUrl.localeCompare(b.scrapeUrl));
  byId("targets-rows").replaceChildren(...sorted.map(row));
}

function row(target) {
  const took = target.lastScrapeDuration;
  return element("tr", {},
    element("td", {}, element("span", { class: `pill ${target.health}` }, target.health)),
    element("td", {}, target.scrapePool),
    element("td", {}, target.scrapeUrl),
    element("td", {}, labelChips(target.labels, ["job"])),
    element("td", {}, since(target.lastScrape)),
    element("td", {}, took < 1 ? `${(took * 1000).toFixed(1)}ms` : age(took)),
    element("td", { class: "error" }, target.lastError));
}
