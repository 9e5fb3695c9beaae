// The query box: a chart over the range and a table of now. The query lives in the address, so it can be shared.

import * as api from "./api.js";
import { Chart } from "./chart.js";
import { byId, element, update } from "./dom.js";
import { seriesName } from "./labels.js";
import { clock } from "./units.js";

const MOST_ROWS = 500, MOST_SAMPLES = 100, MOST_LINES = 12;

const chart = new Chart();
let asked = { text: "", seconds: 3600 };  // what is shown and refreshed; what is being typed is not asked yet
let charted = "";
let stop = new AbortController();
let refresh;

export function install(refreshNow) {
  refresh = refreshNow;
  byId("query-chart").append(chart.figure);
  readAddress();
  addEventListener("popstate", () => { readAddress(); refresh(); });
  byId("query-form").addEventListener("submit", (event) => { event.preventDefault(); ask(byId("query-text").value); });
  byId("query-range").addEventListener("change", () => ask(byId("query-text").value));
  byId("query-text").addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing || event.defaultPrevented) return;
    event.preventDefault();
    ask(byId("query-text").value);
  });
  byId("query-text").addEventListener("input", fit);
  addEventListener("resize", fit);
  document.addEventListener("click", followQuery);
}

export function ask(text) {
  become(text.trim(), Number(byId("query-range").value));
  const url = new URL(location.href);
  for (const name of [...url.searchParams.keys()]) url.searchParams.delete(name);
  if (asked.text) { url.searchParams.set("query", asked.text); url.searchParams.set("range", asked.seconds); }
  if (url.href !== location.href) history.pushState(null, "", url);
  refresh();
}

function readAddress() {
  const parameters = new URLSearchParams(location.search);
  const range = parameters.get("range");
  if ([...byId("query-range").options].some((option) => option.value === range)) byId("query-range").value = range;
  byId("query-text").value = parameters.get("query") ?? "";
  fit();
  become(byId("query-text").value.trim(), Number(byId("query-range").value));
}

function become(text, seconds) {
  stop.abort();
  stop = new AbortController();
  asked = { text, seconds };
  byId("query-answer").classList.add("busy");
}

function followQuery(event) {
  const query = event.target.closest?.("[data-query]")?.dataset.query;
  if (query === undefined || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  byId("query-text").value = query;
  fit();
  ask(query);
  byId("query").scrollIntoView();
}

export async function load() {
  const mine = asked;
  byId("query-empty").hidden = Boolean(mine.text);
  if (!mine.text) { clear(); return; }
  try {
    const started = performance.now();
    const answer = await api.query(mine.text, stop.signal);
    if (mine === asked) showTable(answer, performance.now() - started);
    if (mine === asked) await showChart(mine, answer.data.resultType);
  } catch (error) {
    if (mine !== asked) return;
    if (error instanceof api.Unreachable) throw error;
    clear();
    showError(mine.text, error.message);
  } finally {
    if (mine === asked) byId("query-answer").classList.remove("busy");
  }
}

async function showChart(mine, type) {
  byId("query-chart").hidden = type !== "vector" && type !== "scalar";
  if (byId("query-chart").hidden) return;
  const range = api.rangeUntilNow(mine.seconds), wanted = JSON.stringify([mine, range]);
  if (wanted === charted) return;
  const answer = await api.queryRange(mine.text, range, stop.signal);
  if (mine !== asked) return;
  chart.show(answer);
  charted = answer.data.result.length ? wanted : "";
}

function clear() {
  charted = "";
  byId("query-chart").hidden = true;
  for (const id of ["query-rows", "query-notes", "query-error"]) byId(id).replaceChildren();
  byId("query-answer").classList.remove("busy");
}

function showTable({ data: { resultType, result }, warnings = [], infos = [] }, took) {
  const lone = resultType === "scalar" || resultType === "string";
  const size = lone ? resultType : `${result.length} series`;
  const hint = resultType === "matrix" ? "a range vector has no chart: rate() or avg_over_time() makes one of it" : "";
  byId("query-error").replaceChildren();
  update(byId("query-notes"), [`${size} in ${took.toFixed(0)} ms`, hint, ...infos].filter(Boolean).join(" · "),
    ...warnings.map((warning) => element("div", { class: "warning" }, warning)));
  if (lone) { update(byId("query-rows"), row(resultType, result[1])); return; }
  const rows = result.slice(0, MOST_ROWS).map((series) => row(seriesName(series.metric), series.value ? series.value[1] : samples(series.values)));
  if (result.length > MOST_ROWS) rows.push(row(`${result.length - MOST_ROWS} more series are not shown`, ""));
  update(byId("query-rows"), ...rows);
}

function samples(values) {
  const lines = values.slice(-MOST_SAMPLES).map(([time, value]) => `${value}  ${clock(time, { seconds: true })}`);
  if (values.length > MOST_SAMPLES) lines.unshift(`${values.length - MOST_SAMPLES} earlier samples`);
  return lines.join("\n");
}

const row = (name, value) => element("tr", {}, element("td", { class: "series" }, name), element("td", { class: "number" }, value));

// A parse error tells line and column; the place is marked in the query.
function showError(text, message) {
  const plain = message.replace(/^invalid parameter "query": /, "");
  const [, line, column] = /^(\d+):(\d+): /.exec(plain) ?? [];
  const parts = [element("p", {}, plain)];
  if (line) {
    const before = text.split("\n").slice(0, line - 1).reduce((sum, each) => sum + each.length + 1, 0) + Number(column) - 1;
    parts.push(element("pre", {}, text.slice(0, before), element("mark", {}, text.slice(before, before + 1).trim() || " "), text.slice(before + 1)));
  }
  update(byId("query-error"), ...parts);
}

// The box is as high as its text, wherever that wraps.
function fit() {
  const box = byId("query-text");
  for (box.rows = 1; box.rows < MOST_LINES && box.scrollHeight > box.clientHeight;) box.rows += 1;
}
