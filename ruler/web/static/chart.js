// A line chart in SVG, drawn at the size that it has on the page. Newer samples leave the pointer's line where it is.

import { element, svg, update } from "./dom.js";
import { linesOf } from "./lines.js";
import { areaPath, bounds, frame, linePath, runs, ticks, tickTexts, timeTicks } from "./scale.js";
import { clock, short } from "./units.js";

const TALL = 190;
const LETTER = 6.8;
const EDGE = { left: 58, right: 10, top: 10, bottom: 22 };
const COLOURS = 10;
const LEAST_SECONDS = 300;
const NEAR_PIXELS = 24;

const colour = (line) => `s${line.place % COLOURS}`;

export class Chart {
  #options; #moved; #answer = null; #lines = []; #frame = null; #width = 0; #time = null; #near = -1;
  #reading = element("span");
  #canvas = svg("svg", { class: "chart", role: "img", tabindex: "0", height: TALL });
  #cursor = svg("g", { class: "cursor" });
  #legend = element("div", { class: "legend" });
  #note = element("p", { class: "muted note" });

  // options: {title, name(metric), format, min, max, stacked, nonzero}; moved(time, chart) hears of the pointer's time, or null
  constructor(options = {}, moved = () => {}) {
    this.#options = { title: "", format: short, ...options };
    this.#moved = moved;
    this.#canvas.setAttribute("aria-label", this.#options.title || "chart");
    this.figure = element("figure", {},
      element("figcaption", {}, element("span", { class: "title" }, this.#options.title), this.#reading),
      this.#canvas, this.#legend, this.#note);
    this.#listen();
  }

  // answer: {data: {result: [{metric, values}]}, start, end, step}
  show(answer) {
    this.#answer = answer;
    this.#draw();
  }

  // Puts the line across at a time; the legend tells the values there, and without a time the latest.
  point(time, near = -1) {
    this.#time = time;
    this.#near = near;
    this.#read();
  }

  #listen() {
    const point = (time, near) => { this.point(time, near); this.#moved(time, this); };
    this.#canvas.addEventListener("pointermove", (event) => { if (this.#frame) point(...this.#under(event)); });
    for (const end of ["pointerleave", "blur"]) this.#canvas.addEventListener(end, () => point(null));
    this.#canvas.addEventListener("keydown", (event) => {
      const steps = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (!steps || !this.#frame) return;
      event.preventDefault();
      const { start, end } = this.#frame, time = (this.#time ?? end) + steps * this.#answer.step;
      point(Math.min(end, Math.max(start, time)));
    });
    new ResizeObserver(([entry]) => {
      const width = Math.floor(entry.contentRect.width);
      if (width === this.#width) return;
      this.#width = width;
      this.#draw();
    }).observe(this.figure);
  }

  #draw() {
    if (!this.#answer || !this.#width) return;
    const { lines, left } = linesOf(this.#answer, this.#options);
    this.#lines = lines;
    this.#frame = lines.length ? this.#framed() : null;
    this.#note.textContent = left ? `${left} more series are not drawn: topk() or sum() leaves fewer` : "";
    this.#canvas.setAttribute("width", this.#width);
    this.#canvas.replaceChildren(...(lines.length ? [...this.#grid(), ...lines.flatMap((line) => this.#paths(line)), this.#cursor] : [this.#nothing()]));
    this.#read();
  }

  #nothing() {
    const text = this.#answer.data.result.length ? "no finite value in this range" : "no samples in this range yet";
    return svg("text", { x: this.#width / 2, y: TALL / 2, "text-anchor": "middle" }, text);
  }

  // A ruler that has just started fills its charts: a few minutes are shown at least, and never more than was asked for.
  #framed() {
    const { start, end, step } = this.#answer, { min, max } = this.#options;
    const first = this.#lines.reduce((time, line) => Math.min(time, line.points[0].time), end);
    const heights = bounds(this.#lines.flatMap((line) => line.points.map((point) => point.top)), min, max);
    const values = ticks(...heights), texts = tickTexts(values, this.#options.format);
    const edge = { ...EDGE, left: Math.max(EDGE.left, 12 + LETTER * Math.max(...texts.map((text) => text.length))) };
    const times = [Math.max(start, Math.min(first - step, end - LEAST_SECONDS)), end];
    return { ...frame({ wide: this.#width, tall: TALL, edge }, times, heights), values, texts, edge };
  }

  #grid() {
    const { start, end, x, y, values, texts, edge } = this.#frame, day = end - start > 86400;
    const room = day ? 110 : 60, most = Math.max(2, Math.min(8, Math.floor((this.#width - edge.left) / room)));
    return [
      ...values.map((value) => svg("line", { class: "grid", x1: edge.left, x2: this.#width - edge.right, y1: y(value), y2: y(value) })),
      ...values.map((value, index) => svg("text", { x: edge.left - 8, y: y(value) + 4, "text-anchor": "end" }, texts[index])),
      ...timeTicks(start, end, most).map((time) => svg("text", {
        x: Math.min(x(time), this.#width - (day ? 42 : 17)), y: TALL - 5, "text-anchor": "middle",
      }, clock(time, { day }))),
    ];
  }

  #paths(line) {
    const parts = runs(line.points, this.#answer.step);
    const path = (kind, shape) =>
      svg("path", { class: `${kind} ${colour(line)}`, d: parts.map((run) => shape(run, this.#frame)).join("") });
    const filled = this.#options.stacked || this.#lines.length === 1;
    return filled ? [path("area", areaPath), path("line", linePath)] : [path("line", linePath)];
  }

  // The time below the pointer, and which line is next to the pointer there.
  #under({ clientX, clientY }) {
    const box = this.#canvas.getBoundingClientRect(), { end, y, timeAt } = this.#frame, { step } = this.#answer;
    const time = end - Math.round((end - timeAt(clientX - box.left)) / step) * step;
    const distances = this.#lines.map((line) => (line.at(time) ? Math.abs(y(line.at(time).top) - (clientY - box.top)) : Infinity));
    const least = Math.min(...distances);
    return [time, least < NEAR_PIXELS ? distances.indexOf(least) : -1];
  }

  // What the legend tells, and the marks at the pointer's time.
  #read() {
    const pointed = this.#time !== null && this.#frame !== null && this.#time >= this.#frame.start;
    const points = this.#lines.map((line) => (pointed ? line.at(this.#time) : line.latest(this.#answer.end)));
    update(this.#legend, ...this.#lines.map((line, index) => this.#entry(line, points[index], index)));
    this.#canvas.querySelectorAll("path.line").forEach((path, index) => path.classList.toggle("near", index === this.#near));
    this.#reading.textContent = pointed ? clock(this.#time, { seconds: true, day: this.#frame.end - this.#frame.start > 86400 }) : "";
    this.#cursor.replaceChildren(...(pointed ? this.#marks(points) : []));
  }

  #entry(line, point, index) {
    return element("span", { class: index === this.#near ? "near" : undefined, title: line.full },
      element("i", { class: colour(line) }), element("span", { class: "name" }, line.name),
      element("b", {}, point ? this.#options.format(point.value) : "–"));
  }

  #marks(points) {
    const x = this.#frame.x(this.#time);
    const mark = (point, index) => svg("circle", { class: colour(this.#lines[index]), cx: x, cy: this.#frame.y(point.top), r: index === this.#near ? 4 : 2.5 });
    return [svg("line", { x1: x, x2: x, y1: EDGE.top, y2: TALL - EDGE.bottom }),
      ...points.map((point, index) => point && mark(point, index)).filter(Boolean)];
  }
}
