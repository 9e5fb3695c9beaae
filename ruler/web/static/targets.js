// The targets, unhealthy ones first.

import * as api from "./api.js";
import { byId, element, link, update } from "./dom.js";
import { labelChips } from "./labels.js";
import { shownOf } from "./more.js";
import { tile } from "./tiles.js";
import { age, took } from "./units.js";

const ORDER = ["down", "unknown", "up"];
const FEW = 50;
const LONG = 0.8;  // of the timeout, from which a scrape is about to fail

// What an error means, for who does not write exporters.
const PLAIN = [
  ["connection refused", "Nothing listens there: does the exporter run, on this port?"],
  ["context deadline exceeded", "No answer in time: the exporter is slow, or a firewall swallows packets."],
  ["name or service not known", "The name of the address is not known."],
  ["failed to verify certificate", "The certificate is not one that the ruler trusts."],
  ["HTTP status 401", "It wants credentials."],
  ["HTTP status 403", "It does not let the ruler in."],
  ["HTTP status 404", "There is no page at this path: see metrics_path."],
  ["Content-Type", "This is not a page of metrics: see metrics_path."],
  ["while parsing", "The exporter writes a page that is not in the format."],
  ["limit exceeded", "There is more than the config allows."],
];

const told = new Map();  // how targets were relabelled, of those that were asked for
let shown = [];

// The steps of relabelling come and go with their button.
export function install(refresh) {
  byId("targets-rows").addEventListener("click", async ({ target: button }) => {
    const key = button.dataset?.steps;
    const target = shown.find((each) => keyOf(each) === key);
    if (key === undefined || !target) return;
    if (!told.delete(key)) told.set(key, await steps(target));
    refresh();
  });
}

async function steps(target) {
  try {
    const found = await api.relabelSteps(target.scrapePool, target.discoveredLabels);
    return found.map(({ rule, output, keep }) => [JSON.stringify(rule), keep ? output : null]);
  } catch (error) {
    return [[error.message, {}]];
  }
}

export async function load() {
  const targets = shown = await api.targets();
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
  const plainly = PLAIN.find(([part]) => target.lastError.includes(part))?.[1];
  const error = target.lastError
    ? [element("div", { class: "error" }, target.lastError), ...plainly ? [element("div", { class: "muted" }, plainly)] : []] : [];
  const state = ORDER.includes(target.health) ? target.health : "unknown";
  return element("tr", { "data-key": keyOf(target) },
    element("td", {}, element("span", { class: `pill ${state}` }, target.health)),
    element("td", {}, job ?? target.scrapePool),
    element("td", { class: "wide" }, name, ...address, ...error, ...relabelling(target)),
    element("td", { class: "number" }, scraped(target)),
    element("td", { class: "number" }, target.health === "unknown" ? "" : String(target.samples)),
    element("td", { class: "number" }, target.health === "unknown" ? "" : duration(target)));
}

const keyOf = (target) => `${target.scrapePool} ${target.scrapeUrl} ${JSON.stringify(target.labels)}`;

function relabelling(target) {
  const key = keyOf(target), rules = told.get(key);
  const button = element("button", { type: "button", class: "more", "data-steps": key }, rules ? "Hide relabelling" : "Relabelling");
  if (!rules) return [button];
  const found = element("li", {}, "found: ", labelChips(target.discoveredLabels));
  const after = rules.map(([rule, labels]) => element("li", {}, rule, " → ", labels ? labelChips(labels) : "dropped"));
  return [button, element("ol", { class: "muted" }, found, ...after)];
}

// How long the last scrape took, of what it may and how often it comes.
function duration({ lastScrapeDuration, scrapeInterval, scrapeTimeout }) {
  const long = lastScrapeDuration > LONG * seconds(scrapeTimeout);
  return element("span", long ? { class: "error" } : {}, `${took(lastScrapeDuration)} of ${scrapeInterval}`);
}

const UNITS = { ms: 0.001, s: 1, m: 60, h: 3600, d: 86400, w: 604800, y: 31536000 };
const seconds = (text) => [...text.matchAll(/(\d+)(ms|[smhdwy])/g)].reduce((sum, [, count, unit]) => sum + count * UNITS[unit], 0);

function scraped({ lastScrape, scrapeInterval }) {
  const at = new Date(lastScrape);
  return at.getUTCFullYear() < 1971 ? "not yet" : `${age((api.now() - at) / 1000)} ago, every ${scrapeInterval}`;
}
