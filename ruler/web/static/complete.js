// Offers names of metrics, functions and labels for the word at the cursor. Nothing is chosen until an arrow key chooses.

import * as api from "./api.js";
import { byId, element, update } from "./dom.js";

const MOST = 10;
const WORD = /[a-zA-Z_:][\w:]*$/;
const FUNCTIONS = ("abs absent absent_over_time avg avg_over_time bottomk by ceil changes clamp clamp_max clamp_min count count_over_time "
  + "count_values day_of_month day_of_week days_in_month delta deriv exp floor group group_left group_right histogram_quantile hour "
  + "idelta ignoring increase irate label_join label_replace last_over_time ln log10 log2 max max_over_time min min_over_time minute month "
  + "offset on predict_linear present_over_time quantile quantile_over_time rate resets round scalar sgn sort sort_by_label sort_desc sqrt "
  + "stddev stddev_over_time stdvar sum sum_over_time time timestamp topk unless vector without year").split(" ");

let words = FUNCTIONS.map((text) => [text, "function"]);
let offered = [], chosen = -1;

export function install() {
  const box = byId("query-text");
  box.addEventListener("focus", () => learn().catch(() => {}), { once: true });  // without names it completes functions
  box.addEventListener("input", offer);
  box.addEventListener("keydown", choose);
  box.addEventListener("blur", close);
  // pointerdown comes before blur, which would close the list under the pointer
  byId("query-words").addEventListener("pointerdown", (event) => {
    const item = event.target.closest("li");
    event.preventDefault();
    if (item) accept([...item.parentNode.children].indexOf(item));
  });
}

async function learn() {
  const [metrics, labels] = await Promise.all([api.metricNames(), api.labelNames()]);
  words = [...metrics.map((text) => [text, "metric"]), ...words, ...labels.map((text) => [text, "label"])];
}

const word = () => {
  const box = byId("query-text");
  return box.selectionStart === box.selectionEnd ? WORD.exec(box.value.slice(0, box.selectionEnd))?.[0] ?? "" : "";
};

function offer() {
  const typed = word().toLowerCase();
  if (typed.length < 2) { close(); return; }
  const found = words.filter(([text]) => text.toLowerCase().includes(typed) && text !== word());
  const first = found.filter(([text]) => text.toLowerCase().startsWith(typed));
  offered = [...first, ...found.filter((each) => !first.includes(each))].slice(0, MOST);
  chosen = -1;
  show();
}

function choose(event) {
  const move = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (!offered.length || event.isComposing) return;
  if (move) chosen = Math.max(-1, Math.min(offered.length - 1, chosen + move));
  else if (event.key === "Escape") offered = [];
  else if (chosen >= 0 && (event.key === "Enter" || event.key === "Tab")) accept(chosen);
  else { if (event.key === "Enter") close(); return; }
  event.preventDefault();
  show();
}

function accept(index) {
  const box = byId("query-text"), end = box.selectionEnd;
  box.setRangeText(offered[index][0], end - word().length, end, "end");
  close();
  box.focus();
}

function close() {
  offered = [];
  show();
}

function show() {
  const box = byId("query-text"), list = byId("query-words");
  list.hidden = !offered.length;
  if (chosen >= 0 && offered.length) box.setAttribute("aria-activedescendant", `query-word-${chosen}`);
  else box.removeAttribute("aria-activedescendant");
  update(list, ...offered.map(([text, kind], index) => element("li", { id: `query-word-${index}`, role: "option", "aria-selected": String(index === chosen) },
    element("span", {}, text), element("small", {}, kind))));
}
