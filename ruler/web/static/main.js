// The page: loads its parts side by side, shows each when it is there, and again every few seconds while visible.

import * as alerts from "./alerts.js";
import * as api from "./api.js";
import { byId, element } from "./dom.js";
import * as hosts from "./hosts.js";
import * as query from "./query.js";
import * as targets from "./targets.js";
import { short } from "./units.js";

const REFRESH_MS = 5000;
let refreshing = false;

async function refresh() {
  if (refreshing || document.hidden) return;
  refreshing = true;
  try {
    const [found, healthy, charts, series] = await Promise.all([
      alerts.load(), api.targets(), hosts.load(), api.query("sum(prometheus_tsdb_head_series)"),
    ]);
    alerts.show(found);
    targets.show(healthy);
    hosts.show(charts);
    summarise(found, healthy, Number(series.data.result[0]?.value[1] ?? NaN));
    if (query.active()) await query.run();
    report(null);
  } catch (error) {
    report(error);
  } finally {
    refreshing = false;
  }
}

function summarise(found, healthy, series) {
  const firing = found.filter((alert) => alert.state === "firing" && alert.labels.severity !== "none").length;
  const pending = found.filter((alert) => alert.state === "pending").length;
  const down = healthy.filter((target) => target.health === "down").length;
  byId("summary").replaceChildren(
    tile(firing, "firing", firing ? "bad" : "ok"),
    tile(pending, "pending", pending ? "warn" : "ok"),
    tile(`${healthy.length - down}/${healthy.length}`, "targets up", down ? "bad" : "ok"),
    tile(Number.isNaN(series) ? "–" : short(series), "series", ""));
  document.title = firing ? `(${firing}) Tocsin` : "Tocsin";
}

const tile = (value, name, state) => element("div", { class: `tile ${state}` }, element("b", {}, String(value)), name);

function report(error) {
  const trouble = byId("trouble");
  trouble.hidden = !error;
  trouble.textContent = error?.message ?? "";
  byId("freshness").textContent = error ? "not up to date" : `as of ${new Date().toLocaleTimeString()}`;
}

alerts.installDialog(refresh);
query.install(report);
for (const id of ["host", "range"]) byId(id).addEventListener("change", refresh);
document.addEventListener("visibilitychange", refresh);
setInterval(refresh, REFRESH_MS);
refresh();
api.buildInfo().then((info) => { byId("version").textContent = `Tocsin ${info.version}`; }).catch(report);
