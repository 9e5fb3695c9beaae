// Charts of one host: CPU, memory, load, disks and network. The pointer's time is shared among them.

import * as api from "./api.js";
import { Chart } from "./chart.js";
import { byId, element, update } from "./dom.js";
import { bytesPerSecond, percent } from "./units.js";

const REAL_FILESYSTEM = 'fstype!~"tmpfs|ramfs|squashfs|overlay|iso9660"';
const REAL_DEVICE = 'device!~"lo|veth.*|docker.*|br-.*|cali.*|cni.*"';
const BEGINNING_SECONDS = 300;
const tagged = (expression, value) => `label_replace(${expression}, "what", "${value}", "", "")`;

const CHARTS = [
  {
    title: "CPU", format: percent, min: 0, max: 100, stacked: true, nonzero: true, name: (metric) => metric.mode,
    query: (host) => `100 * sum by (mode) (rate(node_cpu_seconds_total{${host},mode!="idle"}[2m])) / scalar(sum(rate(node_cpu_seconds_total{${host}}[2m])))`,
  },
  {
    title: "Memory", format: percent, min: 0, max: 100, name: (metric) => metric.what,
    query: (host) => [["memory", "MemAvailable", "MemTotal"], ["swap", "SwapFree", "SwapTotal"]]
      .map(([what, free, total]) => tagged(`100 * (1 - node_memory_${free}_bytes{${host}} / (node_memory_${total}_bytes{${host}} > 0))`, what)).join(" or "),
  },
  {
    title: "Load", min: 0, name: (metric) => metric.what,
    query: (host) => ["1", "5", "15"].map((minutes) => tagged(`node_load${minutes}{${host}}`, `${minutes} min`)).join(" or "),
  },
  {
    title: "Disk space used", format: percent, min: 0, max: 100, name: (metric) => metric.mountpoint,
    query: (host) => `100 * (1 - max by (mountpoint) (node_filesystem_avail_bytes{${host},${REAL_FILESYSTEM}}) / max by (mountpoint) (node_filesystem_size_bytes{${host},${REAL_FILESYSTEM}} > 0))`,
  },
  {
    title: "Disk traffic", format: bytesPerSecond, min: 0, nonzero: true, name: (metric) => `${metric.device} ${metric.what}`,
    query: (host) => ["read", "written"].map((what) => tagged(`rate(node_disk_${what}_bytes_total{${host}}[2m])`, what)).join(" or "),
  },
  {
    title: "Network", format: bytesPerSecond, min: 0, nonzero: true, name: (metric) => `${metric.device} ${metric.what}`,
    query: (host) => [["receive", "in"], ["transmit", "out"]]
      .map(([way, what]) => tagged(`rate(node_network_${way}_bytes_total{${host},${REAL_DEVICE}}[2m])`, what)).join(" or "),
  },
];

const parts = CHARTS.map((options) => ({ ...options, shown: "", chart: new Chart(options, pointAll) }));

function pointAll(time, source) {
  for (const { chart } of parts) if (chart !== source) chart.point(time);
}

export function install(refresh) {
  byId("host-charts").append(...parts.map(({ chart }) => chart.figure));
  for (const id of ["host", "range"]) byId(id).addEventListener("change", refresh);
}

export async function load() {
  const host = await chosenHost();
  byId("hosts-none").hidden = Boolean(host);
  byId("host-charts").hidden = byId("host").parentNode.hidden = !host;
  if (host) await Promise.all(parts.map((part) => draw(part, host, api.rangeUntilNow(Number(byId("range").value)))));
}

// Asks only when the range has moved on by a step: until then the answer would be the same.
async function draw(part, host, range) {
  const wanted = JSON.stringify([host, range]);
  if (wanted === part.shown) return;
  const query = part.query(`instance=${JSON.stringify(host)}`);
  const answer = await api.queryRange(query, range);
  const found = answer.data.result.length > 0;
  // The first samples of a new host are younger than a step: small steps show them already.
  part.chart.show(found ? answer : await api.queryRange(query, api.rangeUntilNow(BEGINNING_SECONDS)));
  part.shown = found ? wanted : "";
}

async function chosenHost() {
  const found = (await api.query("group by (instance) (node_boot_time_seconds)")).data.result;
  const hosts = found.map((series) => series.metric.instance ?? "").sort();
  const select = byId("host"), chosen = select.value;
  if (hosts.join("\n") !== [...select.options].map((option) => option.value).join("\n")) {
    update(select, ...hosts.map((host) => element("option", { value: host, "data-key": `host ${host}` }, host)));
    select.value = hosts.includes(chosen) ? chosen : hosts[0] ?? "";
  }
  return select.value;
}
