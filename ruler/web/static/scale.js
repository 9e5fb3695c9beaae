// The arithmetic of charts: bounds, ticks and paths. Every loop is counted, since values may be 1e308 or 1e-323 apart.

const MOST_TICKS = 12;
const SECONDS = [15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800, 604800];

// values → the lowest and the highest that the chart shows
export function bounds(values, min, max) {
  let low = min ?? Infinity, high = max ?? -Infinity;
  for (const value of values) {
    if (min === undefined && value < low) low = value;
    if (max === undefined && value > high) high = value;
  }
  if (min === undefined && low > 0 && low < high / 2) low = 0;
  if (high / 2 > low / 2) return [low, high];  // half of the smallest float is 0
  const room = Math.abs(low) * 0.1 || 1;
  return [min ?? low - room, low + room];
}

// Where times and values are on a drawing of `wide` × `tall` with `edge` {left, right, top, bottom} around its lines.
export function frame({ wide, tall, edge }, [start, end], [low, high]) {
  const inner = wide - edge.left - edge.right, height = tall - edge.top - edge.bottom;
  return {
    start, end, low, high,
    x: (time) => rounded(edge.left + share(time, start, end) * inner),
    y: (value) => rounded(tall - edge.bottom - share(value, low, high) * height),
    timeAt: (x) => Math.min(end, Math.max(start, start + ((x - edge.left) / inner) * (end - start))),
  };
}

const rounded = (pixels) => Math.round(pixels * 10) / 10;

// value → 0 … 1; halves, because the whole difference of two floats may be infinite
const share = (value, low, high) => (Math.min(high, Math.max(low, value)) / 2 - low / 2) / (high / 2 - low / 2);

export function ticks(low, high) {
  const rough = high / 4 - low / 4;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((factor) => factor * power).find((size) => size >= rough);
  if (!(step > 0) || low + step === low) return [low, high];
  const first = Math.ceil(low / step);
  return Array.from({ length: MOST_TICKS }, (_, index) => Number(((first + index) * step).toPrecision(12)))
    .filter((tick) => tick <= high + step / 1e6);
}

// Ticks that read alike get more digits until they differ.
export function tickTexts(values, format) {
  for (let digits = 3; digits < 15; digits += 2) {
    const texts = values.map((value) => format(value, digits));
    if (new Set(texts).size === texts.length) return texts;
  }
  return values.map(String);
}

export function timeTicks(start, end, most) {
  const step = SECONDS.find((size) => (end - start) / size <= most) ?? 4 * SECONDS.at(-1);
  const zone = new Date(end * 1000).getTimezoneOffset() * 60;  // a day begins at midnight here, not in Greenwich
  const first = Math.ceil((start - zone) / step) * step + zone;
  return Array.from({ length: most + 1 }, (_, index) => first + index * step).filter((time) => time <= end);
}

// points of one line → its unbroken runs: it breaks where more than one step has no sample
export function runs(points, step) {
  const found = [];
  for (const point of points) {
    const run = found.at(-1);
    if (run && point.time - run.at(-1).time <= step * 1.5) run.push(point);
    else found.push([point]);
  }
  return found;
}

// A run of one point is a line of no length, which its round ends make a dot.
export const linePath = (run, { x, y }) =>
  `M${run.map((point) => `${x(point.time)} ${y(point.top)}`).join("L")}${run.length > 1 ? "" : "h0"}`;

export const areaPath = (run, { x, y }) =>
  `M${run.map((point) => `${x(point.time)} ${y(point.top)}`).join("L")}` +
  `L${run.toReversed().map((point) => `${x(point.time)} ${y(point.ground)}`).join("L")}Z`;
