// Line charts in SVG: a pure function from a query's answer to an element.

import { element, seriesName, svg } from "./dom.js";

const HEIGHT = 190, LEFT = 52, RIGHT = 8, TOP = 8, BOTTOM = 20;
const MAX_LINES = 40;

// answer: {data: {result: [{metric, values}]}, start, end, step}; options: {title, name(metric), format, min, max, width}
export function lineChart(answer, { title = "", name = seriesName, format = String, min, max, width = 600 } = {}) {
  const lines = answer.data.result.slice(0, MAX_LINES).map((series) => ({
    name: name(series.metric),
    points: series.values.map(([time, value]) => [time, Number(value)]).filter(([, value]) => Number.isFinite(value)),
  }));
  const last = element("span");
  const figure = element("figure", {}, element("figcaption", {}, title, last));
  if (!lines.some((line) => line.points.length)) {
    figure.append(element("p", { class: "empty" }, "no samples in this range yet"));
    return figure;
  }

  const [low, high] = bounds(lines, min, max);
  const start = firstTime(lines, answer), { end } = answer;
  const x = (time) => LEFT + ((time - start) / (end - start || 1)) * (width - LEFT - RIGHT);
  const y = (value) => HEIGHT - BOTTOM - ((value - low) / (high - low || 1)) * (HEIGHT - TOP - BOTTOM);

  const drawing = svg("svg", { viewBox: `0 0 ${width} ${HEIGHT}`, class: "chart", role: "img", "aria-label": title || "chart" });
  for (const tick of ticks(low, high)) {
    drawing.append(
      svg("line", { class: "grid", x1: LEFT, x2: width - RIGHT, y1: y(tick), y2: y(tick) }),
      svg("text", { x: LEFT - 6, y: y(tick) + 4, "text-anchor": "end" }, format(tick)),
    );
  }
  for (const time of timeTicks(start, end)) {
    drawing.append(svg("text", { x: x(time), y: HEIGHT - 4, "text-anchor": "middle" }, clock(time)));
  }
  lines.forEach((line, index) => {
    const path = pathOf(line.points, x, y, answer.step);
    if (lines.length === 1) drawing.append(svg("path", { class: `area s${index % 8}`, d: areaOf(line.points, x, y, y(Math.max(low, 0))) }));
    drawing.append(svg("path", { class: `s${index % 8}`, d: path }));
  });

  const cursor = svg("line", { class: "cursor", y1: TOP, y2: HEIGHT - BOTTOM, visibility: "hidden" });
  drawing.append(cursor);
  const legend = element("div", { class: "legend" });
  const show = (time) => {
    const at = lines.map((line) => nearest(line.points, time, answer.step));
    legend.replaceChildren(...lines.map((line, index) =>
      element("span", {}, element("i", { class: `s${index % 8}` }), `${line.name} ${at[index] === undefined ? "–" : format(at[index])}`)));
    last.textContent = time === end ? "" : clock(time, true);
  };
  drawing.addEventListener("pointermove", (event) => {
    const box = drawing.getBoundingClientRect();
    const across = ((event.clientX - box.left) / box.width) * width;
    const part = Math.min(1, Math.max(0, (across - LEFT) / (width - LEFT - RIGHT)));
    const time = Math.min(end, Math.ceil((start + part * (end - start)) / answer.step) * answer.step);
    cursor.setAttribute("x1", x(time));
    cursor.setAttribute("x2", x(time));
    cursor.setAttribute("visibility", "visible");
    show(time);
  });
  drawing.addEventListener("pointerleave", () => { cursor.setAttribute("visibility", "hidden"); show(end); });
  show(end);
  figure.append(drawing, legend);
  const left = answer.data.result.length - lines.length;
  if (left > 0) figure.append(element("p", { class: "muted" }, `${left} more series are not drawn`));
  return figure;
}

function bounds(lines, min, max) {
  const values = lines.flatMap((line) => line.points.map(([, value]) => value));
  let low = min ?? values.reduce((a, b) => Math.min(a, b)), high = max ?? values.reduce((a, b) => Math.max(a, b));
  if (min === undefined && low > 0 && low < high / 2) low = 0;
  if (low === high && low === 0) high = 1;
  if (low === high) { low -= Math.abs(low) * 0.1 || 1; high += Math.abs(high) * 0.1 || 1; }
  return [low, high];
}

// A ruler that has just started fills its charts: at least five minutes are shown, and never more than was asked for.
function firstTime(lines, { start, end, step }) {
  const first = Math.min(...lines.filter((line) => line.points.length).map((line) => line.points[0][0]));
  return Math.max(start, Math.min(first - step, end - 300));
}

function ticks(low, high) {
  const rough = (high - low) / 4, power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((factor) => factor * power).find((size) => size >= rough);
  const found = [];
  for (let tick = Math.ceil(low / step) * step; tick <= high + step / 1e6; tick += step) found.push(Number(tick.toPrecision(12)));
  return found;
}

function timeTicks(start, end) {
  const step = [60, 120, 300, 600, 900, 1800, 3600, 7200, 21600, 86400].find((size) => (end - start) / size <= 6) ?? 86400;
  const found = [];
  for (let time = Math.ceil(start / step) * step; time <= end; time += step) found.push(time);
  return found;
}

const clock = (time, seconds = false) =>
  new Date(time * 1000).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", ...(seconds && { second: "2-digit" }) });

// A line breaks where more than one step has no sample.
function pathOf(points, x, y, step) {
  let previous = -Infinity;
  return points.map(([time, value]) => {
    const move = time - previous > step * 1.5 ? "M" : "L";
    previous = time;
    return `${move}${x(time).toFixed(1)} ${y(value).toFixed(1)}`;
  }).join("");
}

function areaOf(points, x, y, ground) {
  return `M${x(points[0][0]).toFixed(1)} ${ground}` +
    points.map(([time, value]) => `L${x(time).toFixed(1)} ${y(value).toFixed(1)}`).join("") + `L${x(points.at(-1)[0]).toFixed(1)} ${ground}Z`;
}

function nearest(points, time, step) {
  const found = points.find(([at]) => Math.abs(at - time) < step / 2) ?? (points.at(-1)?.[0] >= time - 2 * step ? points.at(-1) : undefined);
  return found?.[1];
}
