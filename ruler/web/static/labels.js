// Labels as people read them, and how sets of labels compare.

import { element } from "./dom.js";

export function labelChips(labels, hidden = []) {
  const shown = Object.entries(labels).filter(([name]) => !hidden.includes(name));
  return element("span", { class: "labels" }, ...shown.map(([name, value]) => chip(`${name}=${value}`)));
}

export const chip = (text) => element("span", { class: "label" }, text);

// As PromQL writes it; a name beyond the classic letters stands quoted inside the braces.
export function seriesName(metric) {
  const { __name__: name = "", ...labels } = metric;
  const inner = Object.entries(labels).map(([key, value]) => `${bare(key)}=${quoted(value)}`);
  if (name && bare(name) !== name) inner.unshift(bare(name));
  const outer = inner[0] === bare(name) ? "" : name;
  return inner.length || !outer ? `${outer}{${inner.join(", ")}}` : outer;
}

// A short name for each of several series: without the name and the labels that all of them have alike.
export function shortNames(metrics) {
  if (metrics.length < 2) return seriesName;
  const same = Object.keys(metrics[0]).filter((name) => metrics.every((metric) => covers(metric, { [name]: metrics[0][name] })));
  return (metric) => seriesName(Object.fromEntries(Object.entries(metric).filter(([name]) => !same.includes(name))));
}

const bare = (name) => (/^[a-zA-Z_:][\w:]*$/.test(name) ? name : quoted(name));

// Characters that turn the direction of text are shown as what they are, so that a value cannot disguise what follows it.
const TURNS = /[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;
const quoted = (text) => JSON.stringify(text).replace(TURNS, (letter) => `\\u${letter.charCodeAt(0).toString(16).padStart(4, "0")}`);

export const identity = (labels) => JSON.stringify(Object.entries(labels).sort());

// Whether `labels` has every pair of `part`: an alert gains external labels on its way to the notifier.
export const covers = (labels, part) =>
  Object.entries(part).every(([name, value]) => Object.hasOwn(labels, name) && labels[name] === value);

export const matcherText = ({ name, value, isEqual, isRegex }) =>
  `${name}${isRegex ? (isEqual ? "=~" : "!~") : isEqual ? "=" : "!="}${value}`;

export const matches = (matchers, labels) => matchers.every(({ name, value, isEqual, isRegex }) => {
  const found = Object.hasOwn(labels, name) ? labels[name] : "";
  return (isRegex ? fullMatch(value, found) : found === value) === isEqual;
});

// The ruler's expressions are RE2's; the few that JavaScript cannot read match nothing here.
function fullMatch(pattern, text) {
  try {
    return new RegExp(`^(?:${pattern})$`, "su").test(text);
  } catch {
    return false;
  }
}
