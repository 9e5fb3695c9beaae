// From a range query's answer to the lines of a chart. Values that are not finite leave gaps.

import { seriesName, shortNames } from "./labels.js";

const MOST_LINES = 40;

export function linesOf({ data, step }, { name = shortNames(data.result.map((series) => series.metric)), stacked, nonzero }) {
  const drawable = data.result.map((series) => ({ name: name(series.metric), full: seriesName(series.metric), points: points(series) }))
    .filter((line) => line.points.length)
    .sort((a, b) => a.name.localeCompare(b.name, undefined, { numeric: true }))
    .map((line, place) => ({ ...line, place }));  // its colour, which others that come and go leave alone
  const moving = nonzero ? drawable.filter((line) => line.points.some((point) => point.value)) : drawable;
  const chosen = moving.length ? moving : drawable.slice(0, 1);
  const lines = chosen.slice(0, MOST_LINES);
  if (stacked) stack(lines);
  return { lines: lines.map((line) => readable(line, step)), left: chosen.length - lines.length };
}

function readable(line, step) {
  const known = new Map(line.points.map((point) => [point.time, point])), last = line.points.at(-1);
  return { ...line, at: (time) => known.get(time), latest: (end) => (last.time >= end - 2 * step ? last : undefined) };
}

const points = (series) => series.values
  .map(([time, text]) => ({ time, value: Number(text) }))
  .filter(({ value }) => Number.isFinite(value))
  .map(({ time, value }) => ({ time, value, ground: 0, top: value }));

// Each line stands on the sum of those before it.
function stack(lines) {
  const heights = new Map();
  for (const point of lines.flatMap((line) => line.points)) {
    point.ground = heights.get(point.time) ?? 0;
    point.top = point.ground + Math.max(0, point.value);
    heights.set(point.time, point.top);
  }
}
