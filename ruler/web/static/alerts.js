// Firing and pending alerts, and the dialog that silences one.

import * as api from "./api.js";
import { byId, element, labelChips } from "./dom.js";
import { age, short } from "./units.js";

const ORDER = { firing: 0, pending: 1 };
const SEVERITY = { critical: 0, warning: 1, info: 2 };

export async function load() {
  const [groups, known] = await Promise.all([api.rules(), api.silencedAlerts()]);
  const silenced = new Set(known.filter((alert) => alert.status.silencedBy.length).map((alert) => identity(alert.labels)));
  const alerts = groups.flatMap((group) => group.rules).flatMap((rule) => rule.alerts ?? [])
    .map((alert) => ({ ...alert, silenced: silenced.has(identity(alert.labels)) }));
  alerts.sort((a, b) => ORDER[a.state] - ORDER[b.state] || rank(a) - rank(b) || identity(a.labels).localeCompare(identity(b.labels)));
  return alerts;
}

export function show(alerts) {
  const list = byId("alerts-list");
  byId("alerts-count").textContent = alerts.length ? String(alerts.length) : "";
  if (!alerts.length) {
    list.replaceChildren(element("p", { class: "empty" }, "Nothing is firing and nothing is pending."));
    return;
  }
  list.replaceChildren(...alerts.map(row));
}

function row(alert) {
  const { alertname, severity, ...labels } = alert.labels;
  const button = element("button", { type: "button" }, alert.silenced ? "Silenced" : "Silence");
  button.disabled = alert.silenced;
  button.addEventListener("click", () => ask(alert.labels));
  const state = alert.silenced ? "silenced" : alert.state;
  const heading = element("span", { class: "labels" }, element("b", {}, alertname));
  if (severity) heading.append(element("span", { class: `pill ${severity in SEVERITY ? severity : "info"}` }, severity));
  heading.append(labelChips(labels));
  return element("div", { class: "alert" },
    element("span", { class: `pill ${state}` }, alert.state),
    heading,
    element("span", { class: "numbers" }, element("b", {}, short(Number(alert.value))), ` for ${age((Date.now() - new Date(alert.activeAt)) / 1000)}`),
    button,
    element("span", { class: "text" }, alert.annotations.description ?? alert.annotations.summary ?? ""));
}

const identity = (labels) => JSON.stringify(Object.entries(labels).sort());
const rank = (alert) => SEVERITY[alert.labels.severity] ?? 3;

function ask(labels) {
  const dialog = byId("silence");
  byId("silence-matchers").replaceChildren(labelChips(labels));
  byId("silence-trouble").hidden = true;
  byId("silence-author").value ||= localStorage.getItem("tocsin-author") ?? "";
  byId("silence-comment").value = "";
  dialog.dataset.labels = JSON.stringify(labels);
  dialog.showModal();
}

export function installDialog(refresh) {
  const dialog = byId("silence");
  byId("silence-cancel").addEventListener("click", () => dialog.close());
  dialog.querySelector("form").addEventListener("submit", async (event) => {
    event.preventDefault();
    const author = byId("silence-author").value.trim();
    try {
      await api.silence(JSON.parse(dialog.dataset.labels), Number(byId("silence-hours").value), author, byId("silence-comment").value.trim());
      localStorage.setItem("tocsin-author", author);
      dialog.close();
      refresh();
    } catch (error) {
      byId("silence-trouble").textContent = error.message;
      byId("silence-trouble").hidden = false;
    }
  });
}
