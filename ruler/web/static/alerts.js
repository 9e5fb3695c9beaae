// Firing and pending alerts with their silences.

import * as api from "./api.js";
import { byId, element, link, update } from "./dom.js";
import { covers, identity, labelChips, matches } from "./labels.js";
import { shownOf } from "./more.js";
import { listSilences, openEnd, openSilence } from "./silences.js";
import { tile } from "./tiles.js";
import { age, moment, short } from "./units.js";

const SEVERITIES = ["critical", "warning", "info"];
const PLACES = ["firing", "pending", "silenced", "calm"];
const FEW = 20;
let shown = new Map();

export function install(refresh) {
  byId("alerts-list").addEventListener("click", ({ target }) => {
    const alert = shown.get(target.closest("[data-key]")?.dataset.key);
    if (!alert || !target.closest("button")) return;
    if (alert.silences.length) openEnd(alert.silences[0], refresh);
    else openSilence(alert.labels, [...shown.values()].map((each) => each.labels), refresh);
  });
}

export async function load() {
  const [rules, sent, silences] = await Promise.all([api.alertRules(), api.sentAlerts(), api.silences()]);
  const alerts = merged(rules, sent).map((alert) => withSilences(alert, silences));
  alerts.sort((a, b) => PLACES.indexOf(a.place) - PLACES.indexOf(b.place) || a.rank - b.rank || (a.key < b.key ? -1 : 1));
  shown = new Map(alerts.map((alert) => [alert.key, alert]));
  count(alerts);
  const broken = rules.filter((rule) => rule.lastError);
  byId("alerts-broken").textContent = broken.map((rule) => `The rule ${rule.name} fails: ${rule.lastError}`).join("\n");
  byId("alerts-none").hidden = alerts.some((alert) => alert.place !== "calm");
  update(byId("alerts-list"), ...shownOf(byId("alerts-more"), alerts, FEW).map(row));
  listSilences(silences);
}

// The alerts of the rules, and those that others sent to the notifier; a rule's alert knows its copy in the notifier.
function merged(rules, sent) {
  const named = Map.groupBy(sent, (alert) => alert.labels.alertname);
  const found = new Set();
  const own = rules.flatMap((rule) => (rule.alerts ?? []).map((alert) => {
    const copy = alert.state === "firing" && named.get(alert.labels.alertname)?.find((each) => covers(each.labels, alert.labels));
    if (copy) found.add(copy);
    return { ...alert, since: alert.activeAt, query: rule.query, silencedBy: copy ? copy.status.silencedBy : [] };
  }));
  const foreign = sent.filter((alert) => !found.has(alert) && !own.some((each) => covers(alert.labels, each.labels)))
    .map((alert) => ({ ...alert, state: "firing", since: alert.startsAt, silencedBy: alert.status.silencedBy }));
  return [...own, ...foreign];
}

// A pending alert is not in the notifier yet, so whether it will be silent is worked out here.
function withSilences(alert, known) {
  const silences = known.filter((silence) => alert.silencedBy.includes(silence.id) || matches(silence.matchers, alert.labels));
  const calm = alert.labels.severity === "none";
  const severity = SEVERITIES.indexOf(alert.labels.severity);
  return {
    ...alert, silences, calm, key: identity(alert.labels), rank: severity < 0 ? SEVERITIES.length : severity,
    place: silences.length ? "silenced" : calm ? "calm" : alert.state,
  };
}

function count(alerts) {
  const of = Map.groupBy(alerts, (alert) => alert.place);
  const [firing, pending, silenced] = ["firing", "pending", "silenced"].map((place) => of.get(place)?.length ?? 0);
  const note = silenced ? `${silenced} silenced` : "";
  tile("firing", firing, firing ? "bad" : "ok", note);
  tile("pending", pending, pending ? "warn" : "ok");
  document.title = firing ? `(${firing}) Tocsin` : "Tocsin";
}

function row(alert) {
  const { alertname = "", severity, ...labels } = alert.labels;
  const heading = element("div", { class: "labels" }, name(alert, alertname));
  if (severity && !alert.calm) heading.append(element("span", { class: `pill ${SEVERITIES[alert.rank] ?? "info"}` }, severity));
  heading.append(...labelChips(labels).childNodes);
  const value = alert.value === undefined ? "" : Number(alert.value);
  const silent = alert.silences.length > 0;
  return element("div", { class: `alert ${alert.place}`, "data-key": alert.key },
    element("span", { class: `pill ${alert.place}` }, alert.calm ? "always on" : alert.state),
    heading,
    element("div", { class: "numbers" },
      element("b", { title: `value ${value}` }, value === "" ? "–" : short(value)),
      element("span", { title: `since ${moment(Date.parse(alert.since))}` }, `for ${age((api.now() - Date.parse(alert.since)) / 1000)}`)),
    element("button", { type: "button", "aria-label": `${silent ? "Unsilence" : "Silence"} ${alertname}` }, silent ? "Unsilence" : "Silence"),
    element("div", { class: "text" }, ...words(alert)));
}

// The alert's name leads to its query.
function name({ query }, alertname) {
  if (!query) return element("b", {}, alertname);
  return element("a", { class: "name", href: `?query=${encodeURIComponent(query)}#query`, "data-query": query, title: query }, alertname);
}

function words({ annotations, silences }) {
  const { description, summary, ...others } = annotations;
  const links = Object.entries(others).filter(([, value]) => /^https?:/i.test(value)).map(([title, address]) => link(address, title.replace(/_url$/, "")));
  const silent = silences.map((silence) => element("div", { class: "silent" },
    `Silenced until ${moment(Date.parse(silence.endsAt))} by ${silence.createdBy}: ${silence.comment}`));
  const text = description || summary;
  // isolated, since its letters may turn the direction of what follows
  return [...(text ? [element("bdi", {}, text)] : []), ...links.flatMap((each) => [" ", each]), ...silent];
}
