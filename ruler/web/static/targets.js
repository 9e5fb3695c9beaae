// The targets, unhealthy ones first.

import * as api from "./api.js";
import { byId, element, link, update } from "./dom.js";
import { labelChips } from "./labels.js";
import { shownOf } from "./more.js";
import { tile } from "./tiles.js";
import { age, took } from "./units.js";

const ORDER = ["down", "unknown", "up"];
const FEW = 50;

export async function load() {
  const targets = await api.targets();
  const up = targets.filter((target) => target.health === "up").length;
  const down = targets.filter((target) => target.health === "down").length;
  tile("targets", `${up}/${targets.length}`, down ? "bad" : up === targets.length ? "ok" : "warn");
  byId("targets-count").textContent = down ? `${down} down` : "";
  targets.sort((a, b) => ORDER.indexOf(a.health) - ORDER.indexOf(b.health)
    || a.scrapePool.localeCompare(b.scrapePool) || a.scrapeUrl.localeCompare(b.scrapeUrl));
  byId("targets-none").hidden = targets.length > 0;
  update(byId("targets-rows"), ...shownOf(byId("targets-more"), targets, FEW).map(row));
}

function row(target) {
  const { job, instance, ...labels } = target.labels;
  const plain = target.scrapeUrl === `http://${instance}/metrics`;
  const name = element("div", {}, element("b", {}, link(target.scrapeUrl, instance || target.scrapeUrl)), " ", labelChips(labels));
  const address = plain ? [] : [element("div", { class: "muted address" }, target.scrapeUrl)];
  const error = target.lastError ? [element("div", { class: "error" }, target.lastError)] : [];
  const state = ORDER.includes(target.health) ? target.health : "unknown";
  return element("tr", { "data-key": `${target.scrapePool} ${target.scrapeUrl} ${JSON.stringify(target.labels)}` },
    element("td", {}, element("span", { class: `pill ${state}` }, target.health)),
    element("td", {}, job ?? target.scrapePool),
    element("td", { class: "wide" }, name, ...address, ...error),
    element("td", { class: "number" }, scraped(target)),
    element("td", { class: "number" }, target.health === "unknown" ? "" : took(target.lastScrapeDuration)));
}

function scraped({ lastScrape, scrapeInterval }) {
  const at = new Date(lastScrape);
  return at.getUTCFullYear() < 1971 ? "not yet" : `${age((api.now() - at) / 1000)} ago, every ${scrapeInterval}`;
}
