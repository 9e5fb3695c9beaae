// The query box: a chart over the range and a table of now. Its text lives in the URL, so a query can be shared.

import * as api from "./api.js";
import { lineChart } from "./chart.js";
import { byId, element, seriesName } from "./dom.js";
import { short } from "./units.js";

const MAX_ROWS = 500;

export function install(report) {
  const text = new URLSearchParams(location.search).get("query");
  if (text) byId("query-text").value = text;
  byId("query-form").addEventListener("submit", (event) => {
    event.preventDefault();
    const url = new URL(location.href);
    url.searchParams.set("query", byId("query-text").value);
    history.replaceState(null, "", url);
    run();
  });
  byId("query-range").addEventListener("change", run);
  byId("query-text").addEventListener("focus", () => offerNames().catch(report), { once: true });
  if (text) run();
}

export const active = () => byId("query-text").value.trim() !== "" && byId("query-rows").childElementCount > 0;

export async function run() {
  const text = byId("query-text").value.trim();
  const notes = byId("query-notes");
  if (!text) return;
  try {
    const now = await api.query(text);
    showTable(now.data);
    notes.className = "muted";
    notes.textContent = [...(now.warnings ?? []), ...(now.infos ?? [])].join(" · ");
    const drawable = now.data.resultType === "vector" || now.data.resultType === "scalar";
    const chart = drawable ? lineChart(await api.queryRange(text, Number(byId("query-range").value)), { format: short, width: 1200 }) : "";
    byId("query-chart").replaceChildren(chart);
  } catch (error) {
    notes.className = "trouble";
    notes.textContent = error.message;
    byId("query-chart").replaceChildren();
    byId("query-rows").replaceChildren();
  }
}

function showTable({ resultType, result }) {
  const rows = byId("query-rows");
  if (resultType === "scalar" || resultType === "string") {
    rows.replaceChildren(row(resultType, result[1]));
    return;
  }
  if (!result.length) {
    rows.replaceChildren(row("no series", ""));
    return;
  }
  const shown = result.slice(0, MAX_ROWS).map((series) =>
    row(seriesName(series.metric), series.value ? series.value[1] : series.values.map(([time, value]) => `${value} @${time}`).join("\n")));
  if (result.length > MAX_ROWS) shown.push(row(`${result.length - MAX_ROWS} more series`, ""));
  rows.replaceChildren(...shown);
}

const row = (name, value) => element("tr", {}, element("td", {}, name), element("td", { class: "number" }, value));

async function offerNames() {
  const names = await api.metricNames();
  byId("metric-names").replaceChildren(...names.map((name) => element("option", { value: name })));
}
