// Charts of one host: CPU, memory, disk and network.

import * as api from "./api.js";
import { lineChart } from "./chart.js";
import { byId, element } from "./dom.js";
import { bytesPerSecond, percent } from "./units.js";

const quoted = (text) => JSON.stringify(text);

const CHARTS = [
  {
    title: "CPU", format: percent, min: 0, max: 100, name: (metric) => metric.mode ?? "busy",
    query: (host) => `100 * sum by (mode) (rate(node_cpu_seconds_total{instance=${host},mode!="idle"}[2m])) / scalar(count(node_cpu_seconds_total{instance=${host},mode="idle"}))`,
  },
  {
    title: "Memory", format: percent, min: 0, max: 100, name: () => "used",
    query: (host) => `100 * (1 - node_memory_MemAvailable_bytes{instance=${host}} / node_memory_MemTotal_bytes{instance=${host}})`,
  },
  {
    title: "Disk", format: percent, min: 0, max: 100, name: (metric) => metric.mountpoint,
    query: (host) => `100 * (1 - max by (mountpoint) (node_filesystem_avail_bytes{instance=${host},fstype!~"tmpfs|ramfs|squashfs|overlay"}) / max by (mountpoint) (node_filesystem_size_bytes{instance=${host},fstype!~"tmpfs|ramfs|squashfs|overlay"} > 0))`,
  },
  {
    title: "Network", format: bytesPerSecond, min: 0, name: (metric) => `${metric.device} ${metric.direction}`,
    query: (host) => `label_replace(rate(node_network_receive_bytes_total{instance=${host},device!~"lo|veth.*"}[2m]), "direction", "in", "", "") or label_replace(rate(node_network_transmit_bytes_total{instance=${host},device!~"lo|veth.*"}[2m]), "direction", "out", "", "")`,
  },
];

export async function load() {
  await chooseHosts();
  const host = byId("host").value;
  if (!host) return [element("p", { class: "empty" }, "No host has reported yet: the first scrape takes a few seconds.")];
  const seconds = Number(byId("range").value);
  const answers = await Promise.all(CHARTS.map((chart) => api.queryRange(chart.query(quoted(host)), seconds)));
  return answers.map((answer, index) => lineChart(answer, CHARTS[index]));
}

export const show = (charts) => byId("host-charts").replaceChildren(...charts);

async function chooseHosts() {
  const found = (await api.query("sort_by_label(group by (instance) (node_boot_time_seconds), \"instance\")")).data.result;
  const hosts = found.map((series) => series.metric.instance);
  const select = byId("host"), chosen = select.value;
  if (hosts.join("\n") === [...select.options].map((option) => option.value).join("\n")) return;
  select.replaceChildren(...hosts.map((host) => element("option", { value: host }, host)));
  if (hosts.includes(chosen)) select.value = chosen;
}
